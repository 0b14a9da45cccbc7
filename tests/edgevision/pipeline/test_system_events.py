"""Troubles of the pipeline itself become events: each once, however often it comes and goes."""

import time

import pytest

from edgevision.pipeline import system_events
from edgevision.pipeline.notice import Notice
from edgevision.pipeline.system_events import SystemEvents


@pytest.fixture
def made(monkeypatch):
    """(system events, list of what it made, tell(kind, what, camera, **data)); what worked for 0.1 s has ended."""
    monkeypatch.setattr(system_events, "SETTLED_S", 0.1)
    monkeypatch.setattr(system_events, "LOOK_S", 0.01)
    found = []
    system = SystemEvents(found.extend, lambda notice: system.take(notice))

    def tell(kind, what, camera="gate", **data):
        system.take(Notice(kind, camera, what, time.monotonic(), what, data))

    yield system, found, tell
    system.close()


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def shown(events):
    return [(event.kind, event.phase, event.source) for event in events]


def test_a_camera_that_is_lost_and_found_is_one_event(made):
    system, found, tell = made
    tell("source", "opened")
    tell("source", "lost", reason="the stream ended")
    for _ in range(5):
        tell("source", "refused", reason="connection refused")
    tell("source", "recovered")
    wait_for(lambda: len(found) == 2)
    system.close()
    assert shown(found) == [("source_lost", "start", "gate"), ("source_lost", "end", "gate")]
    assert found[0].id == found[1].id and found[0].data == {"what": "lost", "reason": "the stream ended"}
    assert found[1].data["reason"] == "works again" and found[1].data["times"] == 1


def test_a_trouble_ends_also_while_others_are_told_all_the_time(made, monkeypatch):
    monkeypatch.setattr(system_events, "LOOK_S", 0.05)
    _, found, tell = made
    tell("source", "lost", reason="the stream ended")
    tell("source", "recovered")
    end = time.monotonic() + 10
    while len(found) < 2 and time.monotonic() < end:
        tell("error", "", camera="yard")  # a frame that nobody could decode, say
        time.sleep(0.01)
    assert shown(found) == [("source_lost", "start", "gate"), ("source_lost", "end", "gate")]


def test_one_that_comes_and_goes_lasts(made):
    """Twenty times in a row it comes back for a moment: one event; afterwards it has to stay for longer."""
    _, found, tell = made
    for _ in range(20):
        tell("source", "lost", reason="the stream ended")
        tell("source", "recovered")
        time.sleep(0.02)
    wait_for(lambda: len(found) == 2)
    assert found[1].data["times"] > 10
    tell("source", "stalled", reason="nothing came")
    tell("source", "recovered")
    time.sleep(0.15)
    assert len(found) == 3  # now 0.2 s
    wait_for(lambda: len(found) == 4)


def test_cameras_are_told_apart_and_what_is_open_ends(made):
    system, found, tell = made
    tell("source", "lost", "a", reason="")
    tell("source", "lost", "b", reason="")
    tell("source", "closed", "b")
    tell("worker", "died", None, reason="killed")
    system.close()
    assert shown(found)[:2] == [("source_lost", "start", "a"), ("source_lost", "start", "b")]
    ends = {(event.kind, event.source): event.data["reason"] for event in found if event.phase == "end"}
    assert ends == {("source_lost", "a"): "stopped", ("source_lost", "b"): "closed", ("worker_died", ""): "stopped"}


def test_levels_and_models(made):
    system, found, tell = made
    tell("level", "half", level="half", before="full", reason="late")
    tell("level", "fifth", level="fifth", before="half", reason="late")
    tell("level", "half", level="half", before="fifth", reason="in time")
    tell("level", "full", level="full", before="half", reason="in time")
    for what in ("switched", "rolled back", "kept"):
        tell("model", what, None, model="new", reason="")
    tell("error", "", None)
    tell("source", "resized", reason="")
    system.close()
    assert [event.phase for event in found[:4]] == ["start", "update", "update", "end"]
    assert [event.sequence for event in found[:4]] == [0, 1, 2, 3] and len({event.id for event in found[:4]}) == 1
    assert found[1].data["level"] == "fifth"
    assert shown(found[4:]) == [(kind, "moment", "") for kind in ("model_exchanged", "model_rolled_back", "model_kept")]
    assert len({event.message_id for event in found}) == 7


def test_a_clock_that_is_set_is_told_once(made, monkeypatch):
    _, found, _ = made
    real = time.time
    monkeypatch.setattr(system_events.time, "time", lambda: real() - 7200)
    wait_for(lambda: found)
    time.sleep(0.1)
    (event,) = found
    assert (event.kind, event.phase) == ("clock_jumped", "moment")
    assert event.data["seconds"] == pytest.approx(-7200, abs=1)
