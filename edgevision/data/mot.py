"""MOTChallenge's text files: detections, tracks and ground truth, a line for each box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgevision.errors import DatasetError, reason_of
from edgevision.tensors import Array


@dataclass(frozen=True)
class MotFrame:
    """The boxes of one frame.

    Attributes:
        ids: (N,) int64; -1 for detections.
        boxes: (N, 4) float64, x1 y1 x2 y2 in pixels, as the file has them.
        scores: (N,) float64, the file's confidence.
    """

    ids: Array
    boxes: Array
    scores: Array


NOTHING = MotFrame(np.empty(0, np.int64), np.empty((0, 4)), np.empty(0))
"""A frame without boxes."""


def read_mot(path: str | Path) -> Mapping[int, MotFrame]:
    """Read frame number (from 1) -> its boxes; frames without boxes have no entry.

    A line is ``frame, id, left, top, width, height, confidence`` and what else may follow, which is passed over.

    Raises:
        DatasetError: No such file, a line of fewer than 7 numbers, or something that is no number.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        rows = np.array([[float(field) for field in line.split(",")[:7]] for line in lines if line.strip()])
    except (OSError, ValueError) as exc:
        raise DatasetError(f"{path}: not a MOTChallenge file: {reason_of(exc)}") from exc
    if len(rows) and (rows.ndim != 2 or rows.shape[1] != 7):
        raise DatasetError(
            f"{path}: not a MOTChallenge file", allowed="frame, id, left, top, width, height, confidence"
        )
    return {int(number): _frame(rows[rows[:, 0] == number]) for number in np.unique(rows[:, 0])} if len(rows) else {}


def _frame(rows: Array) -> MotFrame:
    corner, sides = rows[:, 2:4], rows[:, 4:6]
    return MotFrame(rows[:, 1].astype(np.int64), np.concatenate([corner, corner + sides], axis=1), rows[:, 6])
