"""What goes on beside the model: a recording's next frame is made ready, what follows tells that it has room again."""

import threading
import time

import numpy as np
import pytest

from edgevision.frames import encode_frame
from edgevision.pipeline import worker as worker_module
from edgevision.pipeline.ahead import Ahead
from edgevision.pipeline.lane import Lane
from edgevision.pipeline.model_slot import ModelSlot
from edgevision.pipeline.running import Camera, Pipeline
from edgevision.pipeline.sources import IteratorSource, LiveReader
from edgevision.pipeline.sources.recording import RecordingReader
from edgevision.pipeline.timing import StageTimes
from edgevision.pipeline.worker import Worker
from edgevision.tasks.detections import Detections


def picture(value):
    return encode_frame(np.full((8, 8, 3), value % 256, np.uint8), "rgb888")


class Counting:
    """A model whose score is the frame's first pixel; it notes what was made ready while which frame ran."""

    def __init__(self, seconds=0.0, refuses=()):
        self.seconds, self.refuses, self.made, self.running, self.closed = seconds, set(refuses), [], None, False

    def prepare(self, frame):
        value = int(frame.to_rgb()[0, 0, 0])
        self.made.append((value, self.running))
        if value in self.refuses:
            raise ValueError(f"no {value}")
        return value

    def infer(self, prepared):
        self.running = prepared
        time.sleep(self.seconds)
        self.running = None
        return prepared

    def decode(self, inferred):
        return Detections(np.array([[0, 0, 1, 1]]), np.array([inferred / 255]), np.array([0]))

    def close(self):
        self.closed = True


def run(model, count, handle=None, slot=None, **settings):
    """Run a recording; return the frames' values in the order of their results, and the lane."""
    seen = []

    def take(result):
        seen.append(round(255 * float(result.detections.scores[0])))
        if handle is not None:
            handle(result)

    reader = RecordingReader("file", lambda: IteratorSource(lambda: map(picture, range(count))))
    lane = Lane(reader, take, lossless=True, **settings)
    worker = Worker(slot or ModelSlot("it", model), [lane])
    reader.start()
    worker.start()
    assert worker.join(30)
    return seen, lane


def test_the_next_frame_is_made_ready_while_the_model_runs():
    model = Counting(0.03)
    seen, lane = run(model, 20)
    assert seen == list(range(20)) and lane.done == 20 and lane.ended
    assert [value for value, _ in model.made] == list(range(20))  # each once
    ahead = [value for value, running in model.made if running == value - 1]
    assert len(ahead) >= 15, model.made  # not the first, nor one that was not read in time


def test_a_live_camera_is_never_looked_ahead():
    """Until the model is done there may be a newer frame."""
    model, stop, seen = Counting(0.02), threading.Event(), []

    def images():
        value = 0
        while not stop.wait(0.005):
            yield picture(value)
            value += 1

    reader = LiveReader("gate", lambda: IteratorSource(images, live=True))
    worker = Worker(ModelSlot("it", model), [Lane(reader, seen.append)])
    worker.start()
    reader.start()
    time.sleep(1.0)
    stop.set()
    worker.stop()
    reader.close()
    assert len(seen) > 10 and all(running is None for _, running in model.made)


def test_a_model_that_takes_over_makes_its_own():
    old, new = Counting(0.02), Counting(0.0)
    slot = ModelSlot("old", old)

    def handle(result):
        if result.frame.sequence == 5:
            slot.swap("new", lambda: new)

    seen, _ = run(old, 40, handle, slot)
    assert seen == list(range(40))
    first = min(value for value, _ in new.made)
    assert 6 <= first <= 10 and [value for value, _ in new.made] == list(range(first, 40))
    assert old.made[-1][0] in (first - 1, first)  # one may have been made for the old one in vain


def test_a_frame_that_cannot_be_made_ready_costs_itself():
    seen, lane = run(Counting(0.01, refuses=[0, 4, 19]), 20)
    assert seen == [value for value in range(20) if value not in (0, 4, 19)]
    assert lane.dropped == {"model failed": 3} and lane.done == 17


def test_one_frame_at_a_time_and_none_where_there_is_none():
    values = iter([7, 8])
    ahead = Ahead("test", lambda: next(values, None), lambda frame, stage: (frame, stage))
    assert ahead.idle and ahead.frame() is None
    ahead.begin("a")
    ahead.begin("a")
    assert not ahead.idle and ahead.frame() == 7 and ahead.idle
    ahead.begin("b")
    assert ahead.prepared(7, "a") == (7, "a")
    assert ahead.frame() == 8
    assert ahead.prepared(8, "c") == (8, "c")  # made anew for another model
    ahead.begin("b")
    assert ahead.frame() is None
    ahead.close()
    ahead.begin("b")  # a camera that is taken out while the model runs on its frame
    assert ahead.idle and ahead.frame() is None
    ahead.close()


def test_recordings_are_taken_out_while_the_model_runs_on_them():
    """Again and again, at any moment: none of it is an error of the model, which might cost a new one its probation."""
    said, seen = [], []

    def cameras(number):
        return [Camera(f"file {number}", lambda: IteratorSource(lambda: map(picture, range(1000))), live=False)]

    pipeline = Pipeline("it", Counting(0.002), cameras(0), lambda camera: seen.append, told=said.append)
    with pipeline:
        for number in range(1, 30):
            time.sleep(0.01 + 0.0007 * number)
            pipeline.change(cameras(number))
    assert seen and not [notice for notice in said if notice.kind == "error"]


def test_room_that_comes_back_is_told_not_looked_for(monkeypatch):
    """What follows is slower than the model: were room found by looking for it, this would take two minutes."""
    monkeypatch.setattr(worker_module, "LOOK_AGAIN_S", 30.0)
    seen = []
    cameras = [Camera("file", lambda: IteratorSource(lambda: map(picture, range(12))), live=False)]
    start = time.monotonic()
    pipeline = Pipeline(
        "it", Counting(), cameras, lambda camera: lambda result: (time.sleep(0.02), seen.append(result))
    )
    with pipeline:
        wait = threading.Event()
        while len(seen) < 12 and time.monotonic() - start < 20:
            wait.wait(0.02)
    assert len(seen) == 12


def test_each_stage_of_each_frame_is_traced():
    spans = []
    cameras = [Camera("file", lambda: IteratorSource(lambda: map(picture, range(10))), live=False)]
    begin = time.perf_counter()
    with Pipeline(
        "it", Counting(0.005), cameras, lambda camera: lambda result: time.sleep(0.002),
        traced=lambda *span: spans.append(span),
    ) as pipeline:  # fmt: skip
        assert pipeline.join(20)
        stages = pipeline.state()["cameras"]["file"]["stages"]
    for stage in ("read", "prepare", "infer", "decode", "handle"):
        mine = [span for camera, name, *span in spans if (camera, name) == ("file", stage)]
        assert len(mine) == 10 == stages[stage]["count"], stage
        assert all(begin <= start <= end <= time.perf_counter() for start, end, _ in mine)
        assert all(0 <= busy <= end - start + 1e-3 for start, end, busy in mine)
        assert mine == sorted(mine)
    least = {name: min(end - start for _, one, start, end, _ in spans if one == name) for name in ("infer", "handle")}
    assert least["infer"] >= 0.005 and least["handle"] >= 0.002


def test_times_without_anybody_who_traces():
    times = StageTimes()
    with times.timed("it"):
        pass
    assert times.summary()["it"].count == 1 and times.percentile("it", 0.5) is None


@pytest.mark.parametrize("failing", [True, False])
def test_reading_is_timed(failing):
    times = StageTimes()

    def images():
        for value in range(5):
            time.sleep(0.01)
            yield picture(value)
        if failing:
            raise OSError("gone")

    with RecordingReader("file", lambda: IteratorSource(images), times=times) as reader:
        end = time.monotonic() + 10
        while not reader.ended and time.monotonic() < end:
            reader.take(0.05)
    assert times.summary()["read"].count == 5 and times.percentile("read", 0.0) >= 9
