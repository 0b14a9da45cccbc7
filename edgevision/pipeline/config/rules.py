"""Rules in a configuration: ``kind`` says which, and the other keys are the rule's arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgevision.errors import ConfigError, check_choice
from edgevision.pipeline.config.table import Table, check_seen
from edgevision.pipeline.rules import (
    Attributed,
    CountRule,
    Ground,
    KnownFaceRule,
    LineRule,
    Rule,
    Schedule,
    Scheduled,
    SpeedRule,
    UnknownFaceRule,
    ZoneRule,
)

Classes = frozenset[int] | None


@dataclass(frozen=True)
class StageFacts:
    """What rules may ask of a second stage.

    Attributes:
        kind: "classify" or "identify".
        labels: What it may call a track.
    """

    kind: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What rules of one camera go by.

    Attributes:
        labels: Names of the model's classes.
        stages: The camera's second stages, by name.
        size: Width and height of the picture that points are for; None where that is not said.
    """

    labels: Sequence[str]
    stages: Mapping[str, StageFacts]
    size: tuple[int, int] | None = None


def rule_of(table: Table, asked: Asked) -> Callable[[], Rule]:
    """Return what makes a rule, anew for each start of its camera; it was made once, so it can be made.

    Args:
        table: Its keys.
        asked: What it may go by.

    Raises:
        ConfigError: An unknown kind, class, second stage or key, or a value that makes no sense.
    """
    kind, name = table.text("kind"), table.name()
    check_choice(f"{table.what}: kind", kind, KINDS)
    arguments = FACES[kind](table, asked) if kind in FACES else PLACES[kind](table, asked.labels)
    seen = "pixels" if kind == "speed" else "points"
    if kind in PLACES and (points := table.points(seen, None)):
        check_seen(f"{table.what}: {seen}", points, asked.size)
    attribute = None if kind in FACES else table.table("attribute")
    wanted = None if attribute is None else _attribute(attribute, asked)
    hours = table.table("schedule")
    schedule = None if hours is None else _schedule(hours)
    table.finish()

    def make() -> Rule:
        rule: Rule = MAKERS[kind](name, **arguments)
        rule = rule if wanted is None else Attributed(rule, **wanted)
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


def _unknown_face(table: Table, asked: Asked) -> dict[str, Any]:
    attempts = table.whole("attempts", None)
    given = {} if attempts is None else {"attempts": attempts}
    identifying = [name for name, facts in asked.stages.items() if facts.kind == "identify"]
    stage = table.text("stage", identifying[0] if len(identifying) == 1 else None)
    if not identifying:
        raise ConfigError(
            f"{table.what}: nothing identifies anybody", next_step='declare it: [[second_stages]] of kind = "identify"'
        )
    if stage is None:
        raise ConfigError(f"{table.what}: which stage identifies?", allowed=identifying, next_step="set stage")
    check_choice(f"{table.what}: stage", stage, identifying)
    return {"stage": stage, **given}


def _known_face(table: Table, asked: Asked) -> dict[str, Any]:
    given = _unknown_face(table, asked)
    names = table.texts("names", None)
    for name in names or ():
        check_choice(f"{table.what}: names", name, asked.stages[given["stage"]].labels)
    return {**given, "names": names}


def _attribute(table: Table, asked: Asked) -> dict[str, Any]:
    stage, labels = table.text("stage"), table.texts("labels")
    if not asked.stages:
        raise ConfigError(f"{table.what}: the camera has no second stage", next_step="declare it: [[second_stages]]")
    check_choice(f"{table.what}: stage", stage, asked.stages)
    for label in labels:
        check_choice(f"{table.what}: labels", label, asked.stages[stage].labels)
    made = {"stage": stage, "labels": labels, "min_score": table.number("min_score", 0.0)}
    table.finish()
    return made


def _schedule(table: Table) -> Schedule:
    made = Schedule(
        table.texts("days", ()), table.text("begin", "00:00"), table.text("end", "24:00"), table.text("zone", None)
    )
    table.finish()
    return made


PLACES: Mapping[str, Callable[[Table, Sequence[str]], dict[str, Any]]] = {
    "zone": _zone,
    "loitering": _loitering,
    "count": _count,
    "line": _line,
    "speed": _speed,
}
FACES: Mapping[str, Callable[[Table, Asked], dict[str, Any]]] = {
    "unknown_face": _unknown_face,
    "known_face": _known_face,
}
KINDS = (*PLACES, *FACES)
MAKERS: Mapping[str, Callable[..., Rule]] = {
    "zone": ZoneRule,
    "loitering": ZoneRule,
    "count": CountRule,
    "line": LineRule,
    "speed": SpeedRule,
    "unknown_face": UnknownFaceRule,
    "known_face": KnownFaceRule,
}
