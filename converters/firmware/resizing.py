"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR; where pixels come from is computed here."""

from __future__ import annotations

import math

import numpy as np

from edgevision.converters.firmware.step import Call, Lowered, Step, Unsupported, int8_scale, positive_sizes
from edgevision.tensors import Array


def nearest(call: Call) -> Lowered:
    """RESIZE_NEAREST_NEIGHBOR."""
    sizes = _sizes(call)
    rows, columns = (np.array([_nearest(call, i, n, m) for i in range(m)], np.int32) for n, m in sizes)
    return [Step("nearest", _fields(call, rows, columns), (call.operator.inputs[0],), call.operator.outputs[0])]


def bilinear(call: Call) -> Lowered:
    """RESIZE_BILINEAR."""
    rows, columns = (_taps(call, n, m) for n, m in _sizes(call))
    return [Step("bilinear", _fields(call, rows, columns), (call.operator.inputs[0],), call.operator.outputs[0])]


def _sizes(call: Call) -> list[tuple[int, int]]:
    """Return height and width, before and after."""
    source, output = call.input(0), call.output()
    if int8_scale(source) != int8_scale(output):
        raise Unsupported("an output with another scale than the input's")
    shape, target = positive_sizes(source), positive_sizes(output)
    if len(shape) != 4 or len(target) != 4 or (shape[0], shape[3]) != (target[0], target[3]) or shape[0] != 1:
        raise Unsupported(f"shapes {list(shape)} and {list(target)}, not [1, H, W, C]")
    return [(shape[axis], target[axis]) for axis in (1, 2)]


def _fields(call: Call, rows: Array, columns: Array) -> dict[str, int | tuple[int, ...] | Array]:
    _, height, width, channels = call.output().sizes
    return {
        "rows": rows, "columns": columns, "in_width": call.input(0).sizes[2], "out_height": height,
        "out_width": width, "channels": channels,
    }  # fmt: skip


def _nearest(call: Call, index: int, size: int, out: int) -> int:
    """Return which of ``size`` pixels is taken, in float32 as the reference computes it."""
    corners, half = call.option("align_corners"), call.option("half_pixel_centers")
    scale = np.float32(size - 1) / np.float32(out - 1) if corners and out > 1 else np.float32(size) / np.float32(out)
    place = float((np.float32(index) + np.float32(0.5 if half else 0.0)) * scale)
    return max(0, min(size - 1, math.floor(place + 0.5) if corners else math.floor(place)))


def _taps(call: Call, size: int, out: int) -> Array:
    """Return first pixel, second pixel and the second one's weight of 1024, int32 (out, 3)."""
    scale = (1024 * size + out // 2) // out
    if call.option("align_corners") and out > 1:
        scale = (1024 * (size - 1) + (out - 1) // 2) // (out - 1)
    taps = []
    for index in range(out):
        place = index * scale
        if call.option("half_pixel_centers"):
            place += scale // 2 - 512
        first, second = max(int(place / 1024), 0), min(int((place + 1023) / 1024), size - 1)
        taps.append((min(first, size - 1), max(second, 0), place - 1024 * first))
    return np.array(taps, np.int32)
