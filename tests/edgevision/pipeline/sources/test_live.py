"""A live source: the newest frame, reconnected after every failure, left behind where it hangs."""

import threading
import time

import numpy as np
import pytest

from edgevision.errors import SourceError
from edgevision.frames import encode_frame
from edgevision.pipeline.sources import IteratorSource, LiveReader, Timeouts
from edgevision.pipeline.sources.backoff import waits

FAST = Timeouts(open_s=0.2, read_s=0.2, stalled_s=0.5, retry_s=0.01, retry_at_most_s=0.05)


def picture(value, width=4):
    return encode_frame(np.full((2, width, 3), value, np.uint8), "rgb888")


class Told:
    """Collects events; `wait` blocks until one of a kind came so often."""

    def __init__(self):
        self.events, self._changed = [], threading.Condition()

    def __call__(self, event):
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def kinds(self):
        return [event.kind for event in self.events]

    def wait(self, kind, count=1, timeout=5):
        with self._changed:
            assert self._changed.wait_for(lambda: self.kinds().count(kind) >= count, timeout), self.kinds()


def reader(images, told=None, timeouts=FAST):
    return LiveReader("gate", lambda: IteratorSource(images, live=True), timeouts=timeouts, told=told, seed=0)


def test_the_newest_frame_is_taken_and_the_others_are_counted():
    gone_on, taken, hold = threading.Event(), threading.Event(), threading.Event()

    def images():
        for value in range(10):
            yield picture(value)
        gone_on.set()
        taken.wait(5)
        yield picture(10)
        hold.wait(5)

    with reader(images) as live:
        assert gone_on.wait(5)
        first = live.take(1)
        assert (first.sequence, first.frame.to_rgb()[0, 0, 0], first.source) == (9, 9, "gate")
        assert 0 <= time.monotonic() - first.captured_s < 1
        taken.set()
        second = live.take(1)
        assert second.sequence == 10
        assert live.take(0) is None
        state = live.state()
        assert (state.connected, state.received, state.dropped, state.reason) == (True, 11, 9, "")
        hold.set()


def test_it_comes_back_after_every_kind_of_failure():
    tries = iter([SourceError("no route"), ["ends"], RuntimeError("driver"), ["goes on"]])
    told, hold = Told(), threading.Event()

    def images():
        found = next(tries)
        if isinstance(found, Exception):
            raise found
        return frames(found)

    def frames(found):
        yield picture(1)
        if found == ["goes on"]:
            hold.wait(5)

    with reader(images, told) as live:
        told.wait("opened", 2)
        while (frame := live.take(1)) is None or frame.sequence < 1:
            pass
        told.wait("recovered", 2)
        assert told.kinds() == ["refused", "opened", "recovered", "lost", "refused", "opened", "recovered"]
        reasons = [event.reason for event in told.events if event.reason and event.kind != "recovered"]
        causes = [reason.partition(";")[0] for reason in reasons]
        assert causes == ["no route", "the stream ended", "RuntimeError: driver"]
        state = live.state()
        assert (state.connected, state.openings, state.failures) == (True, 2, 3)
        hold.set()
    assert told.kinds()[-1] == "closed"


def test_a_read_that_hangs_is_left_behind_and_its_late_frames_are_not_taken():
    told, hold, late = Told(), threading.Event(), threading.Event()
    calls = []

    def images():
        calls.append(1)
        if len(calls) == 1:
            yield picture(1)
            hold.wait(10)
            late.set()
            yield picture(99)
        while not hold.wait(0.02):
            yield picture(2)
        yield picture(3)
        threading.Event().wait(0.25)

    with reader(images, told) as live:
        told.wait("stalled")
        told.wait("opened", 2)
        assert live.state().left_behind == 1
        event = next(event for event in told.events if event.kind == "stalled")
        assert "does not return" in event.reason
        hold.set()
        assert late.wait(2)
        deadline, seen = time.monotonic() + 0.2, []
        while time.monotonic() < deadline:
            frame = live.take(0.05)
            seen += [int(frame.frame.to_rgb()[0, 0, 0])] if frame else []
        assert seen and 99 not in seen
        assert live.state().left_behind == 0


def test_threads_that_hang_are_few():
    told, hold = Told(), threading.Event()

    def images():
        hold.wait(20)
        yield picture(1)

    with reader(images, told) as live:
        told.wait("stalled", 3)
        time.sleep(1.5)
        assert told.kinds().count("stalled") == 3 and live.state().left_behind == 3
        hold.set()


def test_another_size_in_the_middle_is_an_event():
    told, hold = Told(), threading.Event()

    def images():
        yield picture(1)
        yield picture(1, width=8)
        hold.wait(5)

    with reader(images, told):
        told.wait("resized")
        assert next(event.reason for event in told.events if event.kind == "resized") == "4x2 before, 8x2 now"
        hold.set()


def test_closing_is_prompt_and_may_be_repeated():
    live = reader(lambda: iter([picture(1)] * 3)).start()
    start = time.monotonic()
    live.close()
    live.close()
    assert time.monotonic() - start < 1
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("gate") and thread.is_alive()]


def test_waiting_times_grow_to_a_limit_and_differ():
    found = waits(0.5, 4, seed=1)
    times = [next(found) for _ in range(200)]
    for value, most in zip(times, [0.5, 1, 2, 4, 4, 4], strict=False):
        assert most / 2 <= value <= most
    assert len(set(times)) > 190 and max(times) <= 4


@pytest.mark.parametrize("seed", [1, 2])
def test_two_cameras_do_not_come_back_at_the_same_moment(seed):
    assert [next(waits(1, 4, seed)) for _ in range(3)] != [next(waits(1, 4, seed + 10)) for _ in range(3)]


class Stubborn:
    """A library that fails when it is closed."""

    live = True

    def open(self):
        raise SourceError("nobody there")

    def close(self):
        raise OSError("busy")


def nowhere():
    raise SourceError("its password file is gone")


@pytest.mark.parametrize(("make", "says"), [(Stubborn, "nobody there"), (nowhere, "password file")])
def test_it_is_tried_again_whatever_making_or_closing_a_source_does(make, says):
    told = Told()
    with LiveReader("gate", make, timeouts=FAST, told=told, seed=0) as live:
        told.wait("refused", 3)
        assert says in live.state().reason
