"""Who is too fast, on the ground."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

import numpy as np

from edgevision.errors import ConfigError
from edgevision.pipeline.rules.change import END, START, Change, Scene
from edgevision.pipeline.rules.ground import Ground
from edgevision.pipeline.rules.holding import Holding

KMH = 3.6
FEWEST = 3  # places in the window


class SpeedRule:
    """Somebody is faster than allowed: an event for each, from start to end, with the highest speed.

    The speed is the slope of a straight line through where a track's anchor was on the ground within the window (least
    squares over time), so that a trembling box is not fast.

    Args:
        name: Name of the rule.
        ground: Where pixels are on the ground.
        above_kmh: Faster than this is too fast.
        window_s: Seconds that the speed is taken over; no speed is told before half of it has been seen.
        dwell_s: Seconds that it has to last.
        inertia_s: Seconds that it may pause.
        classes: Class ids that count; None for all.

    Raises:
        ConfigError: A limit or window that is not positive.
    """

    kind = "speed"

    def __init__(
        self,
        name: str,
        ground: Ground,
        *,
        above_kmh: float,
        window_s: float = 1.0,
        dwell_s: float = 0.0,
        inertia_s: float = 1.0,
        classes: Collection[int] | None = None,
    ) -> None:
        for what, value in (("above_kmh", above_kmh), ("window_s", window_s)):
            if not value > 0:
                raise ConfigError(f"{name}: {what}", got=value, allowed="more than 0")
        self.name, self._ground = name, ground
        self._above_kmh, self._window_s = above_kmh, window_s
        self._classes = None if classes is None else frozenset(classes)
        self._holding = Holding(name, dwell_s, inertia_s)
        self._places: dict[int, deque[tuple[float, float, float]]] = {}
        self._open: dict[int, tuple[int, float, float]] = {}  # track -> its class, when it began, its highest speed

    def speeds(self, scene: Scene) -> dict[int, tuple[int, float]]:
        """Take in a frame, and return track id -> (class, km/h) of those whose speed is known."""
        seen, now = scene.tracks.confirmed, scene.tracks.time_s
        found = {}
        places = self._ground.metres(seen.anchors).tolist() if len(seen) else []
        for track, number, (x, y) in zip(seen.ids.tolist(), seen.class_ids.tolist(), places, strict=True):
            if (self._classes is None or number in self._classes) and np.isfinite([x, y]).all():
                self._places.setdefault(track, deque()).append((now, x, y))
        for track, trail in list(self._places.items()):
            while trail and now - trail[0][0] > self._window_s:
                trail.popleft()
            if not trail:
                del self._places[track]
        for track, number in zip(seen.ids.tolist(), seen.class_ids.tolist(), strict=True):
            speed = self._speed(self._places.get(track, deque()))
            if speed is not None:
                found[track] = (number, speed)
        return found

    def update(self, scene: Scene) -> list[Change]:
        """Say who has become too fast, and who no longer is."""
        speeds = self.speeds(scene)
        fast = {track: pair for track, pair in speeds.items() if pair[1] > self._above_kmh}
        started, ended = self._holding.update(fast, scene.tracks.time_s)
        changes = self._ends(ended)
        for track, began in started.items():
            number, speed = fast[track]
            self._open[track] = number, began, speed
            data = {"speed_kmh": round(speed, 1)}
            changes.append(Change(self.name, self.kind, START, track, track, number, began, data))
        for track in fast.keys() & self._open.keys():
            number, began, highest = self._open[track]
            self._open[track] = number, began, max(highest, fast[track][1])
        return changes

    def overdue(self, time_s: float) -> list[Change]:
        """End all events where no frame came for so long that nothing is known."""
        return self._ends(self._holding.overdue(time_s))

    def close(self, time_s: float) -> list[Change]:
        """End all events, and forget all places."""
        self._places.clear()
        return self._ends(self._holding.close())

    def _ends(self, ended: dict[int, float]) -> list[Change]:
        changes = []
        for track, last in ended.items():
            number, began, highest = self._open.pop(track)
            data = {"duration_s": round(last - began, 3), "highest_kmh": round(highest, 1)}
            changes.append(Change(self.name, self.kind, END, track, track, number, last, data))
        return changes

    def _speed(self, trail: deque[tuple[float, float, float]]) -> float | None:
        """km/h along a trail of (seconds, x metres, y metres); None while it is too short."""
        if len(trail) < FEWEST or trail[-1][0] - trail[0][0] < self._window_s / 2:
            return None
        rows = np.array(trail)
        off = rows - rows.mean(axis=0)
        slope = (off[:, :1] * off[:, 1:]).sum(axis=0) / np.square(off[:, 0]).sum()
        return float(np.hypot(*slope)) * KMH
