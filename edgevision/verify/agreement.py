"""How often two models say the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgevision.errors import InputError
from edgevision.metrics.intervals import Proportion, proportion
from edgevision.tasks.boxes import box_iou
from edgevision.tasks.detections import Detections
from edgevision.tensors import Array

SAME_OVERLAP = 0.5
"""Boxes of two detectors that overlap by so much are of the same object."""


def agreement(first: Array, second: Array) -> Proportion:
    """Return in how many places two arrays of predicted classes, int (N,), are equal, with the 95% Wilson interval.

    Raises:
        InputError: Different shapes, or nothing to compare.

    >>> agreement(np.array([3, 1, 2]), np.array([3, 1, 0])).successes
    2
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or first.ndim != 1 or first.size == 0:
        raise InputError(
            "agreement: not two lists of predictions for the same images",
            got=f"shapes {list(first.shape)} and {list(second.shape)}",
        )
    return proportion(int(np.count_nonzero(first == second)), int(first.size))


def detection_agreement(first: Sequence[Detections], second: Sequence[Detections]) -> Proportion:
    """Return which share of the objects that either of two detectors found both found, with the Wilson interval.

    An object is the same where the class is, and the boxes overlap by at least `SAME_OVERLAP`; each is counted once.

    Raises:
        InputError: Different numbers of images, or none.
    """
    if len(first) != len(second) or not first:
        raise InputError("agreement: not two lists of detections", got=f"{len(first)} and {len(second)} images")
    same = total = 0
    for one, other in zip(first, second, strict=True):
        found = _common(one, other)
        same, total = same + found, total + len(one) + len(other) - found
    return proportion(same, total)


def _common(one: Detections, other: Detections) -> int:
    """How many objects two lists share: the closest pair first."""
    iou = np.where(np.equal.outer(one.classes, other.classes), box_iou(one.boxes, other.boxes), 0.0)
    count = 0
    while iou.size and iou.max() >= SAME_OVERLAP:
        row, column = np.unravel_index(iou.argmax(), iou.shape)
        iou[row], iou[:, column] = 0.0, 0.0
        count += 1
    return count
