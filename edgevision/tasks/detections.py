"""What a detector found in one image: arrays of one length, which trackers and rules take as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.errors import InputError
from edgevision.tensors import Array


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects in one image, best first.

    Attributes:
        boxes: x1, y1, x2, y2 in pixels of the source image, continuous, inside it: float32 (N, 4).
        scores: How sure the model is, 0 to 1: float32 (N,).
        classes: Place of the class among the model's labels: int64 (N,).
        keypoints: x, y of landmarks in the same pixels, not clipped: float32 (N, K, 2); None where the model has none.
    """

    boxes: Array
    scores: Array
    classes: Array
    keypoints: Array | None = None

    def __post_init__(self) -> None:
        for name, dtype in (("boxes", np.float32), ("scores", np.float32), ("classes", np.int64)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype))
        if self.keypoints is not None:
            object.__setattr__(self, "keypoints", np.asarray(self.keypoints, np.float32))
        count = len(self.scores)
        points = self.keypoints
        fits = self.boxes.shape == (count, 4) and self.scores.shape == self.classes.shape == (count,)
        if not fits or (points is not None and (points.ndim != 3 or points.shape[::2] != (count, 2))):
            shapes = [list(values.shape) for values in (self.boxes, self.scores, self.classes)]
            raise InputError(
                "detections: boxes [N, 4], scores [N], classes [N], keypoints [N, K, 2]",
                got=shapes if points is None else [*shapes, list(points.shape)],
            )

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, which: Array) -> Detections:
        """Return some of them, by indices or by a mask, bool (N,)."""
        points = None if self.keypoints is None else self.keypoints[which]
        return Detections(self.boxes[which], self.scores[which], self.classes[which], points)

    def above(self, score: float) -> Detections:
        """Return those with at least this score."""
        return self.take(self.scores >= score)

    def to_list(self, labels: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return the JSON form, one entry per object; labels are None where they are unknown."""
        points = [None] * len(self) if self.keypoints is None else [entry.tolist() for entry in self.keypoints]
        return [
            {
                "label": labels[index] if labels is not None and index < len(labels) else None,
                "index": int(index),
                "score": float(score),
                "box": [float(value) for value in box],
                **({} if keypoints is None else {"keypoints": keypoints}),
            }
            for box, score, index, keypoints in zip(self.boxes, self.scores, self.classes, points, strict=True)
        ]


NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0))
"""No objects."""
