"""From a graph to steps: which operators there are, shape arithmetic folded, everything unsupported listed at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgevision.converters.firmware import elementwise, moving, reducing, resizing, weighted
from edgevision.converters.firmware.fixed_point import ROUNDINGS
from edgevision.converters.firmware.folding import folded
from edgevision.converters.firmware.step import Alias, Call, Lowered, Step, Unsupported
from edgevision.errors import IncompatibleModelError
from edgevision.graphs import Graph, Node

OPERATORS: dict[str, Callable[[Call], Lowered]] = {
    "ADD": elementwise.binary,
    "AVERAGE_POOL_2D": reducing.pooling,
    "CONCATENATION": moving.concatenation,
    "CONV_2D": weighted.convolution,
    "DEPTHWISE_CONV_2D": weighted.depthwise,
    "EXPAND_DIMS": moving.reshape,
    "FULLY_CONNECTED": weighted.fully_connected,
    "MAX_POOL_2D": reducing.pooling,
    "MEAN": reducing.mean,
    "MUL": elementwise.binary,
    "PAD": moving.pad,
    "PADV2": moving.pad,
    "PRELU": elementwise.prelu,
    "RESHAPE": moving.reshape,
    "RESIZE_BILINEAR": resizing.bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resizing.nearest,
    "SLICE": moving.strided_slice,
    "SOFTMAX": reducing.softmax,
    "SPLIT": moving.split,
    "SPLIT_V": moving.split,
    "SQUEEZE": moving.reshape,
    "STRIDED_SLICE": moving.strided_slice,
    "SUB": elementwise.binary,
    "TRANSPOSE": moving.transpose,
    "TRANSPOSE_CONV": weighted.transposed,
    **dict.fromkeys(elementwise.TABULATED, elementwise.lookup),
}
"""Operators that firmware is generated for."""


@dataclass(frozen=True)
class Program:
    """What the firmware does.

    Attributes:
        graph: The graph, its shape arithmetic folded, floats cut off at its edges.
        steps: Steps and aliases with the operators that they come from, in order.
        cut: Names of operators at the edges that the caller of the firmware computes.
    """

    graph: Graph
    steps: tuple[tuple[Node, Step | Alias], ...]
    cut: tuple[str, ...]


def lower(graph: Graph, name: str, rounding: str = ROUNDINGS[0]) -> Program:
    """Return the steps of a graph.

    Args:
        graph: The graph.
        name: What errors call it.
        rounding: One of `fixed_point.ROUNDINGS`.

    Raises:
        IncompatibleModelError: Operators or tensors that firmware is not generated for, all of them with reasons.
    """
    graph, cut = _without_float_edges(folded(graph))
    steps: list[tuple[Node, Step | Alias]] = []
    reasons: list[str] = []
    for operator in graph.nodes:
        try:
            function = OPERATORS.get(operator.kind)
            if function is None or operator.custom:
                raise Unsupported("no such operator in firmware")
            steps += [(operator, step) for step in function(Call(graph, operator, rounding))]
        except Unsupported as exc:
            reasons.append(f"{operator.kind} (operator {operator.index}): {exc}")
    reasons += _bad_ends(graph)
    if reasons:
        raise IncompatibleModelError(
            f"{name}: firmware cannot be generated", got="; ".join(reasons),
            next_step="quantize the model to int8 (edgevision quantize), or replace these operators",
        )  # fmt: skip
    return Program(graph, tuple(steps), cut)


def _bad_ends(graph: Graph) -> list[str]:
    reasons = [] if graph.subgraphs == 1 else [f"{graph.subgraphs} graphs: control flow"]
    reasons += [f"{value.name} keeps a state" for value in graph.values.values() if value.state]
    for side, names in (("input", graph.inputs), ("output", graph.outputs)):
        for tensor in (graph.values[name] for name in names):
            if tensor.dtype != "int8":
                reasons.append(f"{side} {tensor.name} is {tensor.dtype}, not int8")
            elif tensor.constant:
                reasons.append(f"{side} {tensor.name} is constant")
    if not graph.inputs or not graph.outputs:
        reasons.append("a model without inputs or outputs")
    return reasons


def _without_float_edges(graph: Graph) -> tuple[Graph, tuple[str, ...]]:
    """Take QUANTIZE off float inputs and DEQUANTIZE off float outputs: stored values go in and come out."""
    inputs, outputs, cut = list(graph.inputs), list(graph.outputs), set()
    for operator in graph.nodes:
        if operator.kind == "QUANTIZE" and operator.inputs[0] in inputs:
            users = [other for other in graph.nodes if operator.inputs[0] in other.inputs]
            if graph.values[operator.inputs[0]].dtype == "float32" and len(users) == 1:
                inputs[inputs.index(operator.inputs[0])] = operator.outputs[0]
                cut.add(operator.index)
        elif operator.kind == "DEQUANTIZE" and operator.outputs[0] in outputs:
            outputs[outputs.index(operator.outputs[0])] = operator.inputs[0]
            cut.add(operator.index)
    kept = tuple(operator for operator in graph.nodes if operator.index not in cut)
    names = tuple(operator.kind for operator in graph.nodes if operator.index in cut)
    return replace(graph, nodes=kept, inputs=tuple(inputs), outputs=tuple(outputs)), names
