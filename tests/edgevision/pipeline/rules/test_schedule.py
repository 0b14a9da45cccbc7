from datetime import datetime, timezone

import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.rules import Schedule, Scheduled, ZoneRule

SQUARE = [(100, 100), (300, 100), (300, 300), (100, 300)]


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-11-27T21:59:59", False),  # a Friday
        ("2026-11-27T22:00:00", True),
        ("2026-11-28T05:59:59", True),
        ("2026-11-28T06:00:00", False),
        ("2026-11-28T23:00:00", False),  # Saturday night is not asked for
        ("2026-11-27T03:00:00", False),  # nor is Thursday's
    ],
)
def test_over_midnight(moment, holds):
    assert Schedule(["fri"], "22:00", "06:00", zone="UTC").holds(utc(moment)) is holds


def test_by_day_and_always():
    office = Schedule(["mon", "tue"], "08:00", "18:00", zone="UTC")
    assert office.holds(utc("2026-11-30T08:00:00")) and not office.holds(utc("2026-11-30T18:00:00"))
    always = Schedule()
    assert all(always.holds(utc(f"2026-11-{day}T{hour}:59:59")) for day in range(10, 30) for hour in ("00", "12", "23"))


def test_hours_are_those_of_the_zone():
    vienna = Schedule([], "08:00", "09:00", zone="Europe/Vienna")
    assert vienna.holds(utc("2026-01-15T07:30:00")) and vienna.holds(utc("2026-07-15T06:30:00"))
    assert not vienna.holds(utc("2026-07-15T07:30:00"))


def test_a_rule_is_off_outside_its_hours_and_ends_what_is_open(scene):
    rule = Scheduled(ZoneRule("yard", SQUARE, dwell_s=0.0), Schedule([], "08:00", "09:00", zone="UTC"))
    assert rule.name == "yard"
    inside, begin = {1: (200, 200)}, utc("2026-11-30T08:59:58")
    phases = []
    for step in range(6):
        phases.append([c.phase for c in rule.update(scene(float(step), inside, wall_s=begin + step))])
    assert phases == [["start"], [], ["end"], [], [], []]
    assert [c.phase for c in rule.update(scene(6.0, inside, wall_s=utc("2026-12-01T08:00:00")))] == ["start"]


@pytest.mark.parametrize(
    "wrong", [{"days": ["monday"]}, {"begin": "8"}, {"end": "25:00"}, {"zone": "Mars/Base"}, {"zone": "Europe"}]
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigError, match="schedule"):
        Schedule(**wrong)
