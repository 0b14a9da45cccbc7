"""Who is in a zone, for how long, and how many."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from edgevision.errors import ConfigError
from edgevision.pipeline.rules.change import END, START, UPDATE, Change, Scene
from edgevision.pipeline.rules.geometry import Point, inside_by, polygon
from edgevision.pipeline.rules.holding import Holding
from edgevision.pipeline.tracking.tracks import Tracks
from edgevision.tensors import Array

KINDS = ("zone", "loitering")
FORGET_S = 10.0
"""Who has been out of sight for so long is no longer taken to be in the zone."""


class Zone:
    """Which tracks stand in a polygon: their anchor, the middle of the box's lower edge, is in it. Without one: all.

    Who is in stays in until the anchor is ``margin_px`` outside: a box that trembles on the edge changes nothing.
    """

    def __init__(
        self, what: str, points: Sequence[Point] | None, margin_px: float = 0.0, classes: Collection[int] | None = None
    ) -> None:
        if not margin_px >= 0:
            raise ConfigError(f"{what}: margin_px", got=margin_px, allowed="0 or more")
        self._corners = None if points is None else polygon(what, points)
        self._margin_px, self._classes = margin_px, None if classes is None else frozenset(classes)
        self._inside: dict[int, float] = {}  # track -> when it was seen in it last

    def update(self, tracks: Tracks) -> dict[int, int]:
        """Return track id -> class of the tracks that are in it; only believed ones that are seen count."""
        seen = tracks.confirmed
        depth = self._depth(seen.anchors).tolist() if len(seen) else []
        present: dict[int, int] = {}
        for track, number, by in zip(seen.ids.tolist(), seen.class_ids.tolist(), depth, strict=True):
            wanted = self._classes is None or number in self._classes
            if wanted and (by > 0 or (track in self._inside and by > -self._margin_px)):
                present[track] = number
        visible = set(seen.ids.tolist())
        self._inside = {
            track: last
            for track, last in self._inside.items()
            if track not in visible and tracks.time_s - last <= FORGET_S
        } | dict.fromkeys(present, tracks.time_s)
        return present

    def _depth(self, anchors: Array) -> Array:
        return np.full(len(anchors), np.inf) if self._corners is None else inside_by(self._corners, anchors)


class ZoneRule:
    """Somebody is in a zone: an event for each, from when they have been there for the dwell until they have left it.

    Loitering is the same with a long dwell, and called so.

    Args:
        name: Name of the rule.
        points: Corners of the zone, in pixels; None for the whole picture.
        dwell_s: Seconds to be in it until it is an event.
        inertia_s: Seconds that someone may be out of it, or out of sight, and is not gone.
        margin_px: See `Zone`.
        classes: Class ids that count; None for all.
        kind: "zone" or "loitering".

    Raises:
        ConfigError: No polygon, or a negative or infinite number.
    """

    def __init__(
        self,
        name: str,
        points: Sequence[Point] | None = None,
        *,
        dwell_s: float = 1.0,
        inertia_s: float = 1.0,
        margin_px: float = 0.0,
        classes: Collection[int] | None = None,
        kind: str = "zone",
    ) -> None:
        if kind not in KINDS:
            raise ConfigError(f"{name}: kind", got=kind, allowed=KINDS)
        self.name, self.kind = name, kind
        self._zone = Zone(name, points, margin_px, classes)
        self._holding = Holding(name, dwell_s, inertia_s)
        self._classes: dict[int, int] = {}
        self._began: dict[int, float] = {}

    @property
    def present(self) -> int:
        """How many events are open."""
        return len(self._began)

    def update(self, scene: Scene) -> list[Change]:
        """Say who has come and who has gone."""
        present = self._zone.update(scene.tracks)
        started, ended = self._holding.update(present, scene.tracks.time_s)
        changes = self._ends(ended)
        for key, began in started.items():
            self._began[key], self._classes[key] = began, present[key]
            changes.append(Change(self.name, self.kind, START, key, key, present[key], began, {"count": self.present}))
        return changes

    def overdue(self, time_s: float) -> list[Change]:
        """End all events where no frame came for so long that nothing is known."""
        return self._ends(self._holding.overdue(time_s))

    def close(self, time_s: float) -> list[Change]:
        """End all events; nobody was seen after ``time_s``."""
        return self._ends(self._holding.close())

    def _ends(self, ended: dict[int, float]) -> list[Change]:
        changes = []
        for key, last in ended.items():
            data = {"duration_s": round(last - self._began.pop(key), 3), "count": self.present}
            changes.append(Change(self.name, self.kind, END, key, key, self._classes.pop(key), last, data))
        return changes


class CountRule:
    """As many are in a zone as shall be told: one event until it is no longer so, with updates of the count.

    Args:
        name: Name of the rule.
        points: Corners of the zone, in pixels; None for the whole picture.
        at_least: It holds with this many, or more; None for no lower limit.
        at_most: It holds with this many, or fewer; None for no upper limit.
        dwell_s: Seconds that it has to hold.
        inertia_s: Seconds that it may not hold, and is not over.
        margin_px: See `Zone`.
        classes: Class ids that count; None for all.

    Raises:
        ConfigError: No polygon, no limit, limits that never hold, or a negative or infinite number.
    """

    kind = "count"

    def __init__(
        self,
        name: str,
        points: Sequence[Point] | None = None,
        *,
        at_least: int | None = None,
        at_most: int | None = None,
        dwell_s: float = 1.0,
        inertia_s: float = 1.0,
        margin_px: float = 0.0,
        classes: Collection[int] | None = None,
    ) -> None:
        if at_least is None and at_most is None:
            raise ConfigError(f"{name}: a count needs a limit", allowed=("at_least", "at_most"))
        if min(at_least or 0, at_most or 0) < 0 or (at_most is not None and (at_least or 0) > at_most):
            raise ConfigError(
                f"{name}: at_least and at_most", got=f"{at_least} and {at_most}", allowed="0 ≤ at_least ≤ at_most"
            )
        self.name = name
        self._least, self._most = at_least or 0, at_most
        self._zone, self._holding = Zone(name, points, margin_px, classes), Holding(name, dwell_s, inertia_s)
        self._began, self._count = 0.0, 0

    def update(self, scene: Scene) -> list[Change]:
        """Say that the count is, or is no longer, within the limits, or that it is another one."""
        count = len(self._zone.update(scene.tracks))
        within = count >= self._least and (self._most is None or count <= self._most)
        was_open = bool(self._holding.open)
        started, ended = self._holding.update([0] if within else [], scene.tracks.time_s)
        changes = self._ends(ended)
        if started:
            self._began = started[0]
            changes.append(Change(self.name, self.kind, START, 0, None, None, started[0], {"count": count}))
        elif was_open and within and count != self._count and not ended:
            changes.append(Change(self.name, self.kind, UPDATE, 0, None, None, scene.tracks.time_s, {"count": count}))
        if within:
            self._count = count
        return changes

    def overdue(self, time_s: float) -> list[Change]:
        """End the event where no frame came for so long that nothing is known."""
        return self._ends(self._holding.overdue(time_s))

    def close(self, time_s: float) -> list[Change]:
        """End the event, if it is open."""
        return self._ends(self._holding.close())

    def _ends(self, ended: dict[int, float]) -> list[Change]:
        return [
            Change(self.name, self.kind, END, key, None, None, last, {"duration_s": round(last - self._began, 3)})
            for key, last in ended.items()
        ]
