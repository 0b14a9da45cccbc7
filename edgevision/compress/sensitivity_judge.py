"""Trying changes on the units of a model, alone and together, and comparing its answers with the float model's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.compress.sensitivity_channels import channel_groups
from edgevision.compress.sensitivity_report import LayerSensitivity
from edgevision.compress.sensitivity_simulation import Simulation
from edgevision.compress.sensitivity_weights import (
    FEWER_STEPS,
    STEPS,
    Altered,
    Change,
    pruned_weights,
    quantized_weights,
)
from edgevision.compress.sensitivity_why import Evidence, pruning_reason, quantization_reason
from edgevision.converters.costs import model_costs
from edgevision.converters.formats import SCHEMES
from edgevision.converters.keras_import import named_layers
from edgevision.converters.pruning import KERNELS
from edgevision.errors import ConfigError
from edgevision.metrics.closeness import sqnr_db
from edgevision.metrics.paired import Effect, paired_effect

if TYPE_CHECKING:
    from edgevision.compress.sensitivity_graph import Edge, Graph
    from edgevision.compress.sensitivity_subject import Subject

PARTS_IMAGES = 128
"""Images on which weights and activations are told apart."""
INSIDE_IMAGES, INSIDE_ELEMENTS = 16, 40_000_000
"""Images on which a layer's own output is compared, and how many activations may be held for that."""


@dataclass(frozen=True)
class Treatment:
    """What is done to a layer.

    Attributes:
        what: ``quantize``, ``prune`` or ``channels``.
        to: The format whose rounding counts.
        scheme: The numeric scheme, with ``quantize``.
        granularity: Of the scales of weights, with ``quantize``.
        target_sparsity: Share of zeros, with ``prune``; of channels, with ``channels``.
    """

    what: str = "quantize"
    to: str = "tflite"
    scheme: str = "static_wi8_ai8"
    granularity: str = "per_channel"
    target_sparsity: float = 0.5

    def to_dict(self) -> dict[str, Any]:
        """Return the options that matter."""
        names = ("to", "scheme", "granularity") if self.what == "quantize" else ("target_sparsity",)
        return {name: value for name, value in asdict(self).items() if name in names}


@dataclass(frozen=True)
class Trial:
    """One change to the model.

    Attributes:
        name: Of the layer that it is named after.
        kind: That layer's class.
        layers: Names of the layers with weights that it concerns, and its own.
        change: What the weights become.
        edges: Where results are rounded -> bits.
        unit: The unit that it concerns; None for several.
        why: What is known beforehand.
    """

    name: str
    kind: str
    layers: tuple[str, ...]
    change: Change
    edges: Mapping[int, int] = field(default_factory=dict)
    unit: int | None = None
    why: str = ""


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
        self._trials: dict[int, Trial] = {}
        self._costs = _costs(subject.source.model)
        size = sum(part[0].size for part in self._simulation.inside(subject.inputs[:1]))
        self._few = subject.inputs[: max(1, min(INSIDE_IMAGES, INSIDE_ELEMENTS // max(1, size)))]
        self._inside = self._simulation.inside(self._few)

    def trials(self, wanted: Collection[str] | None) -> tuple[list[Trial], list[tuple[str, str]]]:
        """Return what is to be tried, and (layer, reason) for those with weights that cannot be changed.

        Args:
            wanted: Names of the layers to try; None for all.

        Raises:
            ConfigError: There is nothing to try.
        """
        skipped: list[tuple[str, str]] = []
        if self._treatment.what == "channels":
            found = self._groups(wanted)
        else:
            found = [self.trial(unit) for unit in range(len(self.graph.units))]
            found = [trial for trial in found if wanted is None or set(trial.layers) & set(wanted)]
            if self._treatment.what == "prune":
                skipped = [
                    (trial.name, f"{trial.kind}: not a layer whose kernel is pruned")
                    for trial in found
                    if not trial.change and trial.unit is not None and self.graph.units[trial.unit].layers
                ]
            found = [trial for trial in found if trial.change or trial.edges]
        if not found:
            raise ConfigError(f"{self.subject.source.name}: nothing to change among the layers chosen")
        return found, skipped

    def trial(self, unit: int) -> Trial:
        """Return the trial of one unit: its weights and its results."""
        if unit not in self._trials:
            found, treatment = self.graph.units[unit], self._treatment
            if treatment.what == "prune":
                change = pruned_weights(found, treatment.target_sparsity, KERNELS)
            else:
                bits = SCHEMES[treatment.scheme].weight_bits
                fewer = treatment.to == "openvino" and SCHEMES[treatment.scheme].calibration
                change = quantized_weights(found, bits, treatment.granularity, FEWER_STEPS if fewer else STEPS)
            edges = self._bits(number for number, edge in enumerate(self.graph.edges) if edge.producer == unit)
            names = tuple(dict.fromkeys([found.name, *found.names]))
            self._trials[unit] = Trial(found.name, found.kind, names, change, edges, unit)
        return self._trials[unit]

    def alone(self, trial: Trial) -> LayerSensitivity:
        """Change what one trial changes: weights and results, together and apart."""
        self._simulation.set([trial.change], trial.edges)
        outputs, raw = self._simulation.answers(self.subject.inputs)
        whole = sqnr_db(self._raw, raw)
        both = bool(trial.change and trial.edges)
        own = None if trial.unit is None else self._simulation.inside(self._few)[trial.unit]
        costs = [self._costs[name] for name in trial.layers if name in self._costs]
        report = LayerSensitivity(
            layer=trial.name,
            kind=trial.kind,
            parameters=sum(parameters for parameters, _ in costs),
            macs=None if any(macs is None for _, macs in costs) else sum(macs or 0 for _, macs in costs),
            sqnr_db=None if own is None or trial.unit is None else sqnr_db(self._inside[trial.unit], own),
            output_sqnr_db=whole,
            weights_sqnr_db=self._part([trial.change], {}) if both else whole if trial.change else None,
            activations_sqnr_db=self._part([], trial.edges) if both else whole if trial.edges else None,
            effect=paired_effect(self.subject.targets, self.before, outputs.argmax(1)),
        )
        return replace(report, why=trial.why or self._why(trial, report))

    def together(
        self, trials: Iterable[Trial] | None = None, kept: Collection[int] = (), keep: str = "float"
    ) -> Effect:
        """Return the effect of several trials at once.

        Args:
            trials: Which; None quantizes every unit, the model's input and outputs too.
            kept: With None: units that are spared.
            keep: What they are spared for: ``float``, or ``int16`` with 8-bit weights and 16-bit activations.
        """
        if trials is None:
            whole = () if keep == "int16" else kept
            changes = [self.trial(unit).change for unit in range(len(self.graph.units)) if unit not in whole]
            edges = {number for number, edge in enumerate(self.graph.edges) if self._is_rounded(edge, kept)}
            spared = set(range(len(self.graph.edges))) - edges if keep == "int16" else set()
            self._simulation.set(changes, {**self._bits(edges), **self._bits(spared, 16)})
        else:
            self._simulation.set([_merged([trial.change for trial in trials])], {})
        answers = self._simulation.answers(self.subject.inputs)[0].argmax(1)
        return paired_effect(self.subject.targets, self.before, answers)

    def _groups(self, wanted: Collection[str] | None) -> list[Trial]:
        share, simulation = self._treatment.target_sparsity, self._simulation
        groups = channel_groups(self.subject.source.model, simulation.model, share, wanted)
        return [
            Trial(
                name=" + ".join(group.layers),
                kind="channels",
                layers=group.layers,
                change=group.change,
                why=f"{group.gone} of {group.channels} channels gone",
            )
            for group in groups
        ]

    def _bits(self, edges: Iterable[int], wanted: int | None = None) -> dict[int, int]:
        bits = SCHEMES[self._treatment.scheme].activation_bits
        if self._treatment.what != "quantize" or bits == 32:
            return {}
        bits = wanted or bits
        return {edge: bits for edge in edges if self._simulation.rounds(self.graph.edges[edge])}

    def _is_rounded(self, edge: Edge, kept: Collection[int]) -> bool:
        """TFLite rounds what an integer operator takes or makes, OpenVINO what it takes."""
        taken = edge.consumer is not None and edge.consumer not in kept
        made = edge.producer is not None and edge.producer not in kept
        return taken or (made and self._treatment.to == "tflite")

    def _part(self, changes: list[Change], edges: Mapping[int, int]) -> float | None:
        self._simulation.set(changes, edges)
        _, raw = self._simulation.answers(self.subject.inputs[:PARTS_IMAGES])
        return sqnr_db(self._raw[:PARTS_IMAGES], raw)

    def _why(self, trial: Trial, report: LayerSensitivity) -> str:
        if trial.unit is None:
            return ""
        ranges, unit = self._simulation.ranges, trial.unit
        evidence = Evidence(
            change=trial.change,
            outputs=self._inside[unit],
            made=[ranges[edge.value] for edge in self.graph.edges if edge.producer == unit],
            taken={self.graph.name_of(e.value): ranges[e.value] for e in self.graph.edges if e.consumer == unit},
        )
        if self._treatment.what == "prune":
            return pruning_reason(evidence)
        return quantization_reason(evidence, report, self._treatment.granularity)


def _costs(model: Any) -> dict[str, tuple[int, int | None]]:
    """Return parameters and operations of each layer with weights; no operations where the input's size is open."""
    if None in model.inputs[0].shape[1:]:
        return {name: (layer.count_params(), None) for name, layer in named_layers(model) if layer.weights}
    return {layer.name: (layer.parameters, layer.macs) for layer in model_costs(model).layers}


def _merged(changes: list[Change]) -> Change:
    """Return changes that set weights to zero as one, a weight being zero where any of them says so."""
    merged: dict[int, Altered] = {}
    for part in (part for change in changes for part in change):
        before = merged.get(id(part.variable))
        after = part.after if before is None else np.where(part.after == 0, 0, before.after)
        merged[id(part.variable)] = replace(part, after=after)
    return list(merged.values())
