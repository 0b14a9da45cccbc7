"""Which detections are which objects, as COCO has it: greedy, best score first, at several overlaps at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgevision.tasks.boxes import box_area, box_intersection, box_iou
from edgevision.tensors import Array


@dataclass(frozen=True, eq=False)
class Matches:
    """One image's detections of one class, best first, against its objects of that class.

    Attributes:
        scores: (D,).
        hits: Whether a detection found an object that counts, at each overlap: bool (T, D).
        ignored: Whether it counts neither for nor against the model, likewise.
        count: Objects that count.
    """

    scores: Array
    hits: Array
    ignored: Array
    count: int


def overlaps(boxes: Array, truth: Array, crowd: Array) -> Array:
    """Return the intersection over union of detections (D, 4) with objects (G, 4), float64 (D, G).

    With a crowd it is the share of the detection that lies in it.
    """
    boxes, truth = np.asarray(boxes, np.float64), np.asarray(truth, np.float64)
    iou = box_iou(boxes, truth)
    if crowd.any():
        areas, shared = box_area(boxes)[:, None], box_intersection(boxes, truth)
        inside = np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)
        iou = np.where(crowd[None], inside, iou)
    return iou


def match(scores: Array, iou: Array, crowd: Array, passed_over: Array, outside: Array, thresholds: Array) -> Matches:
    """Give each detection the object that it overlaps most among those that are free.

    Objects that count go before those that are passed over; a crowd is never used up. A detection without an object
    counts against the model unless ``outside``.

    Args:
        scores: (D,), best first.
        iou: Overlaps (D, G), of `overlaps`.
        crowd: Which objects are crowds, bool (G,).
        passed_over: Which objects do not count (crowds, and those of another size), bool (G,).
        outside: Which detections are of another size than is looked at, bool (D,).
        thresholds: Least overlaps (T,).
    """
    levels, (detections, objects) = len(thresholds), iou.shape
    hits, ignored = np.zeros((levels, detections), bool), np.zeros((levels, detections), bool)
    free = np.ones((levels, objects), bool)
    least = np.minimum(thresholds, 1 - 1e-10)[:, None]
    rows = np.arange(levels)
    for place in range(detections if objects else 0):
        fitting = np.where(free & (iou[place] >= least), iou[place], -1.0)
        for kind, result in ((~passed_over, hits), (passed_over, ignored)):
            of_kind = np.where(kind, fitting, -1.0)
            best = objects - 1 - of_kind[:, ::-1].argmax(axis=1)  # of equal overlaps the last one
            found = (of_kind[rows, best] >= 0) & ~hits[:, place]
            result[found, place] = True
            free[rows[found], best[found]] = crowd[best[found]]
    ignored |= ~hits & outside
    return Matches(scores, hits, ignored, int(np.count_nonzero(~passed_over)))
