"""Results of a camera become events, also when it changes its size."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from edgevision.errors import OutputError
from edgevision.frames import encode_frame
from edgevision.pipeline.config import WatchConfig
from edgevision.pipeline.config.document import RecordingConfig
from edgevision.pipeline.events import Spool
from edgevision.pipeline.following import Follower
from edgevision.pipeline.lane import Result
from edgevision.pipeline.recording import ClipRecorder, ClipSettings, Retention
from edgevision.pipeline.sources import CapturedFrame
from edgevision.pipeline.status.preview import Preview
from edgevision.tasks.detections import Detections

CAMERA = """
schema = 1
[model]
artifact = "model"
[[cameras]]
name = "gate"
source = "film.mp4"
{size}
[[cameras.rules]]
kind = "zone"
name = "yard"
points = [[300, 200], [500, 200], [500, 450], [300, 450]]
dwell_s = 0.3
"""


@pytest.fixture
def follow(tmp_path):
    """follow([(width, height), …], size line) -> events, of somebody who stands in the yard, a frame for each size."""

    def follow(sizes, size=""):
        path = tmp_path / "watch.toml"
        path.write_text(CAMERA.format(size=size), encoding="utf-8")
        (camera,) = WatchConfig.read(path, lambda model: ["person"]).cameras
        began_s = time.monotonic()
        with Spool(tmp_path / "spool.db", ["file"]) as spool:
            follower = Follower(camera, ["person"], spool)
            for number, (width, height) in enumerate(sizes):
                captured_s = began_s + number / 10
                box = np.array([[380, 300, 420, 400]]) * np.tile([width / 640, height / 480], 2)
                frame = encode_frame(np.zeros((height, width, 3), np.uint8), "rgb888")
                seen = Detections(box, np.array([0.9]), np.array([0]))
                follower(Result(CapturedFrame("gate", number, captured_s, frame), seen, captured_s, False, "model"))
            follower.close()
            found = spool.next("file", 100)
            for message in found:
                spool.acknowledge("file", message)
            return [message.event for message in found]

    return follow


def test_a_camera_that_comes_back_in_another_size_is_watched_at_the_same_places(follow):
    events = follow([(640, 480)] * 10 + [(320, 240)] * 10 + [(1280, 720)] * 10)
    assert [(event.rule, event.phase) for event in events] == [("yard", "start"), ("yard", "end")]
    assert events[1].data["duration_s"] > 2.5


def test_points_are_in_pixels_of_the_size_that_is_said(follow):
    assert [event.phase for event in follow([(320, 240)] * 10, "size = [640, 480]")] == ["start", "end"]
    assert follow([(320, 240)] * 10) == []  # the yard is beside the picture


def test_what_a_camera_showed_before_it_was_gone_is_over_and_kept(tmp_path):
    """Somebody cuts its cable: what led to that is a clip with its name, and an event that ended, at once."""
    pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
    path = tmp_path / "watch.toml"
    path.write_text(CAMERA.format(size=""), encoding="utf-8")
    (camera,) = WatchConfig.read(path, lambda model: ["person"]).cameras
    keeps = RecordingConfig(tmp_path / "kept", False, ClipSettings(pre_s=0.2, post_s=1), Retention())
    with Spool(tmp_path / "spool.db", ["file"]) as spool:
        follower = Follower(camera, ["person"], spool, recording=keeps)
        began_s, frame = time.monotonic(), encode_frame(np.zeros((480, 640, 3), np.uint8), "rgb888")
        seen = Detections(np.array([[380, 300, 420, 400]]), np.array([0.9]), np.array([0]))
        for number in range(10):
            taken = CapturedFrame("gate", number, began_s + number / 10, frame)
            follower(Result(taken, seen, taken.captured_s, False, "model"))
        follower.silent(began_s + 2)
        assert [message.event.phase for message in spool.next("file", 100)] == ["start"]
        follower.silent(began_s + 4)
        start, end = (message.event for message in spool.next("file", 100))
        assert end.phase == "end" and end.data["duration_s"] == pytest.approx(0.8)  # from when it was confirmed
        end_s = time.monotonic() + 60
        while not list(tmp_path.glob("kept/gate/*.mp4")):
            assert time.monotonic() < end_s, list(tmp_path.glob("kept/gate/*"))
            time.sleep(0.01)
        assert (tmp_path / "kept" / start.data["clip"]).is_file()
        follower.close()


def test_the_page_draws_nobody_whom_a_mask_hides(tmp_path):
    path = tmp_path / "watch.toml"
    size = "size = [640, 480]\nmasks = [[[0, 0], [320, 0], [320, 480], [0, 480]]]"
    path.write_text(CAMERA.format(size=size), encoding="utf-8")
    (camera,) = WatchConfig.read(path, lambda model: ["person"]).cameras
    preview = Preview()
    follower = Follower(camera, ["person"], None, preview=preview)
    frame = encode_frame(np.full((480, 640, 3), 90, np.uint8), "rgb888")
    seen = Detections(np.array([[100, 200, 140, 300], [480, 200, 520, 300]]), np.array([0.9, 0.9]), np.array([0, 0]))
    for number in range(4):
        taken = CapturedFrame("gate", number, time.monotonic() + number / 10, frame)
        follower(Result(taken, seen, taken.captured_s, False, "model"))
    _, jpeg = preview.jpeg("gate")
    with Image.open(io.BytesIO(jpeg)) as picture:
        shown = np.asarray(picture.convert("RGB")).astype(int)
    assert shown[:, :300].max() < 30  # but for what JPEG does
    assert np.abs(shown[:, 340:] - 90).max() > 60
    follower.close()


def test_what_cannot_be_kept_is_said_until_it_can(tmp_path):
    path = tmp_path / "watch.toml"
    path.write_text(CAMERA.format(size=""), encoding="utf-8")
    (camera,) = WatchConfig.read(path, lambda model: ["person"]).cameras
    told, place = [], tmp_path / "kept"
    follower = Follower(
        camera, ["person"], None, recording=RecordingConfig(place, True, None, Retention()), told=told.append
    )
    frame, began_s = encode_frame(np.zeros((480, 640, 3), np.uint8), "rgb888"), time.monotonic()
    seen = Detections(np.array([[380, 300, 420, 400]]), np.array([0.9]), np.array([0]))

    def stays(from_s):
        for number in range(10):
            taken = CapturedFrame("gate", number, began_s + from_s + number / 10, frame)
            follower(Result(taken, seen, taken.captured_s, False, "model"))

    place.write_text("no folder")
    stays(0)
    assert list(follower.unkept) == ["snapshots"] and follower.unkept["snapshots"] == told[0]
    place.unlink()
    stays(20)
    assert follower.unkept == {} and told[1:] == ["recording of snapshots works again"]
    follower.close()


def test_clips_and_snapshots_that_fail_at_the_same_time_are_both_said(tmp_path, monkeypatch):
    """Two threads write them; here the one fails while the words of the other's error are put together."""
    pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
    path = tmp_path / "watch.toml"
    path.write_text(CAMERA.format(size=""), encoding="utf-8")
    (camera,) = WatchConfig.read(path, lambda model: ["person"]).cameras
    recorders = []

    class Recorder(ClipRecorder):
        def __init__(self, *place, failed, **rest):
            super().__init__(*place, failed=failed, **rest)
            recorders.append(failed)

    class FullError(OutputError):
        def __str__(self):
            while recorders:
                recorders.pop()(OSError("full"))
            return "full, too"

    def fail(*_):
        raise FullError("full")

    monkeypatch.setattr("edgevision.pipeline.following.ClipRecorder", Recorder)
    monkeypatch.setattr("edgevision.pipeline.following.save_snapshot", fail)
    follower = Follower(
        camera, ["person"], None, recording=RecordingConfig(tmp_path, True, ClipSettings(), Retention())
    )
    frame, began_s = encode_frame(np.zeros((480, 640, 3), np.uint8), "rgb888"), time.monotonic()
    seen = Detections(np.array([[380, 300, 420, 400]]), np.array([0.9]), np.array([0]))
    for number in range(10):
        taken = CapturedFrame("gate", number, began_s + number / 10, frame)
        follower(Result(taken, seen, taken.captured_s, False, "model"))
    assert follower.unkept == {"clips": "full", "snapshots": "full, too"}
    follower.close()
