"""Figures of merit of a segmentation: intersection over union of each class, over all pixels of all images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgevision.errors import InputError
from edgevision.metrics.classification import confusion_matrix
from edgevision.tensors import Array

IGNORED = 255
"""Pixels that the truth calls so count neither way (PASCAL VOC, Cityscapes)."""


@dataclass(frozen=True)
class SegmentationMetrics:
    """How a segmentation fared.

    Attributes:
        pixels: Pixels that counted.
        pixel_accuracy: Share of them whose class is right.
        miou: Mean of ``iou`` over the classes that occur or were predicted.
        iou: For each class, pixels of it that were called so, over pixels that either are or were; None where neither.
        labels: Names of the classes.
    """

    pixels: int
    pixel_accuracy: float
    miou: float
    iou: tuple[float | None, ...]
    labels: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "iou": list(self.iou), "labels": list(self.labels)}


def segmentation_metrics(
    truths: Sequence[Array], found: Sequence[Array], labels: Sequence[str], *, ignored: int = IGNORED
) -> SegmentationMetrics:
    """Compare class maps with the truth.

    Args:
        truths: The class of each pixel, integers (H, W), an array per image.
        found: What a model said, likewise.
        labels: Names of the C classes.
        ignored: A class of the truth whose pixels do not count.

    Raises:
        InputError: Other numbers or sizes of images, classes outside 0 to C - 1, or no pixel that counts.
    """
    if len(truths) != len(found):
        raise InputError("metrics: as many maps as truths", got=f"{len(found)} and {len(truths)}")
    count = len(labels)
    confusion = np.zeros((count, count), np.int64)
    for truth, one in zip(truths, found, strict=True):
        if truth.shape != one.shape:
            raise InputError("metrics: maps of one size", got=f"{list(one.shape)} and {list(truth.shape)}")
        counts = truth != ignored
        wanted, called = truth[counts].astype(np.int64), one[counts].astype(np.int64)
        both = np.concatenate([wanted, called])
        lowest, highest = both.min(initial=0), both.max(initial=0)
        if lowest < 0 or highest >= count:
            raise InputError("metrics: classes", got=f"{lowest} to {highest}", allowed=f"0 to {count - 1}")
        confusion += confusion_matrix(wanted, called, count)
    pixels = int(confusion.sum())
    if not pixels:
        raise InputError("metrics: no pixel counts", got=f"{len(truths)} images")
    hits = np.diag(confusion)
    unions = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    iou = tuple(float(hit / union) if union else None for hit, union in zip(hits, unions, strict=True))
    known = [value for value in iou if value is not None]
    return SegmentationMetrics(pixels, float(hits.sum() / pixels), float(np.mean(known)), iou, tuple(labels))
