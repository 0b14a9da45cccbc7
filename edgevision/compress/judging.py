"""One candidate of a search: a glance that costs seconds, and only if there is hope the whole recipe, measured."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from edgevision.compress.applying import write_compressed
from edgevision.compress.constraints import Constraints, Violation
from edgevision.compress.ledger import LedgerRow
from edgevision.compress.measuring import Measured, Measurer, Setting, export_stage
from edgevision.compress.recipe import CompressionRecipe
from edgevision.compress.running import Progress, Stage, run_recipe
from edgevision.compress.space import Proposal
from edgevision.compress.steps import INT8, FineTuned, PruneChannels, QuantizeAware, Step
from edgevision.converters.costs import model_costs
from edgevision.converters.formats import SCHEMES
from edgevision.converters.quantization_scheme import BATCH_NORMS
from edgevision.errors import BackendUnavailableError, DeviceNotFoundError, InputError, OutputError

GLANCE_TRAIN, GLANCE_TEST = 512, 500
"""Images of a glance: to train on for one epoch, and to evaluate on."""
LATENCY_SLACK = 1.25
"""A glance's latency is short and noisy: only this much beyond the limit is hopeless."""

PASSING = (OutputError, InputError, BackendUnavailableError, DeviceNotFoundError)
"""Errors that are no candidate's fault: no space, images that cannot be read now, something that is not there."""


@dataclass(frozen=True)
class Stopped:
    """Why a candidate was not run.

    Attributes:
        reason: In words.
        figures: What was known by then: ``bytes``, ``latency_ms``, ``drop_points``.
    """

    reason: str
    figures: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"reason": self.reason, "figures": dict(self.figures)}


@dataclass(frozen=True)
class Judged:
    """What became of a candidate: a row where it was run, or why it was stopped.

    Attributes:
        row: The finished model's row.
        stopped: Why there is none.
        glance_drop: Points lost at the glance; None without one.
    """

    row: LedgerRow | None
    stopped: Stopped | None
    glance_drop: float | None = None


class Judge:
    """Judges one candidate after another; a context manager."""

    def __init__(self, setting: Setting, constraints: Constraints, models: Path) -> None:
        """Make a judge that keeps the models that recipes share in the folder ``models``."""
        self.measurer = Measurer(setting)
        self._constraints = constraints
        self._models = models
        small = replace(
            setting,
            train=_some(setting.train, GLANCE_TRAIN, setting.seed),
            test=_some(setting.test, GLANCE_TEST, setting.seed),
            min_duration_s=0.2,
        )
        self._small = Measurer(small)

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.measurer.__exit__(kind, error, trace)
        self._small.__exit__(kind, error, trace)

    def judge(self, proposal: Proposal, place: Path, recovery: float, progress: Progress | None = None) -> Judged:
        """Run a candidate into the folder ``place``, unless it is hopeless.

        Args:
            proposal: The candidate.
            place: Gets the artifact, ``recipe.toml`` and ``ledger.json``.
            recovery: Points that fine-tuning is trusted to win back after a glance.
            progress: Called with what is going on.
        """
        too_large = self._too_large(proposal)
        if too_large is not None:
            return Judged(None, too_large)
        glance_drop = None
        if any(isinstance(step, FineTuned) for step in proposal.recipe.steps):
            row, latency = self._glance(proposal)
            stopped = self._hopeless(row, latency, recovery)
            if stopped is not None:
                return Judged(None, stopped, row.drop_points)
            glance_drop = row.drop_points
        done = write_compressed(
            self.measurer, proposal.recipe, (proposal.format,), place,
            kept=self._models, overwrite=True, progress=progress,
        )  # fmt: skip
        return Judged(done.ledger.rows[-1], None, glance_drop)

    def bytes_of(self, proposal: Proposal) -> int:
        """Return how many bytes a candidate's files have; none is trained or run for it."""
        with tempfile.TemporaryDirectory(prefix="edgevision-") as folder:
            stage = self._shortened(proposal, epochs=0)
            return export_stage(stage, proposal.format, Path(folder), self._small.setting, None)[0].bytes

    def _too_large(self, proposal: Proposal) -> Stopped | None:
        """Stop what no measurement is needed for: weights that alone take more than is allowed.

        The int8 model with all of its weights is measured even so: everything else is compared with it.
        """
        scheme = proposal.recipe.numerics.scheme
        bits = SCHEMES[scheme].weight_bits
        whole = not any(isinstance(step, PruneChannels) for step in proposal.recipe.steps)
        layers = model_costs(self.measurer.setting.source.model).layers
        least = sum(layer.parameters for layer in layers if layer.kind not in BATCH_NORMS) * bits // 8
        missed = self._constraints.missed(bytes=least)
        if scheme != INT8 and whole and missed:
            return Stopped(f"its weights alone: {missed[0]}", {"bytes": least})
        return None

    def _glance(self, proposal: Proposal) -> tuple[LedgerRow, float | None]:
        with tempfile.TemporaryDirectory(prefix="edgevision-") as folder:
            measured = self._small.glance(self._shortened(proposal, epochs=1), proposal.format, Path(folder))
            return measured.row, self._latency(measured)

    def _shortened(self, proposal: Proposal, epochs: int) -> Stage:
        steps = tuple(_short(step, epochs) for step in proposal.recipe.steps)
        setting = self._small.setting
        return run_recipe(setting.source, CompressionRecipe(proposal.recipe.name, steps), setting.train)[-1]

    def _latency(self, measured: Measured) -> float | None:
        if self._constraints.max_latency_ms is None:
            return None
        return self._small.time([measured])[0][0].latency_ms

    def _hopeless(self, row: LedgerRow, latency: float | None, recovery: float) -> Stopped | None:
        figures = {"bytes": float(row.bytes), "drop_points": row.drop_points}
        figures |= {} if latency is None else {"latency_ms": latency}
        missed: Sequence[Violation] = hopeless(self._constraints, figures, 100 * (row.accuracy.value or 0.0), recovery)
        return Stopped("; ".join(map(str, missed)), figures) if missed else None


def hopeless(
    constraints: Constraints, figures: Mapping[str, float], accuracy: float | None, recovery: float
) -> tuple[Violation, ...]:
    """Return the limits that a candidate with these figures of a glance will miss, whatever training does."""
    latency = figures.get("latency_ms")
    drop = figures.get("drop_points")
    return constraints.missed(
        bytes=figures.get("bytes"),
        latency_ms=None if latency is None else latency / LATENCY_SLACK,
        drop_points=None if drop is None else drop - recovery,
        accuracy=None if accuracy is None else min(100.0, accuracy + recovery),
    )


def _short(step: Step, epochs: int) -> Step:
    """Return a step with so little training that it takes seconds."""
    if isinstance(step, QuantizeAware):
        return replace(step, epochs=0, distillation=None)
    if isinstance(step, FineTuned):
        return replace(step, epochs=epochs)
    return step


def _some(dataset: Any, count: int, seed: int) -> Any:
    return dataset.balanced(min(count, len(dataset)), seed)
