"""The model's thread: always the newest frame, every camera in its turn, and nothing begun that would be too late."""

import threading
import time
from collections import Counter

import numpy as np
import pytest

from edgevision.errors import InferenceError
from edgevision.frames import encode_frame
from edgevision.pipeline.deadline import Deadline
from edgevision.pipeline.degradation import Degradation, DegradationSettings, Level
from edgevision.pipeline.lane import Lane
from edgevision.pipeline.model_slot import ModelSlot
from edgevision.pipeline.sources import IteratorSource, LiveReader
from edgevision.pipeline.sources.recording import RecordingReader
from edgevision.pipeline.worker import Worker
from edgevision.tasks.detections import Detections


class Brightness:
    """A model whose one box has the frame's first pixel for a score; it takes a given time."""

    def __init__(self, seconds=0.0, fails_on=()):
        self.seconds, self.fails_on, self.ran, self.closed = seconds, set(fails_on), 0, False

    def prepare(self, frame):
        return float(frame.to_rgb()[0, 0, 0])

    def infer(self, prepared):
        assert not self.closed
        time.sleep(self.seconds)
        self.ran += 1
        if self.ran in self.fails_on:
            raise InferenceError(f"call {self.ran} failed")
        return prepared

    def decode(self, inferred):
        return Detections(np.array([[0, 0, 1, 1]]), np.array([inferred / 255]), np.array([0]))

    def close(self):
        self.closed = True


def picture(value):
    return encode_frame(np.full((8, 8, 3), value % 256, np.uint8), "rgb888")


def live(name, fps, stop, arrived=None):
    def images():
        value = 0
        while not stop.wait(1 / fps):
            yield picture(value)
            value += 1

    return LiveReader(name, lambda: IteratorSource(images, live=True), arrived=arrived)


def run_live(model, seconds, cameras, **settings):
    """Run cameras, {name: fps}, for a while; return results and the lanes."""
    results, stop, slot = [], threading.Event(), ModelSlot("it", model)
    wake = []
    readers = [live(name, fps, stop, lambda: wake[0]()) for name, fps in cameras.items()]
    lanes = [Lane(reader, results.append, **{k: make() for k, make in settings.items()}) for reader in readers]
    worker = Worker(slot, lanes)
    wake.append(worker.wake)
    worker.start()
    for reader in readers:
        reader.start()
    time.sleep(seconds)
    stop.set()
    for reader in readers:
        reader.close()
    assert worker.join(10)
    return results, lanes


def test_results_are_of_the_newest_frame():
    """25 frames a second and a model of 80 ms: no queue grows, so a result is one inference and one frame old."""
    results, (lane,) = run_live(Brightness(0.08), 2.0, {"gate": 25})
    ages = sorted(result.age_ms for result in results[2:])
    assert 15 <= len(results) <= 26
    assert ages[len(ages) // 2] < 80 + 50
    assert lane.reader.state().dropped > 15
    sequences = [result.frame.sequence for result in results]
    assert sequences == sorted(set(sequences))


def test_cameras_share_the_model_fairly():
    results, _ = run_live(Brightness(0.02), 2.0, {"fast": 50, "slow": 4, "other": 50})
    counts = Counter(result.frame.source for result in results)
    assert counts["slow"] >= 6  # nearly all of its eight
    assert abs(counts["fast"] - counts["other"]) <= 3 and counts["fast"] > counts["slow"]


def test_a_frame_that_would_be_late_is_not_begun():
    """Five percentiles in, the model is known to take 60 ms: of a budget of 50 nothing can come."""
    results, (lane,) = run_live(Brightness(0.06), 2.0, {"gate": 25}, deadline=lambda: Deadline(0.05))
    assert all(result.late for result in results) and lane.late == len(results)
    assert 5 <= len(results) <= 8 and lane.dropped["too old"] > 20


@pytest.mark.timing
def test_a_model_that_is_fast_again_is_found_to_be():
    """Slow for 6 frames, which leaves no time for any; a second later one is tried, and the camera sees again."""
    model = Brightness(0.08)
    infer = model.infer

    def quick_again(prepared):
        model.seconds = 0.08 if model.ran < 6 else 0.005
        return infer(prepared)

    model.infer = quick_again
    results, (lane,) = run_live(model, 3.5, {"gate": 25}, deadline=lambda: Deadline(0.06))
    assert lane.dropped["too old"] > 10 and len(results) > 30
    assert not any(result.late for result in results[6:])


def test_a_model_that_fails_in_a_way_of_its_own_ends_nothing():
    model, said = Brightness(), []
    prepare = model.prepare

    def picky(frame):
        if not 3 <= (value := prepare(frame)) <= 250:
            raise ZeroDivisionError("of a runtime")
        return value

    model.prepare = picky
    results = []
    reader = RecordingReader("file", lambda: IteratorSource(lambda: map(picture, range(20))))
    lane = Lane(reader, results.append)
    worker = Worker(ModelSlot("it", model), [lane], failed=lambda error: said.append(str(error)))
    worker.start()
    reader.start()
    assert worker.join(20)
    assert len(results) == 17 and lane.dropped["model failed"] == 3
    assert said == ["ZeroDivisionError: of a runtime"] * 3


def test_less_is_done_where_everything_is_too_much():
    settings = DegradationSettings((Level("half", every=2), Level("fifth", every=5)), down_s=0.4, up_s=60)
    _, (lane,) = run_live(
        Brightness(0.03), 3.0, {"gate": 40},
        deadline=lambda: Deadline(0.02), degradation=lambda: Degradation(settings),
    )  # fmt: skip
    assert lane.degradation.level.name == "fifth" and lane.dropped["thinned"] > 20


def test_every_frame_of_a_recording_is_seen_in_order():
    results = []
    reader = RecordingReader("file", lambda: IteratorSource(lambda: map(picture, range(100))))
    lane = Lane(reader, results.append)
    worker = Worker(ModelSlot("it", Brightness()), [lane])
    worker.start()
    reader.start()
    assert worker.join(20)
    assert [result.frame.sequence for result in results] == list(range(100))
    assert [round(255 * float(result.detections.scores[0])) for result in results] == list(range(100))
    assert not lane.dropped and lane.done == 100


def test_decoding_overlaps_with_the_model():
    """Ten frames of 40 ms to read and 40 ms to infer take little more than half of their sum."""

    def slow():
        for value in range(10):
            time.sleep(0.04)
            yield picture(value)

    reader = RecordingReader("file", lambda: IteratorSource(slow))
    worker = Worker(ModelSlot("it", Brightness(0.04)), [Lane(reader, lambda result: time.sleep(0.03))])
    start = time.monotonic()
    worker.start()
    reader.start()
    assert worker.join(20)
    assert time.monotonic() - start < 0.66 * 10 * (0.04 + 0.04 + 0.03)


def test_errors_cost_their_frame_only():
    failed, told = [], []

    def handle(result):
        if result.frame.sequence == 3:
            raise OSError("disk full")

    reader = RecordingReader("file", lambda: IteratorSource(lambda: map(picture, range(10))))
    lane = Lane(reader, handle, failed=failed.append)
    worker = Worker(ModelSlot("it", Brightness(fails_on=[5])), [lane], failed=told.append)
    worker.start()
    reader.start()
    assert worker.join(20)
    assert lane.dropped == {"failed": 1, "model failed": 1} and lane.done == 8
    assert [str(one) for one in failed] == ["disk full"] and [str(one) for one in told] == ["call 5 failed"]


def test_stopping_in_the_middle_is_prompt():
    stop = threading.Event()
    reader = live("gate", 25, stop).start()
    worker = Worker(ModelSlot("it", Brightness(0.05)), [Lane(reader, lambda result: None)])
    worker.start()
    time.sleep(0.3)
    start = time.monotonic()
    worker.stop()
    assert time.monotonic() - start < 1
    stop.set()
    reader.close()


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_deadline_that_makes_no_sense(seconds):
    with pytest.raises(Exception, match="budget_s"):
        Deadline(seconds)
