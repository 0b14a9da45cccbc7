"""From detections, frame by frame, to tracks: who is the one that was there before?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgevision.assignment import match
from edgevision.errors import ConfigError, InputError
from edgevision.pipeline.tracking.motion import Motion, centred
from edgevision.pipeline.tracking.tracks import CONFIRMED, LOST, TENTATIVE, Tracks
from edgevision.tasks.boxes import box_iou
from edgevision.tensors import Array


@dataclass(frozen=True)
class TrackerSettings:
    """What a tracker goes by.

    Attributes:
        high_score: Detections from here on find their tracks first, and may begin new ones.
        low_score: Detections from here on may still prolong a track that nothing better was found for; those below
            count for nothing.
        min_iou: Least overlap of a detection with where its track is expected.
        confirm_hits: Detections in a row until a track is believed; 1 believes at once.
        lost_s: Seconds that a believed track may go unseen before it ends.
        class_agnostic: Whether a track may change its class: it then has the class that most of its scores speak for.
    """

    high_score: float = 0.6
    low_score: float = 0.1
    min_iou: float = 0.1
    confirm_hits: int = 2
    lost_s: float = 1.0
    class_agnostic: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.low_score <= self.high_score <= 1:
            raise ConfigError(
                "tracker: low_score and high_score",
                got=f"{self.low_score} and {self.high_score}",
                allowed="0 ≤ low_score ≤ high_score ≤ 1",
            )
        if not 0 < self.min_iou < 1:
            raise ConfigError("tracker: min_iou", got=self.min_iou, allowed="between 0 and 1")
        if self.confirm_hits < 1:
            raise ConfigError("tracker: confirm_hits", got=self.confirm_hits, allowed="1 or more")
        if not (math.isfinite(self.lost_s) and self.lost_s >= 0):
            raise ConfigError("tracker: lost_s", got=self.lost_s, allowed="0 or more seconds")


class Tracker:
    """A multi-object tracker after ByteTrack (Y. Zhang et al., ECCV 2022) and SORT (A. Bewley et al., ICIP 2016).

    Detections with a high score are matched with where believed tracks should be by now, so that overlaps add up to the
    most; those with a low score with the believed tracks that have none yet; high ones left over with tentative tracks,
    and at last with whatever track they are near enough to, as far as its motion is known: a small or fast thing need
    not overlap with where it was.

    All times are seconds of a monotonic clock: frames may be dropped, or come at any rate. It belongs to one thread.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._time_s = -math.inf
        self._next_id = 1
        self._motion = Motion()
        self._ids, self._classes = np.empty(0, np.int64), np.empty(0, np.int64)
        self._hits, self._states = np.empty(0, np.int64), np.empty(0, np.int8)
        self._scores, self._support = np.empty(0), np.empty(0)
        self._first_s, self._seen_s = np.empty(0), np.empty(0)
        self._detections = np.empty(0, np.int64)

    def update(self, boxes: Array, scores: Array, class_ids: Array, time_s: float) -> Tracks:
        """Take in the detections of one frame, and return the tracks.

        Args:
            boxes: (D, 4), x1 y1 x2 y2 in pixels. Boxes without an area are passed over.
            scores: (D,), 0 to 1.
            class_ids: (D,), integers.
            time_s: When the frame was taken, on a monotonic clock; later than the one before.

        Raises:
            InputError: Arrays that do not fit together, values that are not finite, or a time that does not advance.
        """
        boxes, scores, class_ids = _checked(boxes, scores, class_ids)
        if not (math.isfinite(time_s) and time_s > self._time_s):
            raise InputError(
                "tracker: time of a frame", got=time_s, allowed=f"later than {self._time_s}",
                next_step="use a monotonic clock, and give each frame once",
            )  # fmt: skip
        self._advance(time_s)
        usable = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & (scores >= self.settings.low_score)
        strong = scores >= self.settings.high_score
        (high,), (low,) = (usable & strong).nonzero(), (usable & ~strong).nonzero()
        self._detections = np.full(len(self._ids), -1, np.int64)
        kin = self._kin(class_ids)
        overlaps = self._overlaps(boxes) * kin
        high = self._associate(overlaps, self._states != TENTATIVE, high)
        self._associate(overlaps, self._states != TENTATIVE, low)
        high = self._associate(overlaps, self._states == TENTATIVE, high)
        if len(high) and (self._detections < 0).any():
            near = self._motion.nearness(np.arange(len(self._ids)), centred(boxes)) * kin
            high = self._associate(near, self._states >= TENTATIVE, high)
        self._correct(boxes, scores, class_ids)
        self._begin(boxes[high], scores[high], class_ids[high], high)
        return self._tracks()

    def _advance(self, time_s: float) -> None:
        """Predict, after what has been out of sight for too long is gone."""
        gone = (time_s - self._seen_s > self.settings.lost_s) & (self._states == LOST)
        dt_s, self._time_s = time_s - self._time_s, time_s
        if dt_s > self.settings.lost_s:
            gone |= True
        self._drop(gone)
        if len(self._ids):
            self._motion.predict(dt_s)

    def _overlaps(self, boxes: Array) -> Array:
        """Overlap of each track's box with each detection, (N, D); 0 where it is too little."""
        overlap = box_iou(self._motion.boxes(), boxes)
        overlap[overlap < self.settings.min_iou] = 0
        return overlap

    def _kin(self, class_ids: Array) -> Array:
        """Which detections may belong to which track by their classes, (N, D)."""
        if self.settings.class_agnostic:
            return np.ones((len(self._ids), len(class_ids)), bool)
        kin: Array = np.equal.outer(self._classes, class_ids)
        return kin

    def _associate(self, fits: Array, eligible: Array, detections: Array) -> Array:
        """Match eligible tracks that have no detection yet with detections; return the detections left over."""
        if not len(detections):
            return detections
        (rows,) = (eligible & (self._detections < 0)).nonzero()
        if not len(rows):
            return detections
        mine, theirs = match(fits[rows[:, None], detections])
        self._detections[rows[mine]] = detections[theirs]
        left = np.ones(len(detections), bool)
        left[theirs] = False
        remaining: Array = detections[left]
        return remaining

    def _correct(self, boxes: Array, scores: Array, class_ids: Array) -> None:
        seen = self._detections >= 0
        (rows,) = seen.nonzero()
        found = self._detections[rows]
        self._motion.correct(rows, centred(boxes[found]))
        self._seen_s[rows] = self._time_s
        self._scores[rows] = scores[found]
        self._hits[rows] += 1
        if self.settings.class_agnostic:
            self._vote(rows, class_ids[found], scores[found])
        believed = (self._hits >= self.settings.confirm_hits) | (self._states != TENTATIVE)
        self._states[believed] = np.where(seen[believed], CONFIRMED, LOST)
        self._drop(~seen & ~believed)

    def _vote(self, rows: Array, class_ids: Array, scores: Array) -> None:
        """Keep the class that most scores spoke for (R. S. Boyer and J. S. Moore's majority vote, weighted)."""
        same = self._classes[rows] == class_ids
        support = self._support[rows] + np.where(same, scores, -scores)
        self._classes[rows] = np.where(support < 0, class_ids, self._classes[rows])
        self._support[rows] = np.abs(support)

    def _begin(self, boxes: Array, scores: Array, class_ids: Array, detections: Array) -> None:
        count = len(boxes)
        if not count:
            return
        state = CONFIRMED if self.settings.confirm_hits == 1 else TENTATIVE
        now = np.full(count, self._time_s)
        self._motion.add(centred(boxes))
        self._ids = np.append(self._ids, np.arange(self._next_id, self._next_id + count))
        self._classes = np.append(self._classes, class_ids)
        self._hits = np.append(self._hits, np.ones(count, np.int64))
        self._states = np.append(self._states, np.full(count, state, np.int8))
        self._scores, self._support = np.append(self._scores, scores), np.append(self._support, scores)
        self._first_s, self._seen_s = np.append(self._first_s, now), np.append(self._seen_s, now)
        self._detections = np.append(self._detections, detections)
        self._next_id += count

    def _drop(self, gone: Array) -> None:
        if not gone.any():
            return
        kept = ~gone
        self._motion.keep(kept)
        for name in (
            "_ids",
            "_classes",
            "_hits",
            "_states",
            "_scores",
            "_support",
            "_first_s",
            "_seen_s",
            "_detections",
        ):
            setattr(self, name, getattr(self, name)[kept])

    def _tracks(self) -> Tracks:
        return Tracks(
            time_s=self._time_s,
            ids=self._ids.copy(),
            boxes=self._motion.boxes(),
            velocities=self._motion.velocity[:, :2].copy(),
            scores=self._scores.copy(),
            class_ids=self._classes.copy(),
            states=self._states.copy(),
            first_s=self._first_s.copy(),
            seen_s=self._seen_s.copy(),
            detections=self._detections.copy(),
        )


def _checked(boxes: Array, scores: Array, class_ids: Array) -> tuple[Array, Array, Array]:
    boxes, scores = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
    class_ids = np.asarray(class_ids)
    count = len(scores) if scores.ndim == 1 else -1
    if boxes.shape != (count, 4) or class_ids.shape != (count,):
        raise InputError(
            "tracker: detections",
            got=f"boxes {list(boxes.shape)}, scores {list(scores.shape)}, class ids {list(class_ids.shape)}",
            allowed="[N, 4], [N] and [N]",
        )
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise InputError("tracker: boxes and scores are finite", got="NaN or infinity")
    if count and class_ids.dtype.kind not in "iu":
        raise InputError("tracker: class ids", got=str(class_ids.dtype), allowed="integers")
    return boxes, scores, class_ids.astype(np.int64)
