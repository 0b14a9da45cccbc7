"""Operators that move values: padding, joining, cutting, turning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgevision.converters.firmware.axes import joined, strides_of
from edgevision.converters.firmware.step import (
    Alias,
    Call,
    Field,
    Lowered,
    Step,
    Unsupported,
    int8_scale,
    positive_sizes,
)
from edgevision.graphs import Value
from edgevision.tensors import Array

_AXES = 5


def reshape(call: Call) -> Lowered:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the same bytes under another shape."""
    source, output = call.input(0), call.output()
    if source.elements != output.elements or source.dtype != output.dtype:
        raise Unsupported(f"{source.dtype} {list(source.sizes)} to {output.dtype} {list(output.sizes)}")
    return [Alias(call.operator.inputs[0], call.operator.outputs[0])]


def pad(call: Call) -> Lowered:
    """PAD and PADV2 with constants."""
    source, output = call.input(0), call.output()
    _same_scale(source, output)
    amounts = np.asarray(call.constant(1)).astype(int).reshape(-1, 2).tolist()
    shape = positive_sizes(source)
    expected = tuple(size + before + after for size, (before, after) in zip(shape, amounts, strict=True))
    if output.sizes != expected or min(min(pair) for pair in amounts) < 0:
        raise Unsupported(f"padding {amounts} of {list(shape)} to {list(output.sizes)}")
    value = int(call.constant(2).reshape(-1)[0]) if call.operator.kind == "PADV2" else source.zero_points[0]
    strides = strides_of(output.sizes)
    start = sum(before * stride for (before, _), stride in zip(amounts, strides, strict=True))
    target = call.operator.outputs[0]
    return [
        Step("fill", {"value": value, "count": output.elements}, (), target),
        moved(call.operator.inputs[0], target, shape, strides_of(shape), strides, out_start=start),
    ]


def concatenation(call: Call) -> Lowered:
    """CONCATENATION: one move for each input."""
    output = call.output()
    axis = call.option("axis") % max(1, len(output.sizes))
    if call.activation:
        raise Unsupported("a fused activation")
    strides, steps, at = strides_of(positive_sizes(output)), [], 0
    for position, index in enumerate(call.operator.inputs):
        source = call.input(position)
        _same_scale(source, output)
        if [s for i, s in enumerate(source.sizes) if i != axis] != [s for i, s in enumerate(output.sizes) if i != axis]:
            raise Unsupported(f"an input of shape {list(source.sizes)} in an output of {list(output.sizes)}")
        shape = positive_sizes(source)
        start = at * strides[axis]
        steps.append(moved(index, call.operator.outputs[0], shape, strides_of(shape), strides, out_start=start))
        at += shape[axis]
    if at != output.sizes[axis]:
        raise Unsupported(f"inputs of {at} along axis {axis} of {list(output.sizes)}")
    return steps


def split(call: Call) -> Lowered:
    """SPLIT into equal parts and SPLIT_V into given ones."""
    even = call.operator.kind == "SPLIT"
    position = 1 if even else 0
    source, index = call.input(position), call.operator.inputs[position]
    axis = int(call.constant(0 if even else 2).reshape(-1)[0]) % len(positive_sizes(source))
    strides, steps, at = strides_of(source.sizes), [], 0
    for number, target in enumerate(call.operator.outputs):
        output = call.output(number)
        _same_scale(source, output)
        steps.append(
            moved(index, target, positive_sizes(output), strides, strides_of(output.sizes), in_start=at * strides[axis])
        )
        at += output.sizes[axis]
    if at != source.sizes[axis]:
        raise Unsupported(f"parts of {at} along axis {axis} of {list(source.sizes)}")
    return steps


def strided_slice(call: Call) -> Lowered:
    """STRIDED_SLICE and SLICE with constants."""
    source, output = call.input(0), call.output()
    _same_scale(source, output)
    key = slices_of(call, positive_sizes(source))
    picked = np.arange(source.elements).reshape(source.sizes)[key]
    if picked.size != output.elements or not picked.size:
        raise Unsupported(f"a slice of {picked.size} values for an output of {output.elements}")
    strides = [_stride(picked, axis) for axis in range(picked.ndim)]
    start = int(picked.reshape(-1)[0])
    shape = picked.shape
    return [moved(call.operator.inputs[0], call.operator.outputs[0], shape, strides, strides_of(shape), in_start=start)]


def slices_of(call: Call, shape: tuple[int, ...]) -> tuple[slice | int, ...]:
    """Return what STRIDED_SLICE or SLICE picks, as numpy indexes with."""
    if call.operator.kind == "SLICE":
        begins, sizes = (np.asarray(call.constant(i)).reshape(-1).tolist() for i in (1, 2))
        return tuple(slice(b, None if n < 0 else b + n) for b, n in zip(begins, sizes, strict=True))
    if call.option("ellipsis_mask") or call.option("new_axis_mask") or call.option("offset"):
        raise Unsupported("an ellipsis, a new axis or ends that are offsets")
    begins, ends, steps = (np.asarray(call.constant(i)).reshape(-1).tolist() for i in (1, 2, 3))
    key: list[slice | int] = []
    for axis, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        bit = 1 << axis
        if call.option("shrink_axis_mask") & bit:
            key.append(0 if call.option("begin_mask") & bit else begin)
        else:
            key.append(
                slice(
                    None if call.option("begin_mask") & bit else begin,
                    None if call.option("end_mask") & bit else end,
                    step,
                )
            )
    return tuple(key)


def transpose(call: Call) -> Lowered:
    """TRANSPOSE."""
    source, output = call.input(0), call.output()
    _same_scale(source, output)
    order = np.asarray(call.constant(1)).reshape(-1).tolist()
    shape, strides = positive_sizes(source), strides_of(source.sizes)
    if sorted(order) != list(range(len(shape))) or output.sizes != tuple(shape[axis] for axis in order):
        raise Unsupported(f"axes {order} of {list(shape)}")
    turned = [strides[axis] for axis in order]
    return [moved(call.operator.inputs[0], call.operator.outputs[0], output.sizes, turned, strides_of(output.sizes))]


def moved(
    source: str, target: str, sizes: Sequence[int], in_strides: Sequence[int], out_strides: Sequence[int],
    *, in_start: int = 0, out_start: int = 0,
) -> Step:  # fmt: skip
    """Return the move of a block; axes that lie next to each other on both sides are joined."""
    sizes, in_strides, out_strides = joined(sizes, in_strides, out_strides, _AXES)
    fields: dict[str, Field] = {
        "sizes": sizes, "in_strides": in_strides, "out_strides": out_strides,
        "in_start": in_start, "out_start": out_start,
    }  # fmt: skip
    return Step("move", fields, (source,), target)


def _stride(picked: Array, axis: int) -> int:
    if picked.shape[axis] < 2:
        return 1
    first, second = (picked.take(i, axis=axis).reshape(-1)[0] for i in (0, 1))
    return int(second - first)


def _same_scale(source: Value, output: Value) -> None:
    if int8_scale(source) != int8_scale(output):
        raise Unsupported("an output with another scale than the input's")
