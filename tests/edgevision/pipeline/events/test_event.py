import json

import pytest

from edgevision.errors import ConfigError, InputError
from edgevision.pipeline.events import Event, EventLog
from edgevision.pipeline.rules import END, MOMENT, START, UPDATE, Change


def change(phase, time_s, key=1, **more):
    return Change("yard", "zone", phase, key, key, 0, time_s, **more)


def test_start_updates_and_end_have_one_id():
    log, said = EventLog("gate", ["person"]), []
    for phase in (START, UPDATE, UPDATE, END):
        said += log.events([change(phase, 5.0)], time_s=6.0, wall_s=1_795_000_000.0)
    assert len({event.id for event in said}) == 1
    assert [event.message_id for event in said] == [f"{said[0].id}-{number}" for number in range(4)]
    assert {(event.source, event.label, event.track_id) for event in said} == {("gate", "person", 1)}
    assert said[0].time == "2026-11-18T11:06:39.000Z"  # a second before the frame
    (other,) = log.events([change(START, 7.0)], time_s=7.0, wall_s=0.0)
    assert other.id != said[0].id


def test_two_at_once_and_moments():
    log = EventLog("gate")
    first, second, third = log.events(
        [change(START, 0.0, 1), change(START, 0.0, 2), change(MOMENT, 0.0, 1)], time_s=0, wall_s=0
    )
    assert len({first.id, second.id, third.id}) == 3
    (end,) = log.events([change(END, 1.0, 1)], time_s=1, wall_s=1)
    assert end.id == first.id and end.label == "0"


def test_the_end_of_what_never_started_is_none():
    assert EventLog("gate").events([change(END, 0.0), change(UPDATE, 0.0)], time_s=0, wall_s=0) == []


def test_json_and_back():
    (event,) = EventLog("gate").events([change(START, 0.0, data={"count": 2})], time_s=0, wall_s=0)
    text = event.to_json()
    assert "\n" not in text and Event.from_dict(json.loads(text)) == event
    with pytest.raises(InputError, match="newer"):
        Event.from_dict({**event.to_dict(), "schema": 99})
    with pytest.raises(InputError, match="unknown key"):
        Event.from_dict({**event.to_dict(), "colour": 1})
    with pytest.raises(ConfigError, match="phase"):
        Event.from_dict({**event.to_dict(), "phase": "begin"})
