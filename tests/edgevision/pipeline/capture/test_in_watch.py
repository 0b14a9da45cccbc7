"""Captured while watching, and read by the commands that calibrate, evaluate, examine and train."""

import importlib.util
import json
import logging.handlers
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from edgevision.data.locate import open_images
from edgevision.errors import ConfigError
from edgevision.pipeline.capture import CaptureSettings
from edgevision.pipeline.config import WatchConfig
from edgevision.pipeline.status.metrics import exposition
from edgevision.pipeline.watching import Watch
from edgevision.shipped import shipped_model
from edgevision.tasks.detections import Detections

av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")

CONFIG = """
schema = 1
[model]
artifact = "{model}"
[[cameras]]
name = "yard"
source = "{film}"
size = [{width}, {height}]
masks = [[[0, 0], [{width}, 0], [{width}, 12], [0, 12]]]
[capture]
folder = "captured"
min_interval_s = 0.48
max_per_hour = 500
min_free_bytes = 0
{more}
"""


class Unsure:
    """Finds what is bright, and is not sure of it."""

    def __init__(self, config):
        pass

    def prepare(self, frame):
        return frame.luma() > 150

    def infer(self, prepared):
        time.sleep(0.03)  # as a model does: faster than it can be written, frames are passed over
        rows, columns = np.nonzero(prepared)
        return np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] if len(rows) else [])

    def decode(self, inferred):
        return Detections(inferred.reshape(-1, 4), np.full(len(inferred), 0.4), np.zeros(len(inferred)))

    def close(self):
        pass


@pytest.fixture
def place(tmp_path):
    """A folder with a model, and a film of 4 s in which a square walks from left to right."""
    shutil.copytree(shipped_model(), tmp_path / "model")
    with av.open(str(tmp_path / "walk.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for index in range(80):
            image = np.full((120, 160, 3), 60, np.uint8)
            image[50:70, index : index + 20] = 230
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return tmp_path


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def write(place, more="", **changes):
    path = place / "watch.toml"
    facts = {"model": "model", "film": "walk.mkv", "width": 160, "height": 120, **changes}
    path.write_text(CONFIG.format(more=more, **facts), encoding="utf-8")
    return path


def test_frames_of_a_film(place):
    """One every half second of the film's own time, with the square where the proposal says, and the mask over it."""
    with Watch(write(place), stages=Unsure) as watch:
        assert watch.join(60)
        wait_for(lambda: watch.state()["capture"]["written"] >= 8)
        state = watch.state()
    assert state["capture"] == {"written": 8, "lost": 0, "trouble": None}
    camera = state["cameras"]["yard"]["capture"]
    assert camera["captured"] == {"low_confidence": 8} and camera["passed_over"] == {"rate": 72}
    if importlib.util.find_spec("prometheus_client"):
        assert 'edgevision_captured_total{camera="yard",reason="low_confidence"} 8.0' in exposition(state).decode()
    pictures = open_images(place / "captured")
    assert len(pictures) == 8
    for index in range(8):
        image = pictures.image(index)
        assert not image[:12].any() and image[14:].min() > 0
        text = place / "captured" / pictures.name(index).replace("images", "unreviewed").replace("webp", "txt")
        kind, x, y, width, height = map(float, text.read_text().split())
        assert (kind, width * 160, height * 120) == (0, pytest.approx(20, abs=0.01), pytest.approx(20, abs=0.01))
        assert image[round(y * 120), round(x * 160)].min() > 200


def test_the_evening_is_drift(place, monkeypatch):
    """A film of 10 s in which it gets dark after 6: frames of the dark are captured, none before, and it is logged."""
    logger, handler = logging.Logger("alone"), logging.handlers.BufferingHandler(1000)
    logger.addHandler(handler)  # other tests may have left the process's logging as they like
    monkeypatch.setattr("edgevision.pipeline.watching.logger", logger)
    with av.open(str(place / "evening.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        generator = np.random.default_rng(0)
        for index in range(200):
            cells = generator.integers(-30, 31, (12, 16, 1)) + (140 if index < 120 else 60)
            image = np.kron(cells, np.ones((10, 10, 3))).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    bright, dark = (16 + grey * 219 / 255 for grey in (140, 60))  # as luma, which black has 16 of, and white 235
    more = "low_confidence = []\nrandom = 0\ndrift = { baseline_s = 4, interval_s = 0.1 }"
    path = write(place, more, film="evening.mkv")
    with Watch(path, stages=Unsure) as watch:
        assert watch.join(60)
        wait_for(lambda: watch.state()["capture"]["written"] >= 4)
        camera = watch.state()["cameras"]["yard"]["capture"]
    assert set(camera["captured"]) == {"drift"} and camera["drifting"]["brightness"] == pytest.approx(dark, abs=5)
    abouts = [json.loads(path.read_text()) for path in (place / "captured" / "images" / "yard").glob("*.json")]
    assert len(abouts) == camera["captured"]["drift"] and all(about["position_s"] > 6 for about in abouts)
    assert all(about["why"]["brightness"]["usual"] == pytest.approx(bright, abs=5) for about in abouts)
    lines = [record.getMessage() for record in handler.buffer]
    said = [line for line in lines if line.startswith(("yard: usual", "yard: drift"))]
    assert [line[:23] for line in said] == ["yard: usual: brightness", *["yard: drift: brightness"] * 2]
    assert "objects" not in said[1] and "objects 0" in said[2]  # what was bright is not any more
    assert json.loads((place / "captured" / ".baselines" / "yard.json").read_text())["model"].endswith("model")


def test_another_capture_takes_a_restart(place):
    path = write(place)
    with Watch(path, stages=Unsure) as watch:
        write(place, more="random = 0.5")
        with pytest.raises(ConfigError, match=r"\[capture\] changed; restart to change it; nothing was changed"):
            watch.reload()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("low_confidense = [0.3, 0.5]", "^capture: unknown key: got low_confidense.*did you mean low_confidence"),
        ("low_confidence = [0.5]", r"capture: low_confidence: got \[0.5\]; allowed: \[from, to\]"),
        ("low_confidence = []\nrandom = 0\ndrift = { watched = false }", "no reason for any picture"),
        ("drift = { baseline_s = 5 }", "drift: baseline_s: got 5.0; allowed: 20 times interval_s, or more"),
        ("drift = { limits = 5 }", "capture.drift: unknown key: got limits.*did you mean limit"),
        ("max_days = 0", "max_days"),
    ],
)
def test_configurations_that_make_no_sense(place, more, said):
    with pytest.raises(ConfigError, match=said):
        Watch(write(place, more), stages=Unsure)


def test_the_defaults_in_the_documentation(place, repository):
    text = (repository / "docs" / "watch.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"```toml\n(\[capture\]\n.*?)```", text, re.DOTALL)
    path = write(place)
    before, _, _ = path.read_text().partition("[capture]")
    path.write_text(before + table, encoding="utf-8")
    config = WatchConfig.read(path, lambda model: ["person"])
    assert config.capture == CaptureSettings(path.parent / "captured")
    path.write_text(before + '[capture]\nfolder = "captured"\n', encoding="utf-8")
    assert WatchConfig.read(path, lambda model: ["person"]).capture == config.capture


def test_a_band_that_the_model_never_gives(place):
    path = write(place)
    path.write_text(path.read_text().replace('artifact = "model"', 'artifact = "model"\nscore_threshold = 0.6'))
    with pytest.raises(ConfigError, match="the model gives no such scores"):
        Watch(path, stages=Unsure)


def edgevision(*arguments, status=0):
    command = [sys.executable, "-m", "edgevision", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


@pytest.fixture
def yolox(shared_data, tmp_path):
    model = shared_data / "models" / "detection" / "yolox_nano_coco.onnx"
    options = ("--task", "detection", "--decoder", "yolox", "--labels", "coco", "--layout", "NCHW")
    edgevision("adopt", model, "--out", tmp_path / "yolox", *options)
    return tmp_path / "yolox"


@pytest.mark.slow
def test_a_detector_is_calibrated_with_what_it_captured_and_judged_by_what_was_reviewed(shared_data, yolox, tmp_path):
    pytest.importorskip("nncf", reason="nncf, of the extra compress, is not installed: nothing quantizes ONNX here")
    film = shared_data / "video" / "vtest.avi"
    edgevision("watch", write(tmp_path, model="yolox", film=film, width=768, height=576), "--duration", 15)
    captured = tmp_path / "captured"
    assert len(open_images(captured)) >= 5
    assert "are a model's answers" in edgevision("evaluate", yolox, "--data", captured, status=1)
    options = ("--to", "openvino", "--data", captured, "--calibration-count", 5)
    edgevision("quantize", yolox, *options, "--out", tmp_path / "int8")
    (int8,) = (tmp_path / "int8").iterdir()
    step = json.loads((int8 / "manifest.json").read_text())["lineage"][-1]
    assert step["parameters"]["scheme"] == "static_wi8_ai8"
    shutil.copytree(captured / "unreviewed", captured / "labels")  # a reviewer who finds nothing wrong
    found = json.loads(edgevision("evaluate", int8, "--data", captured, "--json"))["detection"]
    assert found["count"] == len(open_images(captured)) and found["map50"] > 0.6
