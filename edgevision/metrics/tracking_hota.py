"""HOTA (J. Luiten et al., International Journal of Computer Vision 129, 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.assignment import match
from edgevision.metrics.tracking_pairs import ALMOST, FramePairs
from edgevision.tensors import Array

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Overlaps that the scores are means over: 0.05, 0.10, … 0.95."""


@dataclass(frozen=True)
class Hota:
    """Detection and association alike, means over all thresholds.

    Attributes:
        hota: Geometric mean of detection and association accuracy, at each threshold.
        det_a: Detection accuracy, TP / (TP + FN + FP).
        ass_a: Association accuracy: of a matched pair of boxes, how much their two tracks have in common.
        loc_a: Mean overlap of matched boxes.
    """

    hota: float
    det_a: float
    ass_a: float
    loc_a: float


def hota(frames: Sequence[FramePairs], tracks: tuple[int, int]) -> Hota:
    """Score a sequence with ``tracks`` true and predicted tracks."""
    true_boxes, said_boxes = _boxes_of_tracks(frames, tracks)
    alignment = _alignment(frames, true_boxes, said_boxes)
    limits = np.array(THRESHOLDS) - ALMOST
    together = np.zeros((len(limits), *tracks))
    overlap = np.zeros(len(limits))
    for frame in frames:
        rows, columns = match(alignment[frame.true[:, None], frame.said] * frame.overlap)
        found = frame.overlap[rows, columns]
        counts = found >= limits[:, None]
        together[:, frame.true[rows], frame.said[columns]] += counts
        overlap += (found * counts).sum(axis=1)
    matched = together.sum(axis=(1, 2))
    common = together / np.maximum(true_boxes[:, None] + said_boxes - together, 1)
    association = (together * common).sum(axis=(1, 2)) / np.maximum(matched, 1)
    detection = matched / np.maximum(true_boxes.sum() + said_boxes.sum() - matched, 1)
    location = np.divide(overlap, matched, out=np.ones_like(overlap), where=matched > 0)
    both = np.sqrt(detection * association)
    return Hota(float(both.mean()), float(detection.mean()), float(association.mean()), float(location.mean()))


def _boxes_of_tracks(frames: Sequence[FramePairs], tracks: tuple[int, int]) -> tuple[Array, Array]:
    true, said = np.zeros(tracks[0]), np.zeros(tracks[1])
    for frame in frames:
        true[frame.true] += 1
        said[frame.said] += 1
    return true, said


def _alignment(frames: Sequence[FramePairs], true_boxes: Array, said_boxes: Array) -> Array:
    """How much each true track and each predicted one have in common over the whole sequence, 0 to 1."""
    common = np.zeros((len(true_boxes), len(said_boxes)))
    for frame in frames:
        overlap = frame.overlap
        whole = overlap.sum(axis=1, keepdims=True) + overlap.sum(axis=0) - overlap
        parts = np.divide(overlap, whole, out=np.zeros_like(overlap), where=whole > ALMOST)
        common[frame.true[:, None], frame.said] += parts
    alignment: Array = common / np.maximum(true_boxes[:, None] + said_boxes - common, 1e-9)
    return alignment
