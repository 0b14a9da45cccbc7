"""Trying changes on the units of a model, alone and together, and comparing its answers with those of the float model."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.compress.sensitivity_report import LayerSensitivity
from edgevision.compress.sensitivity_simulation import Simulation
from edgevision.compress.sensitivity_weights import Change, pruned_weights, quantized_weights
from edgevision.compress.sensitivity_why import Evidence, pruning_reason, quantization_reason
from edgevision.converters.base import SCHEMES
from edgevision.converters.pruning import KERNELS
from edgevision.errors import ConfigError
from edgevision.metrics.paired import Effect, paired_effect

if TYPE_CHECKING:
    from edgevision.compress.sensitivity_graph import Edge, Graph
    from edgevision.compress.sensitivity_subject import Subject
    from edgevision.tensors import Array

PARTS_IMAGES = 128
"""Images on which weights and activations are told apart."""
INSIDE_IMAGES, INSIDE_ELEMENTS = 16, 40_000_000
"""Images on which a layer's own output is compared, and how many activations may be held for that."""


@dataclass(frozen=True)
class Treatment:
    """What is done to a layer.

    Attributes:
        what: ``quantize`` or ``prune``.
        to: The format whose rounding counts.
        scheme: The numeric scheme, with ``quantize``.
        granularity: Of the scales of weights, with ``quantize``.
        target_sparsity: Share of zeros, with ``prune``.
    """

    what: str = "quantize"
    to: str = "tflite"
    scheme: str = "static_wi8_ai8"
    granularity: str = "per_channel"
    target_sparsity: float = 0.5

    def to_dict(self) -> dict[str, Any]:
        """Return the options that matter."""
        names = ("target_sparsity",) if self.what == "prune" else ("to", "scheme", "granularity")
        return {name: value for name, value in asdict(self).items() if name in names}


class Judge:
    """A simulated model and what its float form answers.

    Attributes:
        subject: The model and its images.
        graph: Its units.
        before: The float model's best classes, (N,).
    """

    def __init__(self, subject: Subject, treatment: Treatment) -> None:
        """Trace the model, measure its ranges and let the float form answer.

        Raises:
            ConversionError: The model cannot be laid open, or a layer gives NaN or infinite values.
        """
        self.subject = subject
        self._treatment = treatment
        self._simulation = Simulation(subject.source, treatment.to)
        self.graph: Graph = self._simulation.graph
        self._simulation.calibrate(subject.calibration_inputs())
        self.before, self._raw = subject.float_answers(self._simulation)
        self._changes: dict[int, Change] = {}
        size = sum(part[0].size for part in self._simulation.inside(subject.inputs[:1]))
        self._few = subject.inputs[: max(1, min(INSIDE_IMAGES, INSIDE_ELEMENTS // max(1, size)))]
        self._inside = self._simulation.inside(self._few)

    def choose(self, wanted: Collection[str] | None) -> tuple[list[int], list[tuple[str, str]]]:
        """Return the units to judge, and (layer, reason) for those with weights that cannot be changed.

        Raises:
            ConfigError: There is nothing to judge.
        """
        chosen, skipped = [], []
        for number, unit in enumerate(self.graph.units):
            if wanted is not None and not {unit.name, *(layer.name for layer in unit.layers)} & set(wanted):
                continue
            if self._change(number) or self._leaving(number):
                chosen.append(number)
            elif unit.layers and self._treatment.what == "prune":
                skipped.append((unit.name, f"{unit.kind}: not a convolution or dense layer whose kernel is pruned"))
        if not chosen:
            raise ConfigError(f"{self.subject.source.name}: nothing to change among the layers chosen")
        return chosen, skipped

    def alone(self, unit: int) -> LayerSensitivity:
        """Change one unit: its weights and its output, together and apart."""
        change, leaving, found = self._change(unit), self._leaving(unit), self.graph.units[unit]
        self._simulation.set([change], leaving)
        outputs, raw = self._simulation.answers(self.subject.inputs)
        whole = sqnr_db(self._raw, raw)
        report = LayerSensitivity(
            layer=found.name,
            kind=found.kind,
            parameters=sum(layer.count_params() for layer in found.layers),
            sqnr_db=sqnr_db(self._inside[unit], self._simulation.inside(self._few)[unit]),
            output_sqnr_db=whole,
            weights_sqnr_db=self._part([change], {}) if change and leaving else whole if change else None,
            activations_sqnr_db=self._part([], leaving) if change and leaving else whole if leaving else None,
            effect=paired_effect(self.subject.targets, self.before, outputs.argmax(1)),
        )
        return replace(report, why=self._why(unit, report))

    def together(self, kept: Collection[int] = ()) -> Effect:
        """Return the effect of all units changed at once but for those in ``kept``, which stay in float."""
        changes = [self._change(unit) for unit in range(len(self.graph.units)) if unit not in kept]
        edges = [number for number, edge in enumerate(self.graph.edges) if self._is_rounded(edge, kept)]
        self._simulation.set(changes, self._bits(edges))
        answers = self._simulation.answers(self.subject.inputs)[0].argmax(1)
        return paired_effect(self.subject.targets, self.before, answers)

    def _change(self, unit: int) -> Change:
        if unit not in self._changes:
            found, treatment = self.graph.units[unit], self._treatment
            if treatment.what == "prune":
                self._changes[unit] = pruned_weights(found, treatment.target_sparsity, KERNELS)
            else:
                bits = SCHEMES[treatment.scheme].weight_bits
                self._changes[unit] = quantized_weights(found, bits, treatment.granularity)
        return self._changes[unit]

    def _leaving(self, unit: int) -> dict[int, int]:
        """Where the results of a unit are rounded, with the bits that they get."""
        return self._bits(number for number, edge in enumerate(self.graph.edges) if edge.producer == unit)

    def _bits(self, edges: Iterable[int]) -> dict[int, int]:
        bits = SCHEMES[self._treatment.scheme].activation_bits
        if self._treatment.what == "prune" or bits == 32:
            return {}
        return {edge: bits for edge in edges if self._simulation.rounds(self.graph.edges[edge])}

    def _is_rounded(self, edge: Edge, kept: Collection[int]) -> bool:
        """TFLite rounds what an integer operator takes or makes, OpenVINO what it takes."""
        taken = edge.consumer is not None and edge.consumer not in kept
        made = edge.producer is not None and edge.producer not in kept
        return taken or (made and self._treatment.to == "tflite")

    def _part(self, changes: list[Change], edges: dict[int, int]) -> float | None:
        self._simulation.set(changes, edges)
        _, raw = self._simulation.answers(self.subject.inputs[:PARTS_IMAGES])
        return sqnr_db(self._raw[:PARTS_IMAGES], raw)

    def _why(self, unit: int, report: LayerSensitivity) -> str:
        ranges = self._simulation.ranges
        evidence = Evidence(
            unit=self.graph.units[unit],
            change=self._change(unit),
            outputs=self._inside[unit],
            made=[ranges[edge.value] for edge in self.graph.edges if edge.producer == unit],
            taken={self.graph.name_of(e.value): ranges[e.value] for e in self.graph.edges if e.consumer == unit},
        )
        if self._treatment.what == "prune":
            return pruning_reason(evidence)
        return quantization_reason(evidence, report, self._treatment.granularity)


def sqnr_db(signal: Array, changed: Array) -> float | None:
    """Return 10·log10(Σx² / Σ(x − x̂)²); None where nothing changed.

    >>> import numpy as np
    >>> sqnr_db(np.full(4, 10.0), np.full(4, 9.0))
    20.0
    """
    wide = signal.astype(np.float64)
    noise = float(np.square(wide - changed).sum())
    power = float(np.square(wide).sum())
    return 10 * math.log10(power / noise) if noise > 0 and power > 0 else None
