"""What a vendor's compiler put into a model file: its own parts, and what it left to the processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgevision.artifact import Artifact
from edgevision.devices.checking import COMPILED
from edgevision.devices.compiled import explain_compiled
from edgevision.graphs import Value, read_graph
from edgevision.graphs.edgetpu import CompiledPart, inspect_compiled
from edgevision.graphs.vela import NpuPart, inspect_vela
from edgevision.mapping import MappingReport
from edgevision.tensors import QuantParams, TensorSpec


@dataclass(frozen=True)
class Contents:
    """What is inside of a compiled model.

    Attributes:
        parts: What the custom operators hold.
        mapping: Where each operator of the file runs, and why one is left to the processor.
    """

    parts: Sequence[CompiledPart | NpuPart]
    mapping: MappingReport

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"parts": [part.to_dict() for part in self.parts], "mapping": self.mapping.to_dict()}


def inspect_contents(artifact: Artifact) -> Contents | None:
    """Look into a model that was compiled for an accelerator; None for one that was not.

    Raises:
        ArtifactError: The file is damaged.
    """
    if artifact.manifest.format not in COMPILED:
        return None
    graph = read_graph(artifact.model_file)
    if graph.format == "edgetpu":
        return Contents(inspect_compiled(graph), explain_compiled(graph))
    parts = inspect_vela(artifact.model_file)
    return Contents(parts, explain_compiled(graph, _rules(parts)))


def _rules(parts: Sequence[NpuPart]) -> str:
    return "ethos-u85" if parts[0].accelerator.startswith("ethos-u85") else "ethos-u"


def compiled_tensors(
    artifact: Artifact, layout: str | None = None
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return inputs and outputs of a compiled file, whose device need not be here; none for one of another format.

    Args:
        artifact: The model.
        layout: Axes of its image input; None for NHWC, which TFLite files have by convention.

    Raises:
        ArtifactError: The file is damaged.
    """
    if artifact.manifest.format not in COMPILED:
        return (), ()
    graph = read_graph(artifact.model_file)
    layouts = ({4: layout or "NHWC"}, {2: "NC"})
    inputs, outputs = (
        tuple(_spec(graph.values[name], layouts[side]) for name in names)
        for side, names in enumerate((graph.inputs, graph.outputs))
    )
    return inputs, outputs


def _spec(value: Value, layouts: Mapping[int, str]) -> TensorSpec:
    shape = value.shape or ()
    single = len(value.scales) == 1 and value.scales[0] > 0
    quant = QuantParams(value.scales, value.zero_points) if single else None
    return TensorSpec(value.name, shape, value.dtype, layouts.get(len(shape), ""), quant)
