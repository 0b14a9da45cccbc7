"""Doing less where everything is too much: in steps, slowly, and said aloud."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edgevision.errors import ConfigError


@dataclass(frozen=True)
class Level:
    """One step of doing less.

    Attributes:
        name: What it is called, in events.
        every: Of so many frames one is looked at.
        model: Which model variant runs; None: the one of full quality.
        gate: Whether only frames with motion are looked at.
    """

    name: str
    every: int = 1
    model: str | None = None
    gate: bool = False

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError("degradation: every", got=self.every, allowed="1 or more")


FULL = Level("full")
FEWEST = 3
"""Frames of which a share is taken at least: the first one after a pause is often late, and means nothing."""


@dataclass(frozen=True)
class DegradationSettings:
    """When there is less, and when more again.

    Attributes:
        levels: Steps, the mildest first; none: nothing is ever given up silently, which is what driving asks for.
        down_share: Share of late or refused frames from which on there is less.
        up_share: Share up to which there may be more again; under ``down_share``.
        down_s: Seconds of which the share is taken, and that a level lasts before the next.
        up_s: Seconds without trouble before there is more again.
    """

    levels: tuple[Level, ...] = ()
    down_share: float = 0.3
    up_share: float = 0.05
    down_s: float = 3.0
    up_s: float = 15.0

    def __post_init__(self) -> None:
        if not 0 <= self.up_share < self.down_share <= 1:
            got = f"up {self.up_share}, down {self.down_share}"
            raise ConfigError("degradation: shares", got=got, allowed="0 ≤ up_share < down_share ≤ 1")
        if not (self.down_s > 0 and self.up_s > 0):
            raise ConfigError("degradation: seconds", got=f"{self.down_s}, {self.up_s}", allowed="more than 0")


@dataclass(frozen=True)
class LevelChange:
    """A step up or down.

    Attributes:
        before: The level until now.
        after: The level from now on.
        reason: Why, in words.
        at_s: When, in seconds of a monotonic clock.
    """

    before: Level
    after: Level
    reason: str
    at_s: float


class Degradation:
    """Decides the level from which frames were in time. One thread; times are of a monotonic clock."""

    def __init__(self, settings: DegradationSettings | None = None) -> None:
        self.settings = settings or DegradationSettings()
        self._levels: Sequence[Level] = (FULL, *self.settings.levels)
        self._place = 0
        self._changed_s: float | None = None
        self._frames: deque[tuple[float, bool]] = deque()

    @property
    def level(self) -> Level:
        """The level now."""
        return self._levels[self._place]

    def note(self, at_s: float, in_time: bool) -> LevelChange | None:
        """Take in one frame; return the change that it leads to, or None."""
        if self._changed_s is None:
            self._changed_s = at_s
        self._frames.append((at_s, in_time))
        longest = max(self.settings.down_s, self.settings.up_s)
        while self._frames[0][0] < at_s - longest:
            self._frames.popleft()
        if len(self._frames) < FEWEST:
            return None
        lasted = at_s - self._changed_s
        late, count = self._late_share(at_s, self.settings.down_s)
        if late >= self.settings.down_share and lasted >= self.settings.down_s and self._place + 1 < len(self._levels):
            return self._change(1, at_s, f"{late:.0%} of {count} frames in {self.settings.down_s:g} s were too late")
        late, count = self._late_share(at_s, self.settings.up_s)
        if self._place and lasted >= self.settings.up_s and late <= self.settings.up_share:
            return self._change(-1, at_s, f"{late:.0%} of {count} frames in {self.settings.up_s:g} s were too late")
        return None

    def _late_share(self, at_s: float, seconds: float) -> tuple[float, int]:
        recent = [in_time for when, in_time in self._frames if when >= at_s - seconds]
        if len(recent) < FEWEST:
            recent = [in_time for _, in_time in list(self._frames)[-FEWEST:]]
        return 1 - sum(recent) / len(recent), len(recent)

    def _change(self, step: int, at_s: float, reason: str) -> LevelChange:
        before = self.level
        self._place += step
        self._changed_s = at_s
        self._frames.clear()
        return LevelChange(before, self.level, reason, at_s)
