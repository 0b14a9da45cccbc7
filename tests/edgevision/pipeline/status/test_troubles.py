"""What the page says is wrong."""

import copy

import pytest

from edgevision.pipeline.status.troubles import has_ended, troubles

CAMERA = {"live": True, "connected": True, "reason": "", "openings": 1, "failures": 0, "level": "full", "unkept": {}}
STATE = {
    "worker_stuck": False,
    "worker": {"deaths": 3, "gone_s": 0.0, "reason": ""},
    "cameras": {"gate": CAMERA},
    "second_stages": {"who": {"away": ""}},
    "spool": {"waiting": {"mqtt": 7}, "in_memory": 0, "dropped": 2, "disk_error": None},
    "sinks": {"mqtt": {"error": None, "failures": 9}},
    "capture": {"trouble": ""},
}


def test_what_is_over_is_no_trouble():
    assert troubles(STATE) == []
    assert troubles({"worker_stuck": False, "cameras": {}}) == []


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("worker_stuck", True, ["the thread that runs the model does not come round"]),
        ("worker", {"gone_s": 6.2, "reason": "killed"},
         ["nothing is detected: the model's process has been gone for 6 s: killed"]),
        ("cameras.gate", CAMERA | {"connected": False, "reason": "refused"}, ["gate: no frames: refused"]),
        ("cameras.gate", CAMERA | {"level": "every 2nd"}, ["gate: degraded to every 2nd"]),
        ("cameras.gate", CAMERA | {"unkept": {"clips": "disk full"}}, ["gate: clips are not kept: disk full"]),
        ("second_stages.who.away", "killed", ["who: no second looks: its model's process is gone: killed"]),
        ("spool", {"waiting": {}, "in_memory": 5, "disk_error": "full"}, ["5 events are in memory only: full"]),
        ("sinks.mqtt.error", "refused", ["mqtt fails, 7 messages wait for it: refused"]),
        ("capture.trouble", "no disk", ["no pictures are captured: no disk"]),
    ],
)  # fmt: skip
def test_each_trouble_is_a_sentence(path, value, told):
    state = copy.deepcopy(STATE)
    *parents, last = path.split(".")
    place = state
    for key in parents:
        place = place[key]
    place[last] = value
    assert troubles(state) == told


def test_a_recording_that_was_read_has_ended_and_one_that_could_not_be_is_a_trouble():
    read = CAMERA | {"live": False, "connected": False, "reason": "every frame was read"}
    lost = read | {"failures": 1, "reason": "no such file"}
    assert has_ended(read) and not has_ended(lost) and not has_ended(CAMERA | {"connected": False})
    assert troubles(STATE | {"cameras": {"film": read}}) == []
    assert troubles(STATE | {"cameras": {"film": lost}}) == ["film: no frames: no such file"]
