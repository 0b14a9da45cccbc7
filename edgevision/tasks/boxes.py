"""Boxes as arrays (N, 4) of x1, y1, x2, y2 in pixels: overlap, and non-maximum suppression.

Coordinates are continuous: a box from 0 to 10 is 10 pixels wide.
"""

from __future__ import annotations

import numpy as np

from edgevision.errors import InputError
from edgevision.tensors import Array

_BLOCK = 128
"""Boxes that are compared with each other at once."""


def box_area(boxes: Array) -> Array:
    """Return the area of each box (N,), square pixels; 0 for one whose corners are swapped.

    >>> box_area(np.array([[0, 0, 10, 5], [4, 4, 4, 9]], np.float32)).tolist()
    [50.0, 0.0]
    """
    area: Array = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    return area


def box_intersection(first: Array, second: Array) -> Array:
    """Return the area that each box of ``first`` (N, 4) shares with each of ``second`` (M, 4): (N, M)."""
    sides = [
        np.minimum.outer(first[:, end], second[:, end]) - np.maximum.outer(first[:, start], second[:, start])
        for start, end in ((0, 2), (1, 3))
    ]
    shared: Array = np.maximum(sides[0], 0) * np.maximum(sides[1], 0)
    return shared


def box_iou(first: Array, second: Array) -> Array:
    """Return the intersection over union of each box of ``first`` (N, 4) with each of ``second`` (M, 4): (N, M).

    Two boxes without area overlap by 0.

    >>> box_iou(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 15, 10], [20, 0, 30, 10]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    shared = box_intersection(first, second)
    union = box_area(first)[:, None] + box_area(second)[None] - shared
    iou: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


def nms(
    boxes: Array,
    scores: Array,
    iou_threshold: float,
    *,
    classes: Array | None = None,
    max_detections: int | None = None,
) -> Array:
    """Return which boxes stay when each suppresses the lower-scored ones that it overlaps by more than a threshold.

    Greedy non-maximum suppression (P. Felzenszwalb et al., PAMI 2010), in blocks: a block is compared with the boxes
    kept so far in one step, and only boxes of the same block one after the other.

    Args:
        boxes: (N, 4), pixels.
        scores: (N,).
        iou_threshold: A box stays while its overlap with every better one is at most this.
        classes: Class of each box (N,); boxes of different classes do not suppress each other. None for agnostic.
        max_detections: Stop when so many are kept.

    Returns:
        Indices of the boxes that stay, int64, best first; of equal scores the lower index first.

    Raises:
        InputError: Lengths that do not match.

    >>> nms(np.array([[0.0, 0, 9, 9], [0, 0, 9, 8], [20, 0, 29, 9]]), np.array([0.5, 0.9, 0.7]), 0.5).tolist()
    [1, 2]
    """
    boxes, scores = np.asarray(boxes), np.asarray(scores)
    if boxes.shape != (len(scores), 4) or (classes is not None and len(classes) != len(scores)):
        raise InputError(
            "nms: as many boxes [N, 4] as scores and classes",
            got=f"boxes {list(boxes.shape)}, {len(scores)} scores"
            + ("" if classes is None else f", {len(classes)} classes"),
        )
    order = np.argsort(-scores, kind="stable")
    limit = len(order) if max_detections is None else max_detections
    if iou_threshold >= 1:
        return order[:limit]
    kept = np.empty(0, np.int64)
    for start in range(0, len(order), _BLOCK):
        if len(kept) >= limit:
            break
        block = order[start : start + _BLOCK]
        if len(kept):
            block = block[~_overlaps(boxes, classes, block, kept, iou_threshold).any(axis=1)]
        kept = np.concatenate([kept, block[_survivors(_overlaps(boxes, classes, block, block, iou_threshold))]])
    return kept[:limit]


def _overlaps(boxes: Array, classes: Array | None, first: Array, second: Array, threshold: float) -> Array:
    """Whether boxes overlap by more than a threshold and are of one class: bool (first, second)."""
    close: Array = box_iou(boxes[first], boxes[second]) > threshold
    if classes is not None:
        close &= np.equal.outer(classes[first], classes[second])
    return close


def _survivors(close: Array) -> Array:
    """Which of some boxes in order of their scores stay: bool (N,), from which overlap which (N, N)."""
    stays = np.ones(len(close), bool)
    for index in np.flatnonzero(np.triu(close, 1).any(axis=1)):
        if stays[index]:
            stays[index + 1 :] &= ~close[index, index + 1 :]
    return stays
