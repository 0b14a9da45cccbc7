"""Operators that summarise: pooling, means, softmax."""

from __future__ import annotations

import math

import numpy as np

from edgevision.converters.firmware.activation import activation_range
from edgevision.converters.firmware.fixed_point import exponential, multiplier_of, scaled
from edgevision.converters.firmware.step import Call, Field, Lowered, Step, Unsupported, int8_scale, positive_sizes
from edgevision.converters.firmware.weighted import spatial


def pooling(call: Call) -> Lowered:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    source, output = call.input(0), call.output()
    window = spatial(call, (call.option("filter_h"), call.option("filter_w")))
    if int8_scale(source) != int8_scale(output):
        raise Unsupported("an output with another scale than the input's")
    low, high = activation_range(call.activation, output)
    average = int(call.operator.kind == "AVERAGE_POOL_2D")
    fields: dict[str, Field] = {"window": window, "low": low, "high": high, "average": average}
    return [Step("pooling", fields, (call.operator.inputs[0],), call.operator.outputs[0])]


def mean(call: Call) -> Lowered:
    """MEAN over any axes."""
    source, output = call.input(0), call.output()
    (scale, zero), (out_scale, out_zero) = int8_scale(source), int8_scale(output)
    shape = positive_sizes(source)
    axes = {int(axis) % len(shape) for axis in np.asarray(call.constant(1)).reshape(-1)}
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    count = math.prod(shape[axis] for axis in axes)
    if output.elements * count != source.elements:
        raise Unsupported(f"an output of shape {list(output.sizes)} from axes {sorted(axes)} of {list(shape)}")
    kept = four_axes([(shape[axis], strides[axis]) for axis in range(len(shape)) if axis not in axes])
    reduced = four_axes([(shape[axis], strides[axis]) for axis in sorted(axes)])
    multiplier, shift = multiplier_of(scale / out_scale)
    power = max(0, min(count.bit_length() - 1, 32, 31 + shift))
    fields: dict[str, Field] = {
        "kept": kept[0], "kept_strides": kept[1], "reduced": reduced[0], "reduced_strides": reduced[1],
        "offset": -zero * count, "multiplier": (multiplier << power) // count, "shift": shift - power,
        "zero_point": out_zero,
    }  # fmt: skip
    return [Step("mean", fields, (call.operator.inputs[0],), call.operator.outputs[0])]


def four_axes(axes: list[tuple[int, int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return sizes and strides over four axes; neighbours that lie next to each other are joined."""
    joined: list[tuple[int, int]] = []
    for size, stride in axes:
        if size == 1:
            continue
        if joined and joined[-1][1] == stride * size:
            joined[-1] = (joined[-1][0] * size, stride)
        else:
            joined.append((size, stride))
    if len(joined) > 4:
        raise Unsupported("more than four separate axes")
    joined = [(1, 0)] * (4 - len(joined)) + joined
    return tuple(size for size, _ in joined), tuple(stride for _, stride in joined)


def softmax(call: Call) -> Lowered:
    """SOFTMAX over the last axis; exponentials of the 256 possible differences are computed here."""
    source, output = call.input(0), call.output()
    scale, _ = int8_scale(source)
    if int8_scale(output) != (1 / 256, -128):
        raise Unsupported("an output with another scale than 1/256 from -128")
    length = positive_sizes(source)[-1] if source.sizes else 1
    beta = float(np.float32(call.operator.attributes["beta"]))
    multiplier, shift = multiplier_of(min(beta * scale * (1 << 26), float((1 << 31) - 1)))
    furthest = math.floor(31 * (1 << 26) / (1 << shift)) if shift >= 0 else 255
    entries = min(furthest, 255) + 1
    table = [exponential(scaled(-below, multiplier, shift), 5) for below in range(entries)]
    fields: dict[str, Field] = {
        "exponentials": np.array(table, np.int32), "entries": entries, "rows": source.elements // length,
        "length": length,
    }  # fmt: skip
    return [Step("softmax", fields, (call.operator.inputs[0],), call.operator.outputs[0], in_place=(0,))]
