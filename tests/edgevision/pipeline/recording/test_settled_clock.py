"""A clock that is set far ahead deletes nothing for an hour."""

import os
import time

import pytest

from edgevision.pipeline.recording import Retention, retention
from edgevision.pipeline.recording.names import file_name
from edgevision.pipeline.recording.settled_clock import SettledClock

YEAR_S = 365 * 86400.0


class Clocks:
    """A wall clock that may be set, and one that may not."""

    def __init__(self):
        self.steady_s, self.offset_s = 1000.0, 1_700_000_000.0
        self.settled = SettledClock(lambda: self.steady_s + self.offset_s, lambda: self.steady_s)

    def after(self, seconds):
        self.steady_s += seconds
        return self.settled.now() - 1_700_000_000.0


@pytest.fixture
def clocks():
    return Clocks()


def test_it_follows_a_clock_that_is_set_by_little_or_back(clocks):
    clocks.offset_s += 60
    assert clocks.after(10) == 1070
    clocks.offset_s -= YEAR_S
    assert clocks.after(10) == 1080 - YEAR_S


def test_a_jump_ahead_is_believed_after_an_hour(clocks):
    clocks.offset_s += YEAR_S
    assert clocks.after(10) == 1010
    assert clocks.after(3590) == 4600
    assert clocks.after(20) == 4620 + YEAR_S


def test_a_jump_that_is_taken_back_never_was(clocks):
    clocks.offset_s += YEAR_S
    clocks.after(3000)
    clocks.offset_s -= YEAR_S
    clocks.after(10)
    clocks.offset_s += YEAR_S
    assert clocks.after(3000) == 7010


def test_recordings_outlive_a_jump_of_the_clock(tmp_path, monkeypatch):
    ahead_s = [0.0]
    monkeypatch.setattr(retention, "SETTLED", SettledClock(lambda: time.time() + ahead_s[0]))
    (tmp_path / "gate").mkdir()
    fresh, old = tmp_path / "gate" / file_name(2, "b", "mp4"), tmp_path / "gate" / file_name(1, "a", "mp4")
    for path in (fresh, old):
        path.write_bytes(b"film")
    os.utime(old, (time.time() - 3 * 86400,) * 2)
    ahead_s[0] = YEAR_S
    assert Retention(None, 2).sweep(tmp_path) == [old]
    assert fresh.exists()
