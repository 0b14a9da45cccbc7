import json

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.errors import ConfigError, DatasetError, DeviceNotFoundError
from edgevision.train.config import TrainingConfig
from edgevision.train.run import train_artifact

CONFIG = TrainingConfig("cnn", width=0.25, epochs=6, batch_size=8, learning_rate=0.02)


@pytest.fixture(scope="module")
def made(stripes, preprocessing, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "stripes"
    return train_artifact(
        stripes.subset(range(150)),
        preprocessing,
        CONFIG,
        out,
        test=stripes.subset(range(150, 192)),
        data_name="stripes",
    )


def test_the_artifact_says_how_it_was_made_and_how_good_it_is(made, preprocessing):
    manifest = Artifact.open(made.path).manifest
    assert (manifest.format, manifest.task, manifest.scheme) == ("keras", "classification", "float32")
    assert manifest.labels == ("across", "down", "plain")
    assert manifest.preprocessing == preprocessing
    (step,) = manifest.lineage
    assert step.parameters["images"] == 150
    assert step.parameters["learning_rate"] == 0.02
    assert {"tensorflow", "tf-keras"} <= set(step.tools)
    test = manifest.metrics["test"]
    assert test["count"] == 42
    assert sum(map(sum, test["confusion"])) == 42
    assert test["accuracy"]["low"] < test["accuracy"]["value"] > 0.6


def test_the_saved_model_gives_the_recorded_accuracy(made, stripes, preprocessing):
    import tf_keras as keras

    model = keras.models.load_model(made.model_file, compile=False)
    inputs = np.stack([preprocessing.apply(stripes.image(i)) for i in range(150, 192)])
    right = np.mean(model.predict(inputs, verbose=0).argmax(1) == stripes.targets[150:])
    assert right == made.manifest.metrics["test"]["accuracy"]["value"]


def test_history_and_state_stay(made):
    history = json.loads((made.path / "history.json").read_text())
    assert [set(record) for record in history["epochs"]] == [{"loss", "accuracy", "seconds"}] * 6
    state = made.path.with_name("stripes.training")
    assert (state / "state.json").exists()
    assert list((state / "tensorboard").iterdir())


def test_a_place_that_is_taken_is_refused_before_any_training(made, stripes, preprocessing):
    with pytest.raises(ConfigError, match="exists"):
        train_artifact(stripes, preprocessing, CONFIG, made.path, progress=lambda *_: pytest.fail("trained"))


def test_a_finished_run_writes_the_same_model_again_without_training(made, stripes, preprocessing):
    again = train_artifact(
        stripes.subset(range(150)),
        preprocessing,
        CONFIG,
        made.path,
        resume=True,
        overwrite=True,
        progress=lambda *_: pytest.fail("trained"),
    )
    assert again.manifest.metrics == {}
    assert json.loads((again.path / "history.json").read_text())["epochs"]


def test_other_classes_in_the_test_part_are_refused(stripes, preprocessing, tmp_path):
    other = stripes.subset(range(9))
    other.labels = ("x", "y", "z")
    with pytest.raises(DatasetError, match="other classes"):
        train_artifact(stripes, preprocessing, CONFIG, tmp_path / "o", test=other)


def test_distributing_without_a_gpu_says_so(stripes, preprocessing, tmp_path):
    tf = pytest.importorskip("tensorflow")
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(DeviceNotFoundError, match=r"no GPU.*train-gpu"):
        train_artifact(stripes, preprocessing, CONFIG, tmp_path / "o", distribute=True)
