"""The examples that watch, on real films, against the truth where somebody wrote it down; and that of traffic signs."""

import re
import subprocess
import sys
from datetime import datetime
from fractions import Fraction

import numpy as np
import pytest

from edgevision.data.mot import NOTHING, read_mot
from edgevision.pipeline.config import WatchConfig
from edgevision.pipeline.rules import Scene
from edgevision.pipeline.tracking import CONFIRMED, Tracks
from edgevision.pipeline.watching import Watch

av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
pytestmark = pytest.mark.slow
FRAMES = 69  # so many have a ground truth
SIGNS, SIGNS_TOLERANCE = 0.87, 0.05  # of signs that were held out, float and int8
LATE_MS = 400  # budget_ms of driving.toml


@pytest.fixture
def yolox(shared_data):
    pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra onnx, is not installed")
    return shared_data / "models" / "detection" / "yolox_nano_coco.onnx"


@pytest.fixture
def clip(shared_data, tmp_path):
    """The frames of vtest.avi that have a ground truth, pixel for pixel."""
    path = tmp_path / "clip.mkv"
    with av.open(str(shared_data / "video" / "vtest.avi")) as film, av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 768, 576, "yuv420p"
        for number, frame in zip(range(FRAMES), film.decode(video=0), strict=False):
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def true_changes(repository, shared_data):
    """What the example's rules say of the true boxes: (rule, phase, seconds)."""
    config = WatchConfig.read(repository / "examples" / "people_in_zone.toml", lambda model: ["person"])
    rules = config.cameras[0].rules()
    truth = read_mot(shared_data / "video" / "vtest_gt_frames1-69.txt")
    for number in range(FRAMES):
        boxes = truth.get(number + 1, NOTHING)
        count, time_s = len(boxes.ids), number / 10
        tracks = Tracks(
            time_s=time_s, ids=boxes.ids, boxes=boxes.boxes, velocities=np.zeros((count, 2)), scores=np.ones(count),
            class_ids=np.zeros(count, np.int64), states=np.full(count, CONFIRMED, np.int8), first_s=np.zeros(count),
            seen_s=np.full(count, time_s), detections=np.arange(count),
        )  # fmt: skip
        for rule in rules:
            for change in rule.update(Scene(tracks, 1e9 + time_s)):
                yield change.rule, change.phase, change.time_s


def test_people_in_a_zone_are_those_who_are_there(example, repository, shared_data, yolox, clip, tmp_path):
    """Five people enter the zone, three cross the line, when the ground truth says so, half a second more or less."""
    printed = example("people_in_zone.py", yolox, clip, tmp_path / "out")
    found = re.findall(r"^(\S+) (\w+): person \d+ (\w+)$", printed, re.MULTILINE)
    assert len(found) == len(printed.splitlines())
    truth = list(true_changes(repository, shared_data))
    for rule, phase, said in (("crossing", "start", "start"), ("path", "moment", "in")):
        times = sorted(
            datetime.fromisoformat(time).timestamp() for time, which, what in found if (which, what) == (rule, said)
        )
        true = sorted(time_s for which, what, time_s in truth if (which, what) == (rule, phase))
        assert len(times) == len(true), (rule, times, true)
        if rule == "crossing":
            began = times[0] - true[0]  # somebody is there from the first frame on
        assert np.abs(np.array(times) - began - true).max() <= 0.5
    assert [what for _, which, what in found if which == "path"] == ["in"] * 3
    assert [what for *_, what in found].count("end") == 5


def test_driving_is_in_time_or_says_so(example, shared_data, yolox, tmp_path):
    stills = sorted((shared_data / "images").glob("traffic_frame_*.bmp"))
    printed = example("driving.py", yolox, shared_data / "video" / "bikes.mp4", tmp_path / "out", 8, *stills)
    assert re.findall(r"^traffic_frame_(\d)\.bmp: (\d) car", printed, re.MULTILINE) == [(n, "3") for n in "123"]
    came, looked, late = map(int, re.search(r"(\d+) frames, (\d+) looked at, (\d+) of these late", printed).groups())
    ratio = float(re.search(r"drop ratio ([\d.]+)", printed)[1])
    assert came >= 50 and looked >= 5 and late <= looked
    assert ratio == pytest.approx(1 - looked / came, abs=0.15)
    ages = re.findall(r"ahead: \w+, (\d+) ms old(, late)?$", printed, re.MULTILINE)
    assert ages and "ahead: start" in printed
    assert all(bool(said) == (int(age) > LATE_MS) for age, said in ages if abs(int(age) - LATE_MS) > 1)


def test_driving_with_a_model_that_is_too_slow(example, shared_data, yolox, tmp_path):
    """A deadline that nobody can meet: frames are not begun, one a second is tried, and what comes of it is late."""
    example("driving.py", yolox, shared_data / "video" / "bikes.mp4", tmp_path / "out", 3)
    path = tmp_path / "out" / "driving.toml"
    path.write_text(path.read_text().replace(f"budget_ms = {LATE_MS} ", "budget_ms = 5 "))
    with Watch(path) as watch:
        watch.join(6)
        state = watch.state()
    camera = state["cameras"]["front"]
    assert state["profile"] == "driving" and camera["received"] >= 50
    assert 1 <= camera["results"] == camera["late"] <= 12
    assert camera["drop_ratio"] > 0.8 and camera["level"] == "full"


@pytest.mark.timeout(900)  # half a minute of work, on a machine that may have a great deal of other work
def test_traffic_signs(example, shared_data, tmp_path):
    printed = example("traffic_signs.py", shared_data / "gtsrb48_train.zip", tmp_path, timeout=870)
    lines = re.findall(r"^(\w+): (\d+) bytes, accuracy ([\d.]+) ", printed, re.MULTILINE)
    assert [scheme for scheme, *_ in lines] == ["float32", "static_wi8_ai8"]
    assert [float(accuracy) for *_, accuracy in lines] == pytest.approx([SIGNS, SIGNS], abs=SIGNS_TOLERANCE)
    assert "cnn-tflite-static_wi8_ai8 holds" in printed


@pytest.mark.parametrize("name", ["people_in_zone.py", "driving.py"])
def test_without_arguments_it_says_which(repository, name):
    done = subprocess.run([sys.executable, repository / "examples" / name], capture_output=True, text=True)
    assert done.returncode == 1 and f"python examples/{name} DETECTOR.onnx FILM" in done.stderr
    assert "Traceback" not in done.stderr
