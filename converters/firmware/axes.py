"""The axes of two blocks of memory that are walked together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgevision.converters.firmware.step import Unsupported


def joined(
    sizes: Sequence[int], first: Sequence[int], second: Sequence[int], count: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return ``count`` sizes and the strides of both sides; axes that lie next to each other on both are one.

    >>> joined([2, 3, 4], [12, 4, 1], [24, 4, 1], 3)
    ((1, 2, 12), (0, 12, 1), (0, 24, 1))

    Raises:
        Unsupported: More axes are left.
    """
    axes: list[tuple[int, int, int]] = []
    for size, x, y in zip(sizes, first, second, strict=True):
        if size == 1:
            continue
        if axes and axes[-1][1] == x * size and axes[-1][2] == y * size:
            axes[-1] = (axes[-1][0] * size, x, y)
        else:
            axes.append((size, x, y))
    if len(axes) > count:
        raise Unsupported(f"a block of {list(sizes)} with more than {count} separate axes")
    whole, ours, theirs = zip(*[(1, 0, 0)] * (count - len(axes)), *axes, strict=True)
    return whole, ours, theirs


def strides_of(shape: Sequence[int]) -> list[int]:
    """Return the strides of a tensor in C order, in values."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
