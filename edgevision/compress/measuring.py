"""Measuring the models of a recipe: exported, weighed, evaluated, and timed in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edgevision.artifact import Artifact
from edgevision.benchmark import BenchmarkReport, Candidate, benchmark
from edgevision.compress.images import images_digest
from edgevision.compress.ledger import Latency, LedgerRow
from edgevision.compress.running import Stage, original_stage
from edgevision.converters.costs import model_costs
from edgevision.converters.golden_samples import make_golden
from edgevision.errors import BackendUnavailableError
from edgevision.evaluate import evaluate
from edgevision.export import export
from edgevision.runtimes.base import available_runtimes

if TYPE_CHECKING:
    from edgevision.converters.keras_import import SourceModel
    from edgevision.data.dataset import ImageDataset
    from edgevision.golden import Golden

WARMUP_S = 0.1
MIN_COUNT = 30


@dataclass(frozen=True)
class Setting:
    """What every candidate is made of and measured with.

    Attributes:
        source: The float model.
        train: Labelled images to calibrate and fine-tune on.
        test: Other labelled images, to measure accuracy on.
        device: Where candidates run.
        threads: Of the runtimes; None for all.
        min_duration_s: Seconds of measured inference of each artifact on each runtime.
        seed: Of golden samples and of the order of measurements.
    """

    source: SourceModel
    train: ImageDataset
    test: ImageDataset
    device: str = "cpu"
    threads: int | None = 1
    min_duration_s: float = 1.0
    seed: int = 0

    @cached_property
    def test_digest(self) -> str:
        """SHA-256 (hex) of the images that accuracy is measured on."""
        return images_digest(self.test)


@dataclass(frozen=True)
class Measured:
    """An artifact and its row, which has no latency until it was timed beside the others."""

    artifact: Artifact
    row: LedgerRow


class Measurer:
    """Exports and measures; remembers the float models that several recipes share. A context manager."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._folder = tempfile.TemporaryDirectory(prefix="edgevision-")
        self._floats: dict[tuple[str, str], Measured] = {}
        self._golden: Golden | None = None

    def __enter__(self) -> Measurer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def measure(self, stages: Sequence[Stage], format: str, out: Path) -> list[Measured]:
        """Measure each stage in one format, and write the last one's artifact, sealed, into the folder ``out``.

        Raises:
            CalibrationError: Calibration data of another shape, constant, or NaN.
            ConversionError: A converter gave up.
            BackendUnavailableError: No runtime for the format is here.
        """
        original = self.original(stages[0].model, format)
        between = [self._float(stage, format) for stage in stages[1:-1]]
        last = self._measured(stages[-1], format, out, self._golden_samples())
        return [_compared(item, original) for item in (original, *between, last)]

    def glance(self, stage: Stage, format: str, out: Path) -> Measured:
        """Measure one stage alone against the original, without golden samples: for a first impression."""
        return _compared(self._measured(stage, format, out, None), self.original(self.setting.source, format))

    def original(self, source: SourceModel, format: str) -> Measured:
        """Measure the float model."""
        return self._float(original_stage(source), format)

    def time(self, measured: Sequence[Measured]) -> tuple[list[LedgerRow], str]:
        """Time the artifacts in turns on every runtime here; return their rows, and the protocol in words."""
        candidates = [
            Candidate(item.artifact, name, self.setting.device, {"threads": self.setting.threads})
            for item in measured
            for name in self._runtimes(item.artifact)
        ]
        report = benchmark(
            candidates,
            warmup_s=WARMUP_S,
            min_duration_s=self.setting.min_duration_s,
            min_count=MIN_COUNT,
            seed=self.setting.seed,
        )
        return _with_latencies(measured, candidates, report), report.protocol.text

    def _float(self, stage: Stage, format: str) -> Measured:
        key = (stage.digest, format)
        if key not in self._floats:
            folder = Path(self._folder.name, stage.digest[:16])
            self._floats[key] = self._measured(stage, format, folder, None)
        return self._floats[key]

    def _measured(self, stage: Stage, format: str, out: Path, golden: Golden | None) -> Measured:
        artifact, skipped = export_stage(stage, format, out, self.setting, golden)
        (name, *_) = self._runtimes(artifact)
        options = {"threads": self.setting.threads}
        found = evaluate(artifact, self.setting.test, runtime=name, device=self.setting.device, options=options)
        costs = model_costs(stage.model.model)
        row = LedgerRow(
            step=stage.name,
            format=format,
            scheme=stage.numerics.scheme,
            bytes=artifact.bytes,
            deflated_bytes=artifact.deflated_bytes,
            sha256=artifact.sha256,
            parameters=costs.parameters,
            zeros=costs.zeros,
            macs=costs.macs,
            accuracy=found.classification.accuracy,
            drop_points=0.0,
            runtime=name,
            skipped=(*stage.skipped, *skipped),
        )
        return Measured(artifact, row)

    def _runtimes(self, artifact: Artifact) -> tuple[str, ...]:
        names = available_runtimes(artifact, self.setting.device)
        if not names:
            raise BackendUnavailableError(
                f"no runtime here runs {artifact.manifest.format} on {self.setting.device}",
                next_step="see edgevision devices",
            )
        return names

    def _golden_samples(self) -> Golden | None:
        if self._golden is None:
            self._golden = make_golden(self.setting.source, self.setting.test, seed=self.setting.seed)
        return self._golden


def export_stage(
    stage: Stage, format: str, out: Path, setting: Setting, golden: Golden | None
) -> tuple[Artifact, tuple[tuple[str, str], ...]]:
    """Export a model as its stage says; return the artifact and (layer, reason) for what was not converted as asked."""
    options: dict[str, Any] = {key: value for key, value in stage.numerics.to_dict().items() if key != "method"}
    (conversion,) = export(stage.model, out, to=(format,), calibration_data=setting.train, golden=golden, **options)
    return conversion.artifact, conversion.report.skipped


def _compared(item: Measured, original: Measured) -> Measured:
    drop = 100 * ((original.row.accuracy.value or 0.0) - (item.row.accuracy.value or 0.0))
    return replace(item, row=replace(item.row, drop_points=drop))


def _with_latencies(
    measured: Sequence[Measured], candidates: Sequence[Candidate], report: BenchmarkReport
) -> list[LedgerRow]:
    rows = []
    for item in measured:
        latency = {
            str(candidate.runtime): Latency(entry.latency.p50_ms, entry.latency.p90_ms, entry.latency.count)
            for candidate, entry in zip(candidates, report.entries, strict=True)
            if candidate.artifact is item.artifact
        }
        rows.append(replace(item.row, latency=latency))
    return rows
