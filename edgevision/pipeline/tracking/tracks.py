"""What a tracker says of one frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgevision.tensors import Array

TENTATIVE, CONFIRMED, LOST = 0, 1, 2
"""States of a track: seen too seldom to be believed; believed and seen in this frame; believed, and not seen in it."""


@dataclass(frozen=True)
class Tracks:
    """Tracks at one moment, a row each; the arrays are the reader's own.

    Attributes:
        time_s: When the frame was taken, on a monotonic clock.
        ids: (N,) int64, from 1, never given twice by one tracker. A tentative track has its id already.
        boxes: (N, 4) float64, x1 y1 x2 y2 in pixels: filtered, and predicted where the track is lost.
        velocities: (N, 2) float64, of the box's centre, pixels per second.
        scores: (N,) float64, of the last detection.
        class_ids: (N,) int64.
        states: (N,) int8: TENTATIVE, CONFIRMED or LOST.
        first_s: (N,) float64, when the track was first seen.
        seen_s: (N,) float64, when it was last seen; ``time_s`` unless it is lost.
        detections: (N,) int64, row of the frame's detection that belongs to it; -1 for lost ones.
    """

    time_s: float
    ids: Array
    boxes: Array
    velocities: Array
    scores: Array
    class_ids: Array
    states: Array
    first_s: Array
    seen_s: Array
    detections: Array

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: Array) -> Tracks:
        """Return some of the tracks: rows as indices or as a mask."""
        chosen = {name: value[rows] for name, value in vars(self).items() if name != "time_s"}
        return Tracks(self.time_s, **chosen)

    def scaled(self, across: float, down: float) -> Tracks:
        """Return them in the pixels of a picture that is so many times as wide and as high."""
        if across == down == 1:
            return self
        by = np.array([across, down])
        return replace(self, boxes=self.boxes * np.tile(by, 2), velocities=self.velocities * by)

    @property
    def confirmed(self) -> Tracks:
        """Those that are believed and seen in this frame."""
        believed = self.states == CONFIRMED
        return self if believed.all() else self.select(believed)

    @property
    def anchors(self) -> Array:
        """(N, 2) middle of each box's lower edge, where a person or vehicle stands, in pixels."""
        feet = np.empty((len(self), 2))
        feet[:, 0] = (self.boxes[:, 0] + self.boxes[:, 2]) / 2
        feet[:, 1] = self.boxes[:, 3]
        return feet
