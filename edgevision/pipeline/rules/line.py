"""Who crosses a line, and which way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edgevision.errors import ConfigError, check_choice
from edgevision.pipeline.rules.change import MOMENT, Change, Scene
from edgevision.pipeline.rules.geometry import Point, crosses, segment, side_of

DIRECTIONS = ("both", "in", "out")
FORGET_S = 10.0
"""Who has not been seen for so long may come from anywhere."""


@dataclass
class _Walker:
    side: int  # 1 to the right, -1 to the left, 0 not known yet
    anchor: Point
    seen_s: float
    through: bool = False


class LineRule:
    """Somebody crosses a line: their anchor goes from one side to the other, between the line's ends.

    "in" is from the left to the right of who looks from ``start`` to ``end``. It counts when they are ``margin_px``
    beyond the line, having been so far on the other side: who stands on it and sways is counted once, when they go on.

    Args:
        name: Name of the rule.
        start: One end of the line, in pixels.
        end: The other.
        direction: Which crossings are events: "both", "in" or "out". Both are counted.
        margin_px: Half the width of the band that has to be crossed.
        classes: Class ids that count; None for all.

    Attributes:
        counts: Crossings so far, by "in" and "out".

    Raises:
        ConfigError: No line, an unknown direction, or a negative margin.
    """

    kind = "line"

    def __init__(
        self,
        name: str,
        start: Point,
        end: Point,
        *,
        direction: str = "both",
        margin_px: float = 5.0,
        classes: Collection[int] | None = None,
    ) -> None:
        check_choice(f"{name}: direction", direction, DIRECTIONS)
        if not margin_px >= 0:
            raise ConfigError(f"{name}: margin_px", got=margin_px, allowed="0 or more")
        self.name, self.counts = name, {"in": 0, "out": 0}
        self._start, self._end = segment(name, start, end)
        self._direction, self._margin_px = direction, margin_px
        self._classes = None if classes is None else frozenset(classes)
        self._walkers: dict[int, _Walker] = {}

    def update(self, scene: Scene) -> list[Change]:
        """Say who has crossed it."""
        seen, now = scene.tracks.confirmed, scene.tracks.time_s
        anchors = seen.anchors
        sides = side_of(self._start, self._end, anchors).tolist() if len(seen) else []
        changes = []
        for track, number, anchor, off in zip(
            seen.ids.tolist(), seen.class_ids.tolist(), anchors.tolist(), sides, strict=True
        ):
            if self._classes is not None and number not in self._classes:
                continue
            way = self._walk(track, (anchor[0], anchor[1]), off, now)
            if way is None:
                continue
            self.counts[way] += 1
            if self._direction in ("both", way):
                data = {"direction": way, **self.counts}
                changes.append(Change(self.name, self.kind, MOMENT, track, track, number, now, data))
        self._walkers = {key: one for key, one in self._walkers.items() if now - one.seen_s <= FORGET_S}
        return changes

    def overdue(self, time_s: float) -> list[Change]:
        """Say nothing: crossings have no end to be told."""
        return []

    def close(self, time_s: float) -> list[Change]:
        """Forget who was where; crossings have no end to be told."""
        self._walkers.clear()
        return []

    def _walk(self, track: int, anchor: Point, off: float, now: float) -> str | None:
        """Take one step of a track; return the direction if that completes a crossing."""
        side = 0 if abs(off) < self._margin_px or off == 0 else 1 if off > 0 else -1
        walker = self._walkers.get(track)
        if walker is None:
            self._walkers[track] = _Walker(side, anchor, now)
            return None
        if crosses(self._start, self._end, walker.anchor, anchor):
            walker.through = not walker.through
        walker.anchor, walker.seen_s = anchor, now
        if side == 0:
            return None
        before, walker.side = walker.side, side
        through, walker.through = walker.through, False
        if before == 0 or before == side or not through:
            return None
        return "in" if side > 0 else "out"
