"""What the Edge TPU's compiler would make of a model, predicted from its documentation."""

from __future__ import annotations

from edgevision.devices.rules.edgetpu import RULES
from edgevision.errors import IncompatibleModelError
from edgevision.graphs import Graph, Node
from edgevision.mapping import CPU, MappingReport, Placement

ACCELERATOR = "edgetpu"
CACHE_BYTES = 8 * 1024 * 1024
"""On-chip memory for parameters and program ("roughly 8 MB": Edge TPU compiler, parameter data caching)."""
BEHIND = "behind an operator that is left to the processor: the compiler makes one part only"
BEHIND_REWRITE = "get the first operator mapped, or move it behind this one"


def predict_mapping(graph: Graph) -> MappingReport:
    """Say of each operator whether the compiler puts it on the Edge TPU.

    An operator that the rules refuse stays on the processor, with all that needs its result. What only turns the
    model's float inputs into integers does not count: the compiler begins behind it.

    Raises:
        IncompatibleModelError: The file is no TFLite model, or is compiled already.
    """
    if graph.format != "tflite":
        raise IncompatibleModelError(
            "the Edge TPU's compiler takes TFLite files", got=graph.format, allowed="tflite",
            next_step="convert and quantize the model: edgevision quantize MODEL --to tflite --data …",
        )  # fmt: skip
    placements: list[Placement] = []
    cut: set[str] = set()
    for node in graph.nodes:
        refused = RULES.refusal(graph, node)
        if refused is not None:
            placements.append(Placement(node.index, node.kind, node.name, CPU, refused.reason, refused.rewrite))
            if not _is_entry(graph, node):
                cut.update(node.outputs)
        elif cut.intersection(node.inputs):
            placements.append(Placement(node.index, node.kind, node.name, CPU, BEHIND, BEHIND_REWRITE))
            cut.update(node.outputs)
        else:
            placements.append(Placement(node.index, node.kind, node.name, ACCELERATOR))
    on_chip, off_chip = _parameters(graph, placements)
    several = f"{graph.subgraphs} graphs in the file: branches and loops stay on the processor"
    notes = () if graph.subgraphs == 1 else (several,)
    facts = {"parameter_bytes_on_chip": on_chip, "parameter_bytes_streamed": off_chip}
    return MappingReport(ACCELERATOR, "predicted", tuple(placements), facts, notes)


def _is_entry(graph: Graph, node: Node) -> bool:
    """Whether a node quantizes a float input of the model."""
    return node.kind == "QUANTIZE" and all(value.name in graph.inputs for value in graph.inputs_of(node))


def _parameters(graph: Graph, placements: list[Placement]) -> tuple[int, int]:
    """Bytes of the mapped operators' constants that fit on the chip, and of those that are sent for each inference."""
    on_chip = off_chip = 0
    seen: set[str] = set()
    for node, placed in zip(graph.nodes, placements, strict=True):
        if placed.target == CPU:
            continue
        for value in graph.constants_of(node):
            if value.name in seen:
                continue
            seen.add(value.name)
            if on_chip + value.bytes <= CACHE_BYTES:
                on_chip += value.bytes
            else:
                off_chip += value.bytes
    return on_chip, off_chip
