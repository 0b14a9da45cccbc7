"""Operators on single values: two tensors joined, or a function that a table holds."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgevision.converters.firmware.activation import activation_range
from edgevision.converters.firmware.axes import joined, strides_of
from edgevision.converters.firmware.fixed_point import (
    divided,
    hyperbolic_tangent,
    logistic,
    multiplier_of,
    scaled,
)
from edgevision.converters.firmware.step import Call, Field, Lowered, Step, Unsupported, int8_scale, positive_sizes
from edgevision.graphs import Value

_AXES = 4
_SIGNS = {"ADD": 1, "SUB": -1, "MUL": 0}


def binary(call: Call) -> Lowered:
    """ADD, SUB and MUL, each side repeated along axes where it has length 1."""
    a, b, output = call.input(0), call.input(1), call.output()
    sign = _SIGNS[call.operator.kind]
    (a_scale, a_zero), (b_scale, b_zero), (out_scale, out_zero) = (int8_scale(tensor) for tensor in (a, b, output))
    low, high = activation_range(call.activation, output)
    twice = 2.0 * max(a_scale, b_scale)
    if sign:
        out = multiplier_of(twice / ((1 << 20) * out_scale))
    else:
        out = multiplier_of(float(np.float32(a_scale) * np.float32(b_scale) / np.float32(out_scale)))
    (a_multiplier, a_shift), (b_multiplier, b_shift) = multiplier_of(a_scale / twice), multiplier_of(b_scale / twice)
    sizes, a_strides, b_strides = broadcast(a, b, output)
    terms: dict[str, int] = {
        "a_offset": -a_zero, "b_offset": -b_zero, "a_multiplier": a_multiplier, "a_shift": a_shift,
        "b_multiplier": b_multiplier, "b_shift": b_shift, "out_multiplier": out[0], "out_shift": out[1],
        "zero_point": out_zero, "low": low, "high": high, "sign": sign,
    }  # fmt: skip
    fields: dict[str, Field] = {"sizes": sizes, "a_strides": a_strides, "b_strides": b_strides, "terms": terms}
    in_place = tuple(i for i, side in enumerate((a, b)) if side.sizes == output.sizes and side.data is None)
    reads = (call.operator.inputs[0], call.operator.inputs[1])
    return [Step("binary", fields, reads, call.operator.outputs[0], in_place=in_place)]


def prelu(call: Call) -> Lowered:
    """PRELU: slopes are repeated along axes where they have length 1."""
    source, slopes, output = call.input(0), call.input(1), call.output()
    (scale, zero), (slope_scale, slope_zero), (out_scale, out_zero) = (
        int8_scale(tensor) for tensor in (source, slopes, output)
    )
    sizes, a_strides, b_strides = broadcast(source, slopes, output)
    (above, above_shift), (below, below_shift) = (
        multiplier_of(factor) for factor in (scale / out_scale, scale * slope_scale / out_scale)
    )
    fields: dict[str, Field] = {
        "sizes": sizes, "a_strides": a_strides, "b_strides": b_strides, "a_offset": -zero, "b_offset": -slope_zero,
        "multiplier": above, "shift": above_shift, "slope_multiplier": below, "slope_shift": below_shift,
        "zero_point": out_zero,
    }  # fmt: skip
    in_place = (0,) if source.sizes == output.sizes else ()
    reads = (call.operator.inputs[0], call.operator.inputs[1])
    return [Step("prelu", fields, reads, call.operator.outputs[0], in_place=in_place)]


def broadcast(a: Value, b: Value, output: Value) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return four sizes and the strides of both sides over them; axes that both sides have whole are joined."""
    shape = positive_sizes(output)
    rows = []
    for tensor in (a, b):
        own = (1,) * (len(shape) - len(tensor.sizes)) + positive_sizes(tensor)
        if len(own) != len(shape) or any(size not in (1, out) for size, out in zip(own, shape, strict=True)):
            raise Unsupported(f"shapes {list(a.sizes)} and {list(b.sizes)} for an output of {list(shape)}")
        rows.append([stride if size > 1 else 0 for size, stride in zip(own, strides_of(own), strict=True)])
    first, second = rows
    return joined(shape, first, second, _AXES)


def lookup(call: Call) -> Lowered:
    """A function of one value: 256 results, computed here."""
    source, output = call.input(0), call.output()
    if source.elements != output.elements:
        raise Unsupported(f"shapes {list(source.sizes)} and {list(output.sizes)} differ")
    (scale, zero), (out_scale, out_zero) = int8_scale(source), int8_scale(output)
    function = _FUNCTIONS[call.operator.kind](call, scale, zero, out_scale, out_zero)
    table = np.array([max(-128, min(127, function(value))) for value in range(-128, 128)], np.int8)
    fields: dict[str, Field] = {"table": table, "count": output.elements}
    return [Step("lookup", fields, (call.operator.inputs[0],), call.operator.outputs[0], in_place=(0,))]


Function = Callable[[int], int]


def _relu(call: Call, scale: float, zero: int, out_scale: float, out_zero: int) -> Function:
    factor = multiplier_of(float(np.float64(np.float32(scale) / np.float32(out_scale))))
    low = max(-128, out_zero + round(0.0 / out_scale))
    high = 127
    if call.operator.kind == "RELU6":
        high = min(127, out_zero + _rounded(float(np.float32(6.0) / np.float32(out_scale))))
    return lambda value: min(high, max(low, out_zero + scaled(value - zero, *factor)))


def _leaky_relu(call: Call, scale: float, zero: int, out_scale: float, out_zero: int) -> Function:
    alpha = np.float32(call.operator.attributes["alpha"])
    identity = multiplier_of(scale / out_scale)
    below = multiplier_of(float(np.float32(scale) * alpha / np.float32(out_scale)))
    return lambda value: out_zero + scaled(value - zero, *(identity if value >= zero else below))


def _quantize(call: Call, scale: float, zero: int, out_scale: float, out_zero: int) -> Function:
    factor = multiplier_of(scale / out_scale)
    return lambda value: out_zero + scaled(value - zero, *factor)


def _saturating(call: Call, scale: float) -> tuple[tuple[int, int], int]:
    """Return the factor to four integer bits, and from where on results are the limits."""
    factor = multiplier_of(scale * (1 << 27))
    radius = ((1 << 4) - 1) * (1 << 27) / (1 << factor[1]) if factor[1] >= 0 else math.inf
    return factor, math.floor(radius) if math.isfinite(radius) else 1 << 31


def _logistic(call: Call, scale: float, zero: int, out_scale: float, out_zero: int) -> Function:
    if (out_scale, out_zero) != (1 / 256, -128):
        raise Unsupported("an output with another scale than 1/256 from -128")
    factor, radius = _saturating(call, scale)

    def function(value: int) -> int:
        centred = value - zero
        if abs(centred) >= radius:
            return 127 if centred > 0 else -128
        return divided(logistic(scaled(centred, *factor)), 23) - 128

    return function


def _tanh(call: Call, scale: float, zero: int, out_scale: float, out_zero: int) -> Function:
    if (out_scale, out_zero) != (1 / 128, 0):
        raise Unsupported("an output with another scale than 1/128 from 0")
    factor, radius = _saturating(call, scale)

    def function(value: int) -> int:
        centred = value - zero
        if abs(centred) >= radius:
            return 127 if centred > 0 else -128
        return divided(hyperbolic_tangent(scaled(centred, *factor)), 24)

    return function


def _hard_swish(call: Call, scale: float, zero: int, out_scale: float, out_zero: int) -> Function:
    """x · relu6(x + 3) / 6 in 16 bits: both factors are scaled from the input with 7 more bits."""
    fine = np.float32(scale) / np.float32(128)
    out_factor, out_shift = _short(multiplier_of(float(fine / np.float32(out_scale))))
    gate_factor, gate_shift = _short(multiplier_of(float(fine / (np.float32(3) / np.float32(32768)))))
    if out_shift > 0:
        raise Unsupported("an output scale far under the input's")

    def function(value: int) -> int:
        wide = (value - zero) * 128
        gate = _saturated(wide << (gate_shift - 1)) if gate_shift > 0 else wide
        gate = _saturated((gate * gate_factor + (1 << 14)) >> 15)
        gate = _saturated(gate * 2) if gate_shift > 0 else divided(gate, -gate_shift)
        gate = (gate + (1 << 15)) >> 1
        shifted = gate * _saturated((wide * out_factor + (1 << 14)) >> 15)
        high = abs(shifted) // (1 << 15) * (1 if shifted >= 0 else -1)
        return divided(high, -out_shift) + out_zero

    return function


def _short(factor: tuple[int, int]) -> tuple[int, int]:
    """Return a factor with 16 bits instead of 32."""
    return min((factor[0] + (1 << 15)) >> 16, (1 << 15) - 1), factor[1]


def _saturated(value: int) -> int:
    return max(-(1 << 15), min((1 << 15) - 1, value))


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


_FUNCTIONS: dict[str, Callable[[Call, float, int, float, int], Function]] = {
    "RELU": _relu,
    "RELU6": _relu,
    "HARD_SWISH": _hard_swish,
    "LEAKY_RELU": _leaky_relu,
    "QUANTIZE": _quantize,
    "LOGISTIC": _logistic,
    "TANH": _tanh,
}

TABULATED = tuple(_FUNCTIONS)
"""Operators whose results a table holds."""
