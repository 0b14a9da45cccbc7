"""How much boxes overlap."""

from __future__ import annotations

import numpy as np

from edgevision.tensors import Array


def iou(first: Array, second: Array) -> Array:
    """Return intersection over union of every pair of boxes, (N, M) float64; 0 for boxes without an area.

    Args:
        first: Boxes (N, 4), x1 y1 x2 y2, in pixels without the +1 of inclusive corners.
        second: Boxes (M, 4).

    >>> iou(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    across = np.minimum(first[:, None, 2], second[:, 2]) - np.maximum(first[:, None, 0], second[:, 0])
    down = np.minimum(first[:, None, 3], second[:, 3]) - np.maximum(first[:, None, 1], second[:, 1])
    shared = np.maximum(across, 0) * np.maximum(down, 0)
    union = area(first)[:, None] + area(second) - shared
    ratios: Array = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    return ratios


def area(boxes: Array) -> Array:
    """Return the areas (N,) of boxes (N, 4), x1 y1 x2 y2; of boxes turned inside out 0."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    areas: Array = sides[:, 0] * sides[:, 1]
    return areas
