"""A pipeline as a whole, with a model made here and cameras of real threads."""

import json
import threading
import time
from collections import Counter

import numpy as np
import pytest

from edgevision.errors import ConfigError, WorkerDiedError
from edgevision.frames import encode_frame
from edgevision.pipeline.degradation import DegradationSettings, Level
from edgevision.pipeline.lane import Lane
from edgevision.pipeline.running import Camera, Pipeline
from edgevision.pipeline.sources import IteratorSource, LiveReader, Timeouts
from edgevision.pipeline.system_events import SystemEvents
from edgevision.tasks.detections import Detections

QUICK = Timeouts(open_s=1, read_s=1, stalled_s=2, retry_s=0.05, retry_at_most_s=0.1)


class Nothing:
    """A model that takes 10 ms and finds nothing."""

    def __init__(self):
        self.closed = 0

    def prepare(self, frame):
        return frame

    def infer(self, prepared):
        time.sleep(0.01)
        return prepared

    def decode(self, inferred):
        return Detections(np.empty((0, 4)), np.empty(0), np.empty(0))

    def close(self):
        self.closed += 1


def pictures(count=None, fps=50):
    def images():
        index = 0
        while count is None or index < count:
            time.sleep(1 / fps)
            yield encode_frame(np.full((4, 4, 3), index % 256, np.uint8), "gray8")
            index += 1

    return images


def camera(name, count=None, **rest):
    live = rest.pop("live", count is None)
    return Camera(name, lambda: IteratorSource(pictures(count), live=live), live=live, timeouts=QUICK, **rest)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


@pytest.fixture
def results():
    return []


def handle(results):
    return lambda camera: results.append


def test_recordings_and_cameras_until_it_is_stopped(results):
    notices, model = [], Nothing()
    cameras = [camera("live"), camera("file", 20)]
    with Pipeline("it", model, cameras, handle(results), told=notices.append) as pipeline:
        wait_for(lambda: pipeline.state()["cameras"]["file"]["results"] == 20)
        wait_for(lambda: pipeline.state()["cameras"]["live"]["results"] >= 10)
        state = json.loads(json.dumps(pipeline.state()))
    assert model.closed == 1
    assert state["cameras"]["live"]["connected"] and not state["worker_stuck"]
    assert set(state["cameras"]["live"]["stages"]) == {"prepare", "infer", "decode", "age", "handle"}
    assert state["cameras"]["file"]["dropped"] == {"replaced": 0}
    counts = Counter(result.frame.source for result in results)
    assert counts["file"] == 20 and counts["live"] >= 10
    texts = [(notice.camera, notice.text) for notice in notices if notice.kind == "source"]
    assert ("live", "opened") in texts and ("file", "closed: every frame was read") in texts
    assert not [
        thread for thread in threading.enumerate() if thread.name.split()[0] in ("read", "follow", "watch", "model")
    ]


def test_a_camera_that_fails_comes_back_and_the_others_go_on(results):
    cameras = [camera("good"), camera("bad", 5, live=True)]
    notices = []
    with Pipeline("it", Nothing(), cameras, handle(results), told=notices.append) as pipeline:
        wait_for(lambda: pipeline.state()["cameras"]["bad"]["openings"] >= 4)
        state = pipeline.state()["cameras"]
    assert state["bad"]["failures"] >= 2 and state["good"]["failures"] == 0
    assert ("bad", "lost: the stream ended") in [(one.camera, one.text.partition(";")[0]) for one in notices]
    sequences = [result.frame.sequence for result in results if result.frame.source == "bad"]
    assert sequences == sorted(set(sequences)) and max(sequences) >= 10


class Handler(list):
    """Keeps results, and when it was told that the camera is gone; the first time is too much for it."""

    def __init__(self):
        super().__init__()
        self.gone = []

    def __call__(self, result):
        self.append(result)

    def unseen(self, frame):
        self.append(frame)

    def silent(self, now_s):
        self.gone.append(now_s)
        if len(self.gone) == 1:
            raise OSError("no disk")


def test_what_follows_is_told_that_a_camera_is_gone(monkeypatch):
    monkeypatch.setattr("edgevision.pipeline.lane.SILENT_S", 0.02)
    handlers, notices = {name: Handler() for name in ("gone", "still", "film")}, []
    waits = Timeouts(open_s=60, read_s=60, stalled_s=60, retry_s=30, retry_at_most_s=30)
    cameras = [
        Camera("gone", lambda: IteratorSource(pictures(3), live=True), timeouts=waits),
        Camera("still", lambda: IteratorSource(pictures(fps=2), live=True), timeouts=waits),
        camera("film", 3),
    ]
    with Pipeline("it", Nothing(), cameras, lambda one: handlers[one.name], told=notices.append):
        wait_for(lambda: all(handlers.values()))
        gone, still = handlers["gone"].gone, handlers["still"].gone
        before, told = len(still), len(gone)  # while it was being opened
        wait_for(lambda: len(gone) > told + 2 and gone[-1] > handlers["gone"][-1].done_s)
        assert len(still) == before
    assert not handlers["film"].gone
    assert {notice.text for notice in notices if notice.kind == "error"} == {"OSError: no disk"}


def test_what_hangs_while_a_camera_is_gone_is_busy(monkeypatch):
    """So that a watchdog notices, as it does of what hangs with a frame."""
    monkeypatch.setattr("edgevision.pipeline.lane.SILENT_S", 0.02)
    hangs, handler = threading.Event(), Handler()
    handler.silent = lambda now_s: hangs.wait(60)
    lane = Lane(LiveReader("gone", lambda: IteratorSource(pictures(), live=True)), handler)
    lane.start()
    try:
        wait_for(lambda: lane.busy_s > 0.1)
    finally:
        hangs.set()
        lane.finish()
    assert lane.busy_s == 0


def test_cameras_are_changed_while_it_runs(results):
    stays, goes, comes = camera("stays"), camera("goes"), camera("comes")
    with Pipeline("it", Nothing(), [stays, goes], handle(results)) as pipeline:
        wait_for(lambda: pipeline.state()["cameras"]["stays"]["results"] >= 3)
        with pytest.raises(ConfigError, match="each name once"):
            pipeline.change([stays, stays])
        assert set(pipeline.state()["cameras"]) == {"stays", "goes"}
        pipeline.change([stays, comes])
        assert set(pipeline.state()["cameras"]) == {"stays", "comes"}
        wait_for(lambda: pipeline.state()["cameras"]["comes"]["results"] >= 3)
        state = pipeline.state()["cameras"]["stays"]
    assert state["openings"] == 1 and state["failures"] == 0
    sequences = [result.frame.sequence for result in results if result.frame.source == "stays"]
    assert sequences == sorted(set(sequences)), "it went on where it was"


def test_a_model_is_exchanged_between_two_frames(results):
    old, new = Nothing(), Nothing()
    with Pipeline("old", old, [camera("gate")], handle(results)) as pipeline:
        wait_for(lambda: len(results) >= 3)
        pipeline.slot.swap("new", lambda: new)
        wait_for(lambda: results[-1].model == "new")
        assert pipeline.state()["model"] == {"name": "new", "on_probation": True}
    assert (old.closed, new.closed) == (1, 1)
    models = [result.model for result in results]
    assert models == sorted(models, reverse=True)


def test_a_stage_that_hangs_is_no_health(results, monkeypatch):
    monkeypatch.setattr("edgevision.pipeline.running.STUCK_S", 0.2)
    hold = threading.Event()
    with Pipeline("it", Nothing(), [camera("gate")], lambda camera: lambda result: hold.wait(5)) as pipeline:
        assert pipeline.healthy()
        wait_for(lambda: not pipeline.healthy())
        hold.set()
        wait_for(pipeline.healthy)


@pytest.mark.parametrize("cameras", [[], [camera("a", 1), camera("a", 2)]])
def test_cameras_that_make_no_sense(cameras, results):
    with pytest.raises(ConfigError, match="pipeline: cameras"):
        Pipeline("it", Nothing(), cameras, handle(results))


def test_many_dead_cameras_end_together():
    """Each hangs in a read for as long as it may; six of them take no longer than one."""
    stop = threading.Event()

    def hangs():
        stop.wait(30)
        yield from ()

    cameras = [
        Camera(f"dead {n}", lambda: IteratorSource(hangs, live=True), timeouts=Timeouts(read_s=0.5)) for n in range(6)
    ]
    pipeline = Pipeline("it", Nothing(), cameras, lambda camera: lambda result: None).start()
    time.sleep(0.2)
    start = time.monotonic()
    pipeline.stop()
    took = time.monotonic() - start
    stop.set()
    assert took < 3


class Mortal(Nothing):
    """A model whose process dies when it is told to, and is back 0.3 s later."""

    def __init__(self):
        super().__init__()
        self.back_s, self.dies = 0.0, threading.Event()

    def infer(self, prepared):
        if self.dies.is_set():
            self.dies.clear()
            self.back_s = time.monotonic() + 0.3
            raise WorkerDiedError("the model's process was killed")
        assert time.monotonic() >= self.back_s
        return super().infer(prepared)

    def revive(self):
        return "" if time.monotonic() >= self.back_s else "the model's process was killed"


def test_frames_outlive_the_model_s_process(results):
    """A recording's frame is looked at again; a live one is counted as lost, and the next ones are looked at."""
    notices, model = [], Mortal()
    with Pipeline("it", model, [camera("file", 60)], handle(results), told=notices.append) as pipeline:
        wait_for(lambda: len(results) > 5)
        model.dies.set()
        assert pipeline.join(20)
        state = pipeline.state()
    assert [result.frame.sequence for result in results] == list(range(60))
    assert state["worker"] == {"deaths": 1, "gone_s": 0.0, "reason": ""}
    assert "worker" not in state["cameras"]["file"]["dropped"]
    said = [notice for notice in notices if notice.kind == "worker"]
    assert [notice.what for notice in said] == ["died", "revived"] and "works again after 0." in said[1].text
    results.clear()
    model = Mortal()
    with Pipeline("it", model, [camera("live")], handle(results)) as pipeline:
        wait_for(lambda: len(results) > 5)
        model.dies.set()
        wait_for(lambda: pipeline.state()["cameras"]["live"]["dropped"].get("worker") == 1)
        before = len(results)
        wait_for(lambda: len(results) > before + 5)
        assert pipeline.state()["cameras"]["live"]["dropped"]["worker"] == 1


def test_a_frame_that_kills_every_process_is_given_up(results):
    model = Mortal()
    infer = model.infer

    def poisoned(prepared):
        if prepared.planes[0][0] == 7:
            model.dies.set()
        return infer(prepared)

    model.infer = poisoned
    with Pipeline("it", model, [camera("file", 20)], handle(results)) as pipeline:
        assert pipeline.join(20)
        state = pipeline.state()
    assert [result.frame.sequence for result in results] == [n for n in range(20) if n != 7]
    assert state["cameras"]["file"]["dropped"]["worker"] == 1 and state["worker"]["deaths"] == 2


def test_a_model_that_stays_away_is_no_health(results, monkeypatch):
    """systemd's watchdog is fed while the pipeline is healthy: it begins everything anew then."""
    monkeypatch.setattr("edgevision.pipeline.running.GONE_S", 0.3)
    model = Mortal()
    with Pipeline("it", model, [camera("live")], handle(results)) as pipeline:
        wait_for(lambda: results)
        assert pipeline.healthy()
        model.back_s = float("inf")
        wait_for(lambda: not pipeline.healthy())
        assert pipeline.state()["worker"]["reason"] == "the model's process was killed"
        model.back_s = 0.0
        wait_for(pipeline.healthy)


class Stubborn:
    """A source whose close takes a second."""

    live = True

    def open(self):
        """Nothing is to be opened."""

    def read(self):
        time.sleep(0.01)
        return encode_frame(np.zeros((4, 4, 3), np.uint8), "gray8"), None

    def close(self):
        time.sleep(1.0)


def test_the_state_is_told_while_cameras_end_and_all_may_be_exchanged(results):
    pipeline = Pipeline("it", Nothing(), [Camera("slow", Stubborn, timeouts=QUICK)], handle(results))
    with pipeline:
        wait_for(lambda: results)
        changing = threading.Thread(target=lambda: pipeline.change([camera("other")]))
        changing.start()
        time.sleep(0.1)
        began = time.monotonic()
        pipeline.state()
        assert pipeline.healthy() and time.monotonic() - began < 0.5 and changing.is_alive()
        changing.join()
        wait_for(lambda: pipeline.state()["cameras"]["other"]["results"] > 3)
        assert not pipeline.join(0)


def test_less_quality_is_an_event_from_its_beginning_to_its_end(results):
    """A model that is too slow for a while: a level down, and up again; the events say which, and why."""
    made, model = [], Nothing()
    infer, slow = model.infer, threading.Event()
    slow.set()
    model.infer = lambda prepared: (time.sleep(0.08 if slow.is_set() else 0), infer(prepared))[1]
    levels = DegradationSettings((Level("half", every=2),), down_s=0.4, up_s=0.6)
    system = SystemEvents(made.extend, lambda notice: None)
    cameras = [camera("gate", budget_s=0.05, degradation=levels)]
    with Pipeline("it", model, cameras, handle(results), told=system.take) as pipeline:
        wait_for(lambda: pipeline.state()["cameras"]["gate"]["level"] == "half", 20)
        slow.clear()
        wait_for(lambda: pipeline.state()["cameras"]["gate"]["level"] == "full", 20)
    system.close()
    phases = [event.phase for event in made if event.kind == "degraded"]
    assert phases[:2] == ["start", "end"] and phases.count("start") == phases.count("end")
    assert (made[0].source, made[0].data["level"], made[0].data["before"]) == ("gate", "half", "full")
    assert "too late" in made[0].data["reason"]
