"""The thread beside the first model: what is looked at, what is left, and that nobody waits for it."""

import threading
import time

import numpy as np
import pytest

from edgevision.frames import encode_frame
from edgevision.pipeline.rules import PrivacyMask
from edgevision.pipeline.second import CameraLooks, Looker, SecondStage
from edgevision.pipeline.sources.base import CapturedFrame


class Brightness:
    """Says "light" or "dark"; as slow as it is told to be."""

    batch = 1

    def __init__(self, slow_s=0.0):
        self.slow_s, self.crops, self.closed = slow_s, [], False
        self.go = threading.Event()
        self.go.set()

    def look(self, crops):
        self.go.wait(20)
        time.sleep(self.slow_s)
        self.crops += crops
        return [np.array([crop.mean() / 255]) for crop in crops]

    def judge(self, mean):
        return ("light" if mean[0] > 0.5 else "dark"), float(mean[0])

    def close(self):
        self.closed = True


def stage(name="tone", **settings):
    return SecondStage(name, "classify", "model", **{"min_px": 4, "margin": 0.0, **settings})


def captured(image, number, captured_s, live=True):
    position = None if live else captured_s
    return CapturedFrame("gate", number, captured_s, encode_frame(image, "rgb888"), position)


@pytest.fixture
def frame():
    """frame(number, time_s) of 200×120: light on the left, dark on the right."""
    image = np.full((120, 200, 3), 20, np.uint8)
    image[:, :100] = 240
    image[::4, ::4] += 10  # not without any edge

    def frame(number, captured_s=None, live=True):
        return captured(image, number, time.monotonic() if captured_s is None else captured_s, live)

    return frame


@pytest.fixture
def running():
    """running(models, told) -> a looker that runs; closed in the end."""
    made = []

    def running(told=None, **models):
        made.append(Looker(models, failed=told))
        made[-1].start()
        return made[-1]

    yield running
    for looker in made:
        for model in looker.models.values():
            model.go.set()
        looker.close()
        assert all(model.closed for model in looker.models.values())


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def test_a_recording_waits_for_the_answer(running, frame, place):
    looks = CameraLooks([stage()], running(tone=Brightness(0.05)))
    looks.update(frame(0, 5.0, live=False), place(5.0, {1: (50, 110), 2: (150, 110)}))
    assert {track: known["tone"].label for track, known in looks.attributes.items()} == {1: "light", 2: "dark"}
    assert looks.changed == {1, 2}
    looks.update(frame(1, 5.1, live=False), place(5.1, {1: (50, 110)}))
    assert looks.changed == set() and looks.state()["tone"] == {"looks": 2, "tracks": 2, "skipped": {}}


def test_a_live_camera_goes_on_at_once(running, frame, place):
    model = Brightness()
    model.go.clear()
    looks = CameraLooks([stage()], running(tone=model))
    start = time.monotonic()
    for step in range(20):
        looks.update(frame(step), place(start + 0.3 * step, {1: (50, 110), 2: (150, 110)}))
    assert time.monotonic() - start < 5 and looks.attributes == {}
    assert looks.state()["tone"]["looks"] == 0
    model.go.set()
    until(lambda: looks._request.done.is_set())
    looks.update(frame(20), place(start + 7, {1: (50, 110), 3: (90, 110)}))
    assert looks.attributes[1]["tone"].label == "light" and looks.changed == {1, 2}
    assert "busy" not in looks.state()["tone"]["skipped"]  # both were under way: nobody else was due
    model.go.clear()
    for step in range(4):
        looks.update(frame(21), place(start + 8 + step, {4: (50, 110)}))
    model.go.set()
    assert looks.state()["tone"]["skipped"]["busy"] >= 3


def test_what_is_too_old_by_its_turn_is_left(running, frame, place):
    model = Brightness()
    model.go.clear()
    looker = running(tone=model)
    first, second = (CameraLooks([stage(budget_s=0.3)], looker) for _ in range(2))
    now = time.monotonic()
    first.update(frame(0), place(now, {1: (50, 110)}))
    second.update(frame(0), place(now, {1: (50, 110)}))
    time.sleep(0.5)
    model.go.set()
    until(lambda: second._request.done.is_set())
    for looks in (first, second):
        looks.update(frame(1), place(now + 0.1, {}))
    assert first.attributes[1]["tone"].label == "light"
    assert second.attributes == {} and second.state()["tone"]["skipped"] == {"too old": 1}


def test_masked_areas_are_never_looked_at(running, frame, place):
    model = Brightness()
    mask = PrivacyMask([[(0, 0), (60, 0), (60, 120), (0, 120)]], 200, 120)
    looks = CameraLooks([stage(margin=0.5)], running(tone=model), mask)
    looks.update(frame(0, 1.0, live=False), place(1.0, {1: (30, 110), 2: (75, 110)}))
    assert looks.state()["tone"]["skipped"] == {"masked": 1} and set(looks.attributes) == {2}
    (crop,) = model.crops  # from x 35 to 115
    assert not crop[:, : 60 - 35].any() and crop[:, 70 - 35 : 95 - 35].min() > 200


def test_small_uncertain_and_blurred_are_left(running, frame, place):
    flat = captured(np.full((120, 200, 3), 90, np.uint8), 0, 1.0, live=False)
    looker = running(tone=Brightness())
    for settings, reason in (
        ({"min_px": 50}, "small"),
        ({"min_score": 0.95}, "uncertain"),
        ({"min_sharpness": 1}, "blurred"),
    ):
        looks = CameraLooks([stage(**settings)], looker)
        looks.update(flat, place(1.0, {1: (50, 110)}))
        assert looks.state()["tone"] == {"looks": 0, "tracks": 0, "skipped": {reason: 1}}


def test_a_model_that_fails_costs_its_looks_alone(running, frame, place):
    class Broken(Brightness):
        def look(self, crops):
            raise RuntimeError("no memory")

    told = []
    looker = running(told.append, bad=Broken(), tone=Brightness())
    looks = CameraLooks([stage("bad"), stage("tone")], looker)
    looks.update(frame(0, 1.0, live=False), place(1.0, {1: (50, 110)}))
    assert set(looks.attributes[1]) == {"tone"} and looks.state()["bad"]["skipped"] == {"failed": 1}
    assert told == ["second stage bad: no memory"]
    looks.update(frame(1, 2.0, live=False), place(2.0, {1: (50, 110)}))
    assert looks.state()["bad"]["skipped"] == {"failed": 2} and looker.busy_s == 0
    assert looker.state()["tone"]["stages"]["infer"]["count"] == 1


def test_who_waits_is_let_go_when_the_thread_has_ended(frame, place):
    model = Brightness()
    looker = Looker({"tone": model})
    looker.start()
    looker.close()
    looks = CameraLooks([stage()], looker)
    looks.update(frame(0, 1.0, live=False), place(1.0, {1: (50, 110)}))
    assert looks.attributes == {} and model.closed
