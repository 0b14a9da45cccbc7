"""Motion, deadlines, levels and times."""

import numpy as np
import pytest

from edgevision.errors import ConfigError
from edgevision.frames import encode_frame
from edgevision.pipeline.deadline import Deadline
from edgevision.pipeline.degradation import Degradation, DegradationSettings, Level
from edgevision.pipeline.motion_gate import MotionGate, MotionSettings
from edgevision.pipeline.timing import StageTimes


def scene(form="nv12", square=None, noise=0, seed=0):
    """A grey street with noise, and a bright square at a place."""
    generator = np.random.default_rng(seed)
    image = np.full((120, 160, 3), 90, np.int16) + generator.integers(-noise, noise + 1, (120, 160, 1), np.int16)
    if square is not None:
        image[square[0] : square[0] + 20, square[1] : square[1] + 20] = 220
    return encode_frame(np.clip(image, 0, 255).astype(np.uint8), form)


@pytest.mark.parametrize("form", ["gray8", "rgb888", "nv12", "yuyv", "rgb565"])
def test_motion_opens_the_gate_and_stillness_closes_it(form):
    gate = MotionGate(MotionSettings(hold_s=0.5, refresh_s=1000, adapt_s=1))
    passed = []
    for index in range(100):
        square = (40, 2 * index) if 50 <= index < 60 else None
        passed.append(gate.passes(scene(form, square, noise=6, seed=index), 0.1 * index))
    assert passed[0] and not any(passed[8:50]) and all(passed[50:64]) and not any(passed[90:])


def test_what_stands_still_is_looked_at_now_and_then():
    gate = MotionGate(MotionSettings(hold_s=0, refresh_s=10))
    passed = [index for index in range(0, 60) if gate.passes(scene(), float(index))]
    assert passed == [0, 10, 20, 30, 40, 50]


def test_a_slow_change_of_light_is_no_motion():
    gate = MotionGate(MotionSettings(hold_s=0.1, refresh_s=1000, adapt_s=2))
    frames = [encode_frame(np.full((60, 80, 3), 60 + index // 4, np.uint8), "gray8") for index in range(200)]
    assert sum(gate.passes(frame, 0.1 * index) for index, frame in enumerate(frames)) <= 3


def test_another_size_is_motion():
    gate = MotionGate(MotionSettings(hold_s=0, refresh_s=1000))
    small = encode_frame(np.zeros((60, 80, 3), np.uint8), "gray8")
    large = encode_frame(np.zeros((90, 300, 3), np.uint8), "gray8")
    assert [gate.passes(frame, i) for i, frame in enumerate([small, small, large, large])] == [True, False, True, False]


@pytest.mark.parametrize("change", [{"threshold": -1}, {"share": 0}, {"cells": 2}, {"hold_s": float("nan")}])
def test_motion_settings(change):
    with pytest.raises(ConfigError, match=f"motion: {next(iter(change))}"):
        MotionSettings(**change)


def test_deadlines():
    deadline = Deadline(0.2)
    assert not deadline.refuses(10.0, 10.0, None) and not deadline.refuses(10.0, 10.1, 99)
    assert deadline.refuses(10.0, 10.1, 101) and deadline.refuses(10.0, 10.21, None)
    assert deadline.missed(10.0, 10.21) and not deadline.missed(10.0, 10.2)
    assert not Deadline(None).refuses(0.0, 1e9, 1e9) and not Deadline(None).missed(0.0, 1e9)


SETTINGS = DegradationSettings((Level("half", 2), Level("small", 2, "small")), down_s=2, up_s=5)


def drive(degradation, frames, start=0.0, step=0.1):
    """Feed (in time?) frames; return the changes as (before, after)."""
    changes = [degradation.note(start + step * index, in_time) for index, in_time in enumerate(frames)]
    return [(change.before.name, change.after.name) for change in changes if change]


def test_levels_go_down_one_at_a_time_and_come_back_slowly():
    degradation = Degradation(SETTINGS)
    assert drive(degradation, [False] * 45) == [("full", "half"), ("half", "small")]
    assert drive(degradation, [True] * 110, start=4.5) == [("small", "half"), ("half", "full")]


def test_the_first_late_frame_after_a_pause_changes_nothing():
    degradation = Degradation(SETTINGS)
    drive(degradation, [True] * 50)
    assert degradation.note(60.0, False) is None and degradation.note(60.1, True) is None
    slow = Degradation(SETTINGS)  # a frame in two seconds: three in a row are late
    assert drive(slow, [False] * 3, step=2.0) == [("full", "half")]


def test_a_few_late_frames_change_nothing():
    degradation = Degradation(SETTINGS)
    assert drive(degradation, [index % 5 != 0 for index in range(200)]) == []


def test_between_the_shares_the_level_stays():
    """Hysteresis: what is too bad to go up again is not bad enough to go down further."""
    degradation = Degradation(SETTINGS)
    drive(degradation, [False] * 21)
    assert degradation.level.name == "half"
    assert drive(degradation, [index % 6 != 0 for index in range(300)], start=2.1) == []


def test_without_levels_nothing_is_given_up():
    degradation = Degradation()
    assert drive(degradation, [False] * 500) == [] and degradation.level.name == "full"


@pytest.mark.parametrize("change", [{"down_share": 0.01}, {"up_share": -1}, {"down_s": 0}])
def test_degradation_settings(change):
    with pytest.raises(ConfigError, match="degradation"):
        DegradationSettings(**change)


def test_stage_times():
    times = StageTimes()
    for ms in range(1, 101):
        times.add("infer", float(ms))
    times.add("decode", 1.0)
    with pytest.raises(ValueError, match="no frame"), times.timed("decode"):
        raise ValueError("no frame")
    summary = times.summary()
    assert (summary["infer"].count, summary["infer"].p50_ms) == (100, 50.5)
    assert summary["infer"].p95_ms == pytest.approx(95.05)
    assert (summary["decode"].count, summary["decode"].p50_ms) == (1, None)
