"""Rules in a configuration: ``kind`` says which, and the other keys are the rule's arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgevision.errors import ConfigError, check_choice
from edgevision.pipeline.config.table import Table
from edgevision.pipeline.rules import (
    CountRule,
    Ground,
    LineRule,
    Rule,
    Schedule,
    Scheduled,
    SpeedRule,
    UnknownFaceRule,
    ZoneRule,
)

Classes = frozenset[int] | None


def rule_of(table: Table, labels: Sequence[str]) -> Callable[[], Rule]:
    """Return what makes a rule, anew for each start of its camera; it was made once, so it can be made.

    Args:
        table: Its keys.
        labels: Names of the model's classes.

    Raises:
        ConfigError: An unknown kind, class or key, or a value that makes no sense.
    """
    kind, name = table.text("kind"), table.text("name")
    check_choice(f"{table.what}: kind", kind, KINDS)
    arguments = KINDS[kind](table, labels)
    hours = table.table("schedule")
    schedule = None if hours is None else _schedule(hours)
    table.finish()

    def make() -> Rule:
        rule: Rule = MAKERS[kind](name, **arguments)
        return rule if schedule is None else Scheduled(rule, schedule)

    make()
    return make


def classes_of(table: Table, labels: Sequence[str]) -> Classes:
    """Return the ids of the classes that a table names; None where it names none."""
    names = table.texts("classes", None)
    if names is None:
        return None
    if not names:
        raise ConfigError(f"{table.what}: classes: an empty list finds nobody", next_step="name some, or take it out")
    for name in names:
        check_choice(f"{table.what}: classes", name, labels)
    return frozenset(labels.index(name) for name in names)


def _given(table: Table, *numbers: str) -> dict[str, float]:
    """The numbers that are there; the rule has defaults for the others."""
    return {name: table.number(name) for name in numbers if table.number(name, None) is not None}


def _zone(table: Table, labels: Sequence[str]) -> dict[str, Any]:
    spell = _given(table, "dwell_s", "inertia_s", "margin_px")
    return {"points": table.points("points", None), "classes": classes_of(table, labels), **spell}


def _loitering(table: Table, labels: Sequence[str]) -> dict[str, Any]:
    if "dwell_s" not in table:
        raise ConfigError(f"{table.what}: loitering needs its time", next_step="set dwell_s, in seconds")
    return {**_zone(table, labels), "kind": "loitering"}


def _count(table: Table, labels: Sequence[str]) -> dict[str, Any]:
    limits = {"at_least": table.whole("at_least", None), "at_most": table.whole("at_most", None)}
    return {**_zone(table, labels), **limits}


def _line(table: Table, labels: Sequence[str]) -> dict[str, Any]:
    points = table.points("points")
    if len(points) != 2:
        raise ConfigError(f"{table.what}: points of a line", got=len(points), allowed="two")
    rest = {"direction": table.text("direction", "both"), "classes": classes_of(table, labels)}
    return {"start": points[0], "end": points[1], **rest, **_given(table, "margin_px")}


def _speed(table: Table, labels: Sequence[str]) -> dict[str, Any]:
    ground = Ground.from_points(table.points("pixels"), table.points("metres"))
    rest = _given(table, "window_s", "dwell_s", "inertia_s")
    return {
        "ground": ground,
        "above_kmh": table.number("above_kmh"),
        "classes": classes_of(table, labels),
        **rest,
    }


def _unknown_face(table: Table, labels: Sequence[str]) -> dict[str, Any]:
    attempts = table.whole("attempts", None)
    return {} if attempts is None else {"attempts": attempts}


def _schedule(table: Table) -> Schedule:
    made = Schedule(
        table.texts("days", ()), table.text("begin", "00:00"), table.text("end", "24:00"), table.text("zone", None)
    )
    table.finish()
    return made


KINDS: Mapping[str, Callable[[Table, Sequence[str]], dict[str, Any]]] = {
    "zone": _zone,
    "loitering": _loitering,
    "count": _count,
    "line": _line,
    "speed": _speed,
    "unknown_face": _unknown_face,
}
MAKERS: Mapping[str, Callable[..., Rule]] = {
    "zone": ZoneRule,
    "loitering": ZoneRule,
    "count": CountRule,
    "line": LineRule,
    "speed": SpeedRule,
    "unknown_face": UnknownFaceRule,
}
