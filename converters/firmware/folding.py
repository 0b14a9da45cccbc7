"""Shape arithmetic, done once and for all: constants that follow from constants, and shapes that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgevision.converters.firmware import moving
from edgevision.converters.firmware.elementwise import TABULATED
from edgevision.converters.firmware.step import Call, Unsupported
from edgevision.graphs import Graph
from edgevision.tensors import Array


def folded(graph: Graph) -> Graph:
    """Compute what depends on constants and shapes alone: the arithmetic that a dynamic batch leaves behind.

    Shapes that the file leaves open behind it, and stores as 1, follow from the result. Operators whose results nothing
    needs are left out.
    """
    values, kept = dict(graph.values), []
    for operator in graph.nodes:
        call = Call(replace(graph, values=values), operator)
        value = _value(call) if len(operator.outputs) == 1 else None
        if value is None:
            kept.append(operator)
            shape = _shape(call) if len(operator.outputs) == 1 else None
            if shape is not None:
                values[operator.outputs[0]] = replace(values[operator.outputs[0]], shape=shape)
            continue
        output = call.output()
        values[output.name] = replace(output, shape=value.shape, constant=True, data=value.astype(output.dtype))
    needed = set(graph.outputs)
    live = []
    for operator in reversed(kept):
        if needed & set(operator.outputs):
            live.append(operator)
            needed |= set(operator.inputs)
    return replace(graph, values=values, nodes=tuple(reversed(live)))


def _shape(call: Call) -> tuple[int, ...] | None:
    """Return the shape of an operator's result where it follows from what is known; None where the file's holds."""
    infer = _SHAPES.get(call.operator.kind)
    try:
        return None if infer is None else tuple(int(size) for size in infer(call))
    except (ValueError, IndexError, Unsupported):
        return None  # lowering says what is wrong with it


def _reshape_shape(call: Call) -> tuple[int, ...]:
    wanted = call.constant(1).reshape(-1).tolist()
    return np.empty(call.input(0).sizes, np.int8).reshape(wanted).shape


def _joined_shape(call: Call) -> tuple[int, ...]:
    parts = [call.input(i).sizes for i in range(len(call.operator.inputs))]
    axis = call.option("axis") % len(parts[0])
    return (*parts[0][:axis], sum(part[axis] for part in parts), *parts[0][axis + 1 :])


def _same_shape(call: Call) -> tuple[int, ...]:
    return call.input(0).sizes


def _broadcast_shape(call: Call) -> tuple[int, ...]:
    return np.broadcast_shapes(call.input(0).sizes, call.input(1).sizes)


_SHAPES: dict[str, Callable[[Call], tuple[int, ...]]] = {
    "RESHAPE": _reshape_shape,
    "CONCATENATION": _joined_shape,
    "TRANSPOSE": lambda call: tuple(call.input(0).sizes[axis] for axis in call.constant(1).reshape(-1)),
    **dict.fromkeys(("ADD", "SUB", "MUL"), _broadcast_shape),
    **dict.fromkeys((*TABULATED, "SOFTMAX", "DEQUANTIZE"), _same_shape),
}
"""Operator -> the shape of its result, for those that may follow an open shape."""


def _value(call: Call) -> Array | None:
    """Return an operator's result where it is known now."""
    fold = _FOLDED.get(call.operator.kind)
    integers = ("int32", "int64", "int8") if fold is _reshaped else ("int32", "int64")
    if fold is None or call.output().dtype not in integers:
        return None
    known = [call.has(i) and call.input(i).data is not None for i in range(len(call.operator.inputs))]
    if call.operator.kind != "SHAPE" and not (known[0] if fold is _reshaped else all(known)):
        return None
    try:
        return fold(call)
    except (ValueError, IndexError, Unsupported):
        return None


def _reshaped(call: Call) -> Array:
    return call.constant(0).reshape(call.output().sizes)


_FOLDED: dict[str, Callable[[Call], Array]] = {
    "SHAPE": lambda call: np.array(call.input(0).sizes),
    "STRIDED_SLICE": lambda call: np.asarray(call.constant(0)[moving.slices_of(call, call.input(0).sizes)]),
    "SLICE": lambda call: np.asarray(call.constant(0)[moving.slices_of(call, call.input(0).sizes)]),
    "PACK": lambda call: np.stack(
        [call.constant(i) for i in range(len(call.operator.inputs))], axis=call.option("axis")
    ),
    "CONCATENATION": lambda call: np.concatenate(
        [call.constant(i) for i in range(len(call.operator.inputs))], axis=call.option("axis")
    ),
    "RESHAPE": _reshaped,
    "SQUEEZE": _reshaped,
    "EXPAND_DIMS": _reshaped,
    "CAST": lambda call: call.constant(0),
    "ADD": lambda call: np.asarray(call.constant(0) + call.constant(1)),
    "SUB": lambda call: np.asarray(call.constant(0) - call.constant(1)),
    "MUL": lambda call: np.asarray(call.constant(0) * call.constant(1)),
    "GATHER": lambda call: np.take(call.constant(0), call.constant(1), axis=call.option("axis")),
}
