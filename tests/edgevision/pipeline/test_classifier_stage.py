"""A classifier watches: its answer is an object as large as the picture, and a zone without points is the picture."""

import json
import shutil

import numpy as np
import pytest

from edgevision.data.locate import open_dataset
from edgevision.errors import ArtifactError, ConfigError
from edgevision.frames import Frame
from edgevision.pipeline.config import ModelConfig
from edgevision.pipeline.image_stage import ClassifierStage
from edgevision.pipeline.stages import stage_for
from edgevision.pipeline.watching import Watch
from edgevision.shipped import shipped_model

av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
FPS = 10
CONFIG = """
schema = 1
[model]
artifact = "model"
[[cameras]]
name = "harbour"
source = "film.mkv"
[[cameras.rules]]
kind = "zone"
name = "ship in sight"
classes = ["ship"]
dwell_s = 0.5
[[sinks]]
kind = "json_lines"
path = "events.jsonl"
"""


def images_of(label, count):
    """The first test photographs of a class: the model was not trained on them."""
    dataset = open_dataset("sample", "test")
    number = dataset.labels.index(label)
    return [dataset.image(index) for index in np.flatnonzero(dataset.targets == number)[:count]]


@pytest.fixture
def place(tmp_path):
    """A folder with a model, and a film of 3 s of frogs, 4 s of ships, 3 s of frogs: ten photographs a second."""
    shutil.copytree(shipped_model(), tmp_path / "model")
    frogs, ships = images_of("frog", 6 * FPS), images_of("ship", 4 * FPS)
    with av.open(str(tmp_path / "film.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv444p"
        for image in frogs[: 3 * FPS] + ships + frogs[3 * FPS :]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return tmp_path


def test_a_ship_comes_and_goes(place):
    (place / "watch.toml").write_text(CONFIG, encoding="utf-8")
    with Watch(place / "watch.toml") as watch:
        assert watch.join(60)
    came, went = [json.loads(line) for line in (place / "events.jsonl").read_text().splitlines()]
    assert (came["phase"], came["label"], went["phase"]) == ("start", "ship", "end")
    assert went["data"]["duration_s"] == pytest.approx(4.0, abs=0.8)


@pytest.fixture
def stage(place):
    stage = ClassifierStage(ModelConfig(place / "model", score_threshold=0.3))
    yield stage
    stage.close()


def test_the_best_class_is_as_large_as_the_frame(stage):
    image = images_of("ship", 1)[0]
    wide = np.ascontiguousarray(image.repeat(3, axis=0).repeat(5, axis=1))
    frame = Frame("rgb888", 160, 96, (wide.reshape(-1),), (480,))
    found = stage.decode(stage.infer(stage.prepare(frame)))
    assert found.boxes.tolist() == [[0, 0, 160, 96]]
    assert stage.labels[found.classes[0]] == "ship" and 0.3 <= found.scores[0] <= 1


def test_nothing_is_seen_under_the_threshold(place):
    stage = ClassifierStage(ModelConfig(place / "model", score_threshold=1.01))
    try:
        pixels = np.zeros((32, 32, 3), np.uint8)
        frame = Frame("rgb888", 32, 32, (pixels.reshape(-1),), (96,))
        assert len(stage.decode(stage.infer(stage.prepare(frame)))) == 0
    finally:
        stage.close()


def test_what_it_is_for_says_which_stage(place):
    stage = stage_for(ModelConfig(place / "model"))
    stage.close()
    assert isinstance(stage, ClassifierStage)
    change(place, task="segmentation")
    with pytest.raises(ConfigError, match="segmentation; allowed: detection, classification"):
        stage_for(ModelConfig(place / "model"))


def test_scores_of_unknown_meaning_are_refused(place):
    change(place, decoding={})
    with pytest.raises(ArtifactError, match="--activation"):
        ClassifierStage(ModelConfig(place / "model"))


def change(place, **facts):
    manifest = place / "model" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **facts}), encoding="utf-8")
