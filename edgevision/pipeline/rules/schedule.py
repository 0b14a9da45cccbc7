"""When a rule is on: days and hours on the wall clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edgevision.errors import ConfigError
from edgevision.pipeline.rules.change import Change, Rule, Scene

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Schedule:
    """Hours of the week: from ``begin`` until before ``end``; over midnight when ``end`` is not later.

    Args:
        days: Days on which the hours begin, such as ("mon", "fri"); all when there is none.
        begin: "HH:MM".
        end: "HH:MM"; "24:00" and "00:00" are midnight.
        zone: Time zone, such as "Europe/Vienna"; None for that of the machine.

    Raises:
        ConfigError: An unknown day or zone, or no time of day.

    >>> from datetime import timezone
    >>> night = Schedule(["fri"], "22:00", "06:00", zone="UTC")
    >>> night.holds(datetime(2026, 11, 28, 5, 59, tzinfo=timezone.utc).timestamp())  # Saturday morning
    True
    """

    def __init__(
        self, days: Sequence[str] = (), begin: str = "00:00", end: str = "24:00", zone: str | None = None
    ) -> None:
        for day in days:
            if day not in DAYS:
                raise ConfigError("schedule: day", got=day, allowed=DAYS)
        self._days = frozenset(DAYS.index(day) for day in days) or frozenset(range(7))
        self._begin, self._end, self._zone = _time(begin), _time(end), _zone(zone)

    def holds(self, wall_s: float) -> bool:
        """Whether a time, seconds since 1970 UTC, is within the hours."""
        now = datetime.fromtimestamp(wall_s).astimezone(self._zone)
        clock = now.time().replace(tzinfo=None)
        if self._begin < self._end:
            return now.weekday() in self._days and self._begin <= clock < self._end
        yesterday = (now.date() - timedelta(days=1)).weekday()
        return (now.weekday() in self._days and clock >= self._begin) or (yesterday in self._days and clock < self._end)


class Scheduled:
    """A rule that is on during a schedule: when its hours are over, what is open ends, and it begins anew next time."""

    def __init__(self, rule: Rule, schedule: Schedule) -> None:
        self._rule, self._schedule = rule, schedule
        self._on = False

    @property
    def name(self) -> str:
        """The rule's name."""
        return self._rule.name

    def update(self, scene: Scene) -> list[Change]:
        """Let the rule see the frame, if it is on."""
        was_on, self._on = self._on, self._schedule.holds(scene.wall_s)
        if self._on:
            return self._rule.update(scene)
        return self._rule.close(scene.tracks.time_s) if was_on else []

    def overdue(self, time_s: float) -> list[Change]:
        """End what the rule would end; it does not go by the schedule, which the next frame does."""
        return self._rule.overdue(time_s)

    def close(self, time_s: float) -> list[Change]:
        """End what is open."""
        self._on = False
        return self._rule.close(time_s)


def _time(text: str) -> time:
    if text == "24:00":
        return time(0, 0)
    try:
        return datetime.strptime(text, "%H:%M").time()
    except ValueError as exc:
        raise ConfigError("schedule: time of day", got=text, allowed="HH:MM, 00:00 to 24:00") from exc


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:  # OSError: a folder of zones
        raise ConfigError("schedule: time zone", got=name, allowed="a name such as Europe/Vienna or UTC") from exc
