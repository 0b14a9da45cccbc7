"""Which frames of a camera are worth capturing: cheap, in the thread that follows it."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgevision.pipeline.capture.drift import DriftMonitor
from edgevision.pipeline.capture.likeness import Likeness, fingerprint
from edgevision.pipeline.capture.settings import CaptureSettings
from edgevision.pipeline.lane import Result
from edgevision.pipeline.rules import PrivacyMask
from edgevision.tasks.detections import NOTHING, Detections
from edgevision.tensors import Array

HOUR_S = 3600.0
LOW_CONFIDENCE, DRIFT, RANDOM = "low_confidence", "drift", "random"
MARGIN = 0.1
"""By so much of its width and height a cutting is larger than its box, on each side."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """A frame to be written, or cuttings of it.

    Attributes:
        result: The frame and what was seen in it.
        objects: What was seen in it outside privacy masks.
        reason: `LOW_CONFIDENCE`, `DRIFT` or `RANDOM`.
        why: What that was seen by, in JSON's types.
        mask: Painted over the frame.
        cuttings: Places of the objects to be cut out; None: the whole frame is written.
        wall_s: When it was captured, seconds since 1970 UTC.
    """

    result: Result
    objects: Detections
    reason: str
    why: Mapping[str, Any]
    mask: PrivacyMask | None
    cuttings: tuple[int, ...] | None
    wall_s: float


ROUNDING_S = 1e-3
"""Frames of a film are multiples of their distance apart, but for the rounding of floats."""


class Rate:
    """At most so many in any hour, and not right after each other. Times are those of the frames."""

    def __init__(self, max_per_hour: int, min_interval_s: float) -> None:
        self._most, self._interval_s = max_per_hour, min_interval_s
        self._times: deque[float] = deque()

    def room(self, now_s: float) -> int:
        """Return how many more may be captured now."""
        while self._times and not 0 <= now_s - self._times[0] < HOUR_S:
            self._times.popleft()
        if self._times and now_s - self._times[-1] < self._interval_s - ROUNDING_S:
            return 0
        return self._most - len(self._times)

    def note(self, now_s: float, count: int) -> None:
        """Note that so many were captured."""
        self._times.extend([now_s] * count)


class Memory:
    """What was captured of one camera; it outlives the camera's configuration.

    Attributes:
        rate: How much may be captured yet.
        known: The last pictures.
    """

    def __init__(self, settings: CaptureSettings) -> None:
        self.rate = Rate(settings.max_per_hour, settings.min_interval_s)
        self.known = Likeness()


@dataclass(frozen=True, eq=False)
class _Picture:
    place: int
    bits: int
    objects: Detections


@dataclass
class Chooser:
    """Looks at each result of one camera.

    Attributes:
        settings: What is wanted.
        mask: The camera's privacy masks.
        put: Takes what was chosen; False: there is no room for it now.
        memory: What was captured of this camera.
        monitor: Watches for drift; None: nothing does.
        drifted: Called when a baseline is there or drift began or ended.
        draw: Returns a number from 0 to 1, the upper end excluded.
        captured: Pictures by reason.
        passed_over: Frames that were worth it, by what stood against them.
    """

    settings: CaptureSettings
    mask: PrivacyMask | None
    put: Callable[[Chosen], bool]
    memory: Memory
    monitor: DriftMonitor | None = None
    drifted: Callable[[DriftMonitor], None] | None = None
    draw: Callable[[], float] = random.random
    captured: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)

    def state(self) -> dict[str, Any]:
        """Return how it is, in JSON's types."""
        drifting = {} if self.monitor is None else dict(self.monitor.drifting)
        return {"captured": dict(self.captured), "passed_over": dict(self.passed_over), "drifting": drifting}

    def look(self, result: Result) -> None:
        """Take in a result."""
        frame = result.frame
        objects = _uncovered(result, self.mask)
        if self.monitor is not None:
            values = _statistics(frame.frame.luma(), objects)
            if self.monitor.add(frame.captured_s, result.model, values) and self.drifted is not None:
                self.drifted(self.monitor)
        found = self._reason(objects)
        if found is None:
            return
        reason, why, concerned = found
        obstacle = self._choose(result, objects, reason, why, concerned)
        if obstacle is not None:
            self.passed_over[obstacle] += 1

    def _reason(self, objects: Detections) -> tuple[str, dict[str, Any], Array] | None:
        """Why the frame is worth it, what shows that, and the objects concerned, bool (N,)."""
        everything = np.ones(len(objects), bool)
        drawn = bool(self.settings.random) and self.draw() < self.settings.random
        if self.settings.low_confidence is not None:
            low, high = self.settings.low_confidence
            unsure = (objects.scores >= low) & (objects.scores < high)
            if unsure.any():
                return LOW_CONFIDENCE, {"scores": [round(float(one), 4) for one in objects.scores[unsure]]}, unsure
        if self.monitor is not None and self.monitor.drifting and self.monitor.baseline is not None:
            usual = self.monitor.baseline.usual
            why = {name: {"now": now, "usual": usual[name][0]} for name, now in self.monitor.drifting.items()}
            return DRIFT, why, everything
        return (RANDOM, {"share": self.settings.random}, everything) if drawn else None

    def _choose(
        self, result: Result, objects: Detections, reason: str, why: dict[str, Any], concerned: Array
    ) -> str | None:
        """Hand it on; return what stands against it."""
        now_s = result.frame.captured_s
        room = self.memory.rate.room(now_s)
        if room < 1:
            return "rate"
        pictures = self._pictures(result.frame.frame.luma(), objects, concerned)
        new = [one for one in pictures if not self.memory.known.knows(one.bits, one.objects)][:room]
        if not new:
            return "alike" if pictures else "no objects"
        cuttings = tuple(one.place for one in new) if self.settings.crops else None
        wall_s = time.time() - (time.monotonic() - now_s)
        if not self.put(Chosen(result, objects, reason, why, self.mask, cuttings, wall_s)):
            return "busy"
        for one in new:
            self.memory.known.remember(one.bits, one.objects)
        self.memory.rate.note(now_s, len(new))
        self.captured[reason] += len(new)
        return None

    def _pictures(self, luma: Array, objects: Detections, concerned: Array) -> list[_Picture]:
        """What would be written: the frame with its objects, or the cuttings of those concerned."""
        if not self.settings.crops:
            return [_Picture(-1, fingerprint(luma), objects)]
        cut = [(int(place), _cut(luma, objects.boxes[place])) for place in np.flatnonzero(concerned)]
        return [_Picture(place, fingerprint(part), NOTHING) for place, part in cut if part.size]


def _uncovered(result: Result, mask: PrivacyMask | None) -> Detections:
    """Objects that the masks leave to be seen."""
    found = result.detections
    if mask is None or not len(found):
        return found
    return found.take(mask.spares(found.boxes, result.frame.frame.width, result.frame.frame.height))


def _cut(picture: Array, box: Array) -> Array:
    """The part of a picture (H, W, …) within a box and some more, a view."""
    left, top, right, bottom = corners(picture.shape[1], picture.shape[0], box)
    return picture[top:bottom, left:right]


def corners(width: int, height: int, box: Array) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a box and some more, in whole pixels within a picture."""
    more_x, more_y = MARGIN * (box[2] - box[0]), MARGIN * (box[3] - box[1])
    left, right = np.clip([np.floor(box[0] - more_x), np.ceil(box[2] + more_x)], 0, width)
    top, bottom = np.clip([np.floor(box[1] - more_y), np.ceil(box[3] + more_y)], 0, height)
    return int(left), int(top), int(right), int(bottom)


def _statistics(luma: Array, objects: Detections) -> dict[str, float]:
    """What drift is watched by: brightness 0 to 255, how many objects, and the mean of their scores."""
    values = {"brightness": float(luma[::8, ::8].mean()), "objects": float(len(objects))}
    if len(objects):
        values["confidence"] = float(objects.scores.mean())
    return values
