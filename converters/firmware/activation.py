"""The range that a fused activation leaves of an int8 output."""

from __future__ import annotations

import numpy as np

from edgevision.converters.firmware.fixed_point import round_away
from edgevision.converters.firmware.step import Unsupported, int8_scale
from edgevision.graphs import Value

_LIMITS = {"": (None, None), "RELU": (0.0, None), "RELU_N1_TO_1": (-1.0, 1.0), "RELU6": (0.0, 6.0)}


def activation_range(name: str, output: Value) -> tuple[int, int]:
    """Return the lowest and highest stored value after a fused activation; its name is empty where there is none.

    Raises:
        Unsupported: An activation that is no clipping.
    """
    if name not in _LIMITS:
        raise Unsupported(f"the fused activation {name}")
    scale, zero_point = int8_scale(output)
    low, high = (
        None if real is None else zero_point + round_away(float(np.float32(real) / np.float32(scale)))
        for real in _LIMITS[name]
    )
    return max(-128, -128 if low is None else low), min(127, 127 if high is None else high)
