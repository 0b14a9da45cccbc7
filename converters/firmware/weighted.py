"""Operators with weights: convolutions and fully connected layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgevision.converters.firmware.activation import activation_range
from edgevision.converters.firmware.fixed_point import multiplier_of, scaled
from edgevision.converters.firmware.step import (
    Call,
    Field,
    Lowered,
    Step,
    Unsupported,
    int8_scale,
    positive_sizes,
)
from edgevision.graphs import Value
from edgevision.graphs.memory import macs_of
from edgevision.graphs.tflite_schema import PADDINGS
from edgevision.tensors import Array

WIDE = 128
"""Added to the shift of a channel whose sums reach 2^30: the C code then takes the longer way."""

ONCE = 512
"""Added to the shift of channels whose results are rounded once."""

MAX_TAPS = 256
"""Of a depthwise window: pointers to them lie on the stack."""


def convolution(call: Call) -> Lowered:
    """CONV_2D: rows of weights against gathered columns, or directly against pixels where the kernel is one pixel."""
    source, weights, output = call.input(0), call.input(1), call.output()
    window = spatial(call, weights.sizes[1:3])
    channels, depth = weights.sizes[0], math.prod(weights.sizes[1:])
    if source.sizes[3] != weights.sizes[3]:
        raise Unsupported(f"a grouped convolution: {source.sizes[3]} channels in, kernels of {weights.sizes[3]}")
    rows = _rows(call, call.constant(1).reshape(channels, depth), axis=0)
    reads, writes = (call.operator.inputs[0],), call.operator.outputs[0]
    pixels = output.sizes[1] * output.sizes[2]
    macs = macs_of(call.graph, call.operator)
    strides = (window["stride_height"], window["stride_width"])
    if weights.sizes[1:3] == (1, 1) and strides == (1, 1) and source.sizes[1:3] == output.sizes[1:3]:
        return [Step("dense", {"rows": rows, "columns": pixels}, reads, writes, macs=macs)]
    return [Step("convolution", {"rows": rows, "window": window}, reads, writes, scratch_bytes=2 * depth, macs=macs)]


def depthwise(call: Call) -> Lowered:
    """DEPTHWISE_CONV_2D, with any number of output channels for each input channel."""
    source, weights, output = call.input(0), call.input(1), call.output()
    window = spatial(call, weights.sizes[1:3])
    channels, taps = weights.sizes[3], weights.sizes[1] * weights.sizes[2]
    if weights.sizes[0] != 1 or channels % source.sizes[3] or channels != output.sizes[3]:
        raise Unsupported(f"weights of shape {list(weights.sizes)} for {source.sizes[3]} channels")
    if taps > MAX_TAPS:
        raise Unsupported(f"a window of {taps} positions, over {MAX_TAPS}")
    rows = _rows(call, call.constant(1).reshape(taps, channels).T, axis=3)
    turned = np.asarray(rows["weights"]).T
    rows = {**rows, "weights": np.ascontiguousarray(turned)}
    padded = _leaves_the_input(window)
    return [
        Step(
            "depthwise",
            {"rows": rows, "window": window, "multiplier": channels // source.sizes[3], "padded": int(padded)},
            (call.operator.inputs[0],),
            call.operator.outputs[0],
            scratch_bytes=source.sizes[3] if padded else 0,
            macs=macs_of(call.graph, call.operator),
            taps=taps,
        )
    ]


def fully_connected(call: Call) -> Lowered:
    """FULLY_CONNECTED: each row of the input is a column of values."""
    source, weights, output = call.input(0), call.input(1), call.output()
    if call.option("weights_format"):
        raise Unsupported("shuffled weights")
    if len(weights.sizes) != 2 or source.elements % weights.sizes[1] or output.sizes[-1:] != weights.sizes[:1]:
        raise Unsupported(f"weights of shape {list(weights.sizes)} for an input of shape {list(source.sizes)}")
    columns = source.elements // weights.sizes[1]
    if output.elements != columns * weights.sizes[0]:
        raise Unsupported(f"an output of shape {list(output.sizes)} from {columns} rows")
    once = call.rounding == "litert"
    rows = _rows(call, call.constant(1), axis=0, once=once)
    macs = macs_of(call.graph, call.operator)
    reads, writes, parts = (call.operator.inputs[0],), call.operator.outputs[0], ("once",) if once else ()
    return [Step("dense", {"rows": rows, "columns": columns}, reads, writes, macs=macs, parts=parts)]


def transposed(call: Call) -> Lowered:
    """TRANSPOSE_CONV: rows of weights against the input pixels that reach an output pixel."""
    macs = macs_of(call.graph, call.operator)
    call = replace(
        call, operator=replace(call.operator, inputs=(*call.operator.inputs[2:0:-1], *call.operator.inputs[3:]))
    )
    source, weights, output = call.input(0), call.input(1), call.output()
    for tensor in (source, weights, output):
        if len(positive_sizes(tensor)) != 4:
            raise Unsupported(f"tensor {tensor.name} has the shape {list(tensor.sizes)}, not four axes")
    if source.sizes[0] != 1 or weights.sizes[3] != source.sizes[3] or weights.sizes[0] != output.sizes[3]:
        raise Unsupported(f"weights of shape {list(weights.sizes)} from {list(source.sizes)} to {list(output.sizes)}")
    channels, depth = weights.sizes[0], math.prod(weights.sizes[1:])
    rows = _rows(call, call.constant(1).reshape(channels, depth), axis=0)
    window: dict[str, Field] = {"in_channels": source.sizes[3], "in_zero_point": source.zero_points[0]}
    for axis, (name, side) in enumerate((("height", "top"), ("width", "left")), start=1):
        size, out, width, stride = (
            source.sizes[axis],
            output.sizes[axis],
            weights.sizes[axis],
            call.option(f"stride_{name[0]}"),
        )
        reach = (size - 1) * stride + width
        if stride < 1 or not (size - 1) * stride < out <= reach + stride - 1:
            raise Unsupported(f"{size} pixels to {out} with stride {stride}")
        same = PADDINGS[call.option("padding")] == "SAME"
        before = max(0, (-(-out // stride) - 1) * stride + width - out) // 2 if same else 0
        window |= {
            f"in_{name}": size, f"out_{name}": out, f"kernel_{name}": width, f"stride_{name}": stride,
            f"dilation_{name}": 1, f"pad_{side}": before,
        }  # fmt: skip
    fields: dict[str, Field] = {"rows": rows, "window": window}
    reads = (call.operator.inputs[0],)
    return [Step("transposed", fields, reads, call.operator.outputs[0], scratch_bytes=depth, macs=macs)]


def spatial(call: Call, window: tuple[int, ...]) -> dict[str, Field]:
    """Return the geometry of a window that slides over an image; raises Unsupported unless it is NHWC with batch 1."""
    source, output = call.input(0), call.output()
    for tensor in (source, output):
        int8_scale(tensor)
        if len(positive_sizes(tensor)) != 4 or tensor.sizes[0] != 1:
            raise Unsupported(f"tensor {tensor.name} has the shape {list(tensor.sizes)}, not [1, H, W, C]")
    if len(window) != 2:
        raise Unsupported("weights without four axes")
    dilation = tuple(call.option(f"dilation_{axis}") or 1 for axis in "hw")
    stride = tuple(call.option(f"stride_{axis}") for axis in "hw")
    padding = call.option("padding")
    if min(stride) < 1 or min(dilation) < 1 or min(window) < 1 or padding not in range(len(PADDINGS)):
        raise Unsupported(f"stride {stride}, dilation {dilation}, window {window}, padding {padding}")
    before = []
    for size, out, width, step, gap in zip(source.sizes[1:3], output.sizes[1:3], window, stride, dilation, strict=True):
        reach = (width - 1) * gap + 1
        same = PADDINGS[padding] == "SAME"
        expected = -(-size // step) if same else -(-(size - reach + 1) // step)
        if expected != out:
            raise Unsupported(f"an output of {out} where {expected} follow from an input of {size}")
        before.append(max(0, (out - 1) * step + reach - size) // 2 if same else 0)
    return {
        "in_height": source.sizes[1],
        "in_width": source.sizes[2],
        "in_channels": source.sizes[3],
        "out_height": output.sizes[1],
        "out_width": output.sizes[2],
        "kernel_height": window[0],
        "kernel_width": window[1],
        "stride_height": stride[0],
        "stride_width": stride[1],
        "dilation_height": dilation[0],
        "dilation_width": dilation[1],
        "pad_top": before[0],
        "pad_left": before[1],
        "in_zero_point": source.zero_points[0],
    }


def _leaves_the_input(window: Mapping[str, Field]) -> bool:
    sizes = {key: int(value) for key, value in window.items() if isinstance(value, int)}
    return any(
        sizes[f"pad_{before}"] > 0
        or (sizes[f"out_{axis}"] - 1) * sizes[f"stride_{axis}"]
        + (sizes[f"kernel_{axis}"] - 1) * sizes[f"dilation_{axis}"]
        - sizes[f"pad_{before}"]
        >= sizes[f"in_{axis}"]
        for axis, before in (("height", "top"), ("width", "left"))
    )


def _rows(call: Call, weights: Array, axis: int, *, once: bool = False) -> dict[str, Field]:
    """Return the fields of ``struct rows``; weights are (channels, depth), results rounded once or twice."""
    source, stored, output = call.input(0), call.input(1), call.output()
    channels, depth = weights.shape
    _, zero_point = int8_scale(source)
    _, out_zero_point = int8_scale(output)
    _check_weights(stored, channels, axis)
    low, high = activation_range(call.activation, output)
    factors = _multipliers(call, channels)
    bias = _folded_bias(call, weights, zero_point)
    reach = 128 * np.abs(weights.astype(np.int64)).sum(axis=1)
    weights, rows = weights.copy(), []
    for channel, (centre, factor) in enumerate(zip(bias.tolist(), factors, strict=True)):
        furthest = abs(centre) + int(reach[channel])
        if furthest << max(0, factor[1]) >= 1 << 31:
            raise Unsupported("sums that do not fit into 32 bits")
        if once:
            factor = (factor[0], factor[1] + ONCE)
        elif furthest << max(0, factor[1]) >= 1 << 30:
            # Dead channels have tiny scales and huge biases. Their answer is one value: written as such, it is fast.
            ends = {
                max(low, min(high, scaled(centre + side * int(reach[channel]), *factor) + out_zero_point))
                for side in (-1, 1)
            }
            if len(ends) == 1:
                weights[channel], centre, factor = 0, ends.pop() - out_zero_point, (1 << 30, 1)
            elif factor[1] < 0:
                factor = (factor[0], factor[1] + WIDE)
        rows.append((centre, *factor))
    return {
        "weights": np.ascontiguousarray(weights),
        "scaling": np.array(rows, np.int32),
        "depth": depth,
        "channels": channels,
        "zero_point": out_zero_point,
        "low": low,
        "high": high,
    }


def _check_weights(weights: Value, channels: int, axis: int) -> None:
    if weights.dtype != "int8":
        raise Unsupported(f"weights of type {weights.dtype}, not int8")
    if len(weights.scales) not in (1, channels) or any(weights.zero_points):
        raise Unsupported("weights that are not symmetric, or have another number of scales than channels")
    if len(weights.scales) > 1 and weights.axis != axis:
        raise Unsupported(f"scales along axis {weights.axis} of the weights, not {axis}")


def _multipliers(call: Call, channels: int) -> list[tuple[int, int]]:
    """Return what takes each channel's sum to the output's scale, from the same roundings as TFLite Micro's."""
    (in_scale, _), (out_scale, _) = int8_scale(call.input(0)), int8_scale(call.output())
    scales = call.input(1).scales
    found = [multiplier_of(in_scale * scale / out_scale) for scale in scales]
    return found * channels if len(found) == 1 else found


def _folded_bias(call: Call, weights: Array, zero_point: int) -> Array:
    """Return the bias with the input's zero point taken into account, int64: the sum then needs no subtraction."""
    bias = np.zeros(len(weights), np.int64)
    if call.has(2):
        if call.input(2).dtype != "int32" or call.input(2).elements != len(weights):
            raise Unsupported(f"a bias of type {call.input(2).dtype} with {call.input(2).elements} values")
        bias = bias + call.constant(2).reshape(-1)
    folded: Array = bias - zero_point * weights.astype(np.int64).sum(axis=1)
    return folded
