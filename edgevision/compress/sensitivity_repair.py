"""From a bad integer model to the few layers that have to stay in float, proved on real artifacts.

The search happens in simulation: layers are spared along the ranking, with those that take their results (in
whose inputs the rounding is), until the loss is gone; then each that is not needed is given back. What remains is a
recipe, which is carried out and measured.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgevision.compress.sensitivity_judge import Judge, Treatment
from edgevision.compress.sensitivity_proof import KEEP, Proof, Repair
from edgevision.compress.sensitivity_report import SensitivityReport
from edgevision.compress.sensitivity_subject import Subject
from edgevision.converters.base import convert
from edgevision.converters.formats import FORMATS
from edgevision.errors import ConfigError, IncompatibleModelError, check_choice
from edgevision.evaluate import evaluate
from edgevision.metrics.paired import Effect, paired_effect

if TYPE_CHECKING:
    from edgevision.converters.keras_import import SourceModel
    from edgevision.data.dataset import ImageDataset

RECOVERED = 0.9
"""Share of the loss that has to come back in the real model."""
LEFT = (0.15, 0.05)
"""Shares of the loss that may be left in simulation: few layers are tried first, more if they do not do."""
NOTABLE_DISAGREEMENT = 0.05
"""Share of changed answers from which on they are a loss of their own, where accuracy tells nothing."""
SOUND_DISAGREEMENT = 0.03
"""Share of answers that a sound integer model changes too: no loss."""
WORTH = 0.05
"""How much more of the loss has to come back for more layers to be worth it."""
MOST, MOST_OF_FEW = 0.5, 6
"""Share of the layers that may be kept in float, and how many in a small model; one with weights is always left."""


def repair(
    source: SourceModel,
    dataset: ImageDataset,
    report: SensitivityReport,
    *,
    calibration_data: ImageDataset | None = None,
    keep: str = "float",
    progress: Callable[[int, int], None] | None = None,
) -> Repair:
    """Find the layers that have to be spared for the quantized model to answer as the float model does.

    Args:
        source: The model that the report is about.
        dataset: The images that it was judged on.
        report: What `edgevision.compress.sensitivity.sensitivity` said, with ``what="quantize"``.
        calibration_data: As for that call.
        keep: What the spared layers compute in: ``float``, or ``int16`` (8-bit weights and 16-bit activations, for
            devices without floats) where the format has it.
        progress: Called with (trials done, trials at most).

    Raises:
        ConfigError: A report about pruning, or about another model.
        ConversionError: The format's converter gave up.
        EdgeVisionError: As `sensitivity`.
    """
    if report.what != "quantize" or report.model != source.name:
        raise ConfigError(
            "a repair needs the report of this model, quantized", got=f"{report.what} of {report.model}",
            allowed=f"quantize of {source.name}",
        )  # fmt: skip
    settings = report.settings
    check_choice("what layers are kept in", keep, tuple(KEEP))
    offered = getattr(FORMATS[settings["to"]], f"{keep}_layers")
    check_choice(f"scheme of a repair with {keep} layers for {settings['to']}", settings["scheme"], offered)
    subject = Subject(
        source,
        dataset,
        calibration_data,
        images=report.images,
        calibration_count=report.calibration_images,
        seed=settings["seed"],
    )
    judge = Judge(subject, Treatment("quantize", settings["to"], settings["scheme"], settings["granularity"]))
    workshop = _Workshop(judge, settings, keep)
    about = (source.name, settings, len(subject.calibration), keep)
    before = workshop.prove(())
    measure = _measure(before.effect)
    if measure is None:
        return Repair(*about, None, before)
    search = _Search(judge, measure, keep, [layer.layer for layer in report.layers], progress)
    best: tuple[Proof, float] | None = None
    for kept in search.candidates():
        proof = workshop.prove(search.names(kept), kept)
        share = 0.0 if proof.refused else _recovered(measure, before.effect, proof.effect)
        if best is None or share > (best[0].recovered or 0.0) + WORTH:
            best = replace(proof, recovered=share), search.recovered(kept)
        if share >= RECOVERED:
            break
    if best is None:
        return Repair(*about, measure, before)
    return Repair(*about, measure, before, *best)


class _Search:
    """Looks in simulation for the units to keep in float."""

    def __init__(
        self, judge: Judge, measure: str, keep: str, ranking: list[str], progress: Callable[[int, int], None] | None
    ) -> None:
        self._judge, self._measure, self._keep, self._progress = judge, measure, keep, progress
        units = judge.graph.units
        self._ranking = [number for name in ranking for number, unit in enumerate(units) if unit.name == name]
        self._losses: dict[frozenset[int], float] = {}
        self._most = max(int(MOST * len(units)), min(MOST_OF_FEW, len(units) - 1))
        self._weighted = {number for number, unit in enumerate(units) if unit.layers}
        self._whole = self._loss(frozenset())

    def candidates(self) -> Iterator[frozenset[int]]:
        """Yield sets of units to keep in float, each to be tried if the one before did not do in reality."""
        grown: frozenset[int] = frozenset()
        for left in LEFT:
            grown = self._grown(grown, left * self._whole)
            if grown:
                yield self._shrunk(grown, left * self._whole)
        if grown:
            yield grown
            yield self._grown(grown, -1.0, steps=2)

    def names(self, kept: Collection[int]) -> tuple[str, ...]:
        """Return the names of the layers in a recipe: of the units, and of the layers between them."""
        graph = self._judge.graph
        between = [
            name
            for edge in graph.edges
            if edge.producer in kept and (edge.consumer is None or edge.consumer in kept)
            for name in edge.through
        ]
        return tuple(dict.fromkeys([*(graph.units[unit].name for unit in sorted(kept)), *between]))

    def recovered(self, kept: frozenset[int]) -> float:
        """Return the share of the loss that comes back in simulation."""
        return 1 - self._loss(kept) / max(self._whole, 1e-9)

    def _grown(self, kept: frozenset[int], tolerated: float, steps: int | None = None) -> frozenset[int]:
        taken = 0
        for unit in self._ranking:
            wider = kept | {unit} | self._judge.graph.followers(unit)
            if self._loss(kept) <= tolerated or taken == steps:
                break
            if wider != kept and len(wider) <= self._most and self._weighted - wider:
                taken, kept = taken + 1, wider
        return kept

    def _shrunk(self, kept: frozenset[int], tolerated: float) -> frozenset[int]:
        tolerated = max(tolerated, self._loss(kept))
        for unit in sorted(kept, key=lambda unit: (-self._weight(unit), unit)):
            if len(kept) > 1 and self._loss(kept - {unit}) <= tolerated:
                kept = kept - {unit}
        return kept

    def _weight(self, unit: int) -> int:
        return sum(layer.count_params() for layer in self._judge.graph.units[unit].layers)

    def _loss(self, kept: frozenset[int]) -> float:
        if kept not in self._losses:
            self._losses[kept] = _loss(self._measure, self._judge.together(kept=kept, keep=self._keep))
            if self._progress:
                self._progress(len(self._losses), 2 * self._most + 2)
        return self._losses[kept]


class _Workshop:
    """Makes real artifacts and measures them."""

    def __init__(self, judge: Judge, settings: dict[str, Any], keep: str) -> None:
        self._judge, self._settings, self._keep = judge, settings, keep
        self._proofs: dict[tuple[str, ...], Proof] = {}

    def prove(self, layers: tuple[str, ...], kept: Collection[int] = ()) -> Proof:
        """Convert with these layers spared and compare the answers with the float model's.

        Args:
            layers: Their names.
            kept: The units that they are.
        """
        if layers not in self._proofs:
            subject, refused = self._judge.subject, None
            with tempfile.TemporaryDirectory() as folder:
                artifact = convert(
                    subject.source,
                    folder,
                    to=self._settings["to"],
                    scheme=self._settings["scheme"],
                    granularity=self._settings["granularity"],
                    calibration=subject.calibration,
                    float_layers=layers if self._keep == "float" else (),
                    int16_layers=layers if self._keep == "int16" else (),
                ).artifact
                size = artifact.bytes
                try:
                    answers = evaluate(artifact, subject.dataset).predicted
                    effect = paired_effect(subject.targets, self._judge.before, answers)
                except IncompatibleModelError as exc:  # steps so coarse that a kernel has no arithmetic for them
                    effect, refused = self._judge.together(kept=kept, keep=self._keep), str(exc)
            self._proofs[layers] = Proof(layers, effect, size, refused=refused)
        return self._proofs[layers]


def _measure(effect: Effect) -> str | None:
    """Return which loss there is to repair: of accuracy if it is beyond chance, else of answers if it is notable."""
    if effect.high < 0:
        return "accuracy"
    return "agreement" if 1 - effect.agreement.high > NOTABLE_DISAGREEMENT else None


def _loss(measure: str, effect: Effect) -> float:
    if measure == "accuracy":
        return -effect.points / 100
    return max(0.0, 1 - (effect.agreement.value or 0.0) - SOUND_DISAGREEMENT)


def _recovered(measure: str, before: Effect, after: Effect) -> float:
    return 1 - _loss(measure, after) / _loss(measure, before)
