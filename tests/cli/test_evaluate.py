"""edgevision evaluate, on a model whose answers are known."""

import json
import shutil

import numpy as np
import pytest

from edgevision.data.classes import match_targets
from edgevision.data.locate import open_dataset
from edgevision.errors import DatasetError
from edgevision.evaluate import evaluate


@pytest.fixture
def one_wrong(images, tmp_path):
    """The images, with one red one among the green."""
    folder = tmp_path / "images"
    shutil.copytree(images, folder)
    shutil.copy(folder / "red/00.png", folder / "green/zz.png")
    return folder


def test_every_answer_is_right(run, artifact, images):
    result = run("evaluate", artifact.path, "--data", images)
    assert result.exit_code == 0, result.stderr
    assert "accuracy           100.00% (95% interval 90.36% to 100.00%)" in result.stdout


def test_json_has_the_confusion(run, artifact, one_wrong):
    document = json.loads(run("evaluate", artifact.path, "--data", one_wrong, "--json").stdout)
    metrics = document["classification"]
    # A folder's classes are in alphabetical order, the model's are red, green, blue: matched by name.
    assert metrics["confusion"] == [[12, 0, 0], [1, 12, 0], [0, 0, 12]]
    assert metrics["accuracy"]["successes"] == 36 and metrics["accuracy"]["count"] == 37
    assert 0 < metrics["ece"] < 1 and metrics["log_loss"] > 0
    assert document["facts"]["threads"] == 1


def test_a_check_that_does_not_hold(run, artifact, one_wrong):
    arguments = ("evaluate", artifact.path, "--data", one_wrong, "--min-accuracy")
    assert run(*arguments, 0.97).exit_code == 0
    failed = run(*arguments, 0.98)
    assert failed.exit_code == 3
    assert failed.stderr.strip() == "edgevision: check failed: accuracy 0.9730 is lower than 0.98"


def test_some_of_the_images(run, artifact, images):
    document = json.loads(run("evaluate", artifact.path, "--data", images, "--count", 6, "--json").stdout)
    assert [entry["support"] for entry in document["classification"]["per_class"]] == [2, 2, 2]


def test_scores_and_progress_in_the_library(artifact, images):
    seen = []
    result = evaluate(artifact, open_dataset(images), progress=lambda done, total: seen.append((done, total)))
    assert result.scores.shape == (36, 3) and result.scores.dtype == np.float32
    assert result.predicted.tolist() == result.targets.tolist() == result.scores.argmax(axis=1).tolist()
    assert seen[-1] == (36, 36)


def test_targets_follow_the_model_s_labels(images):
    dataset = open_dataset(images)
    assert dataset.labels == ("blue", "green", "red")
    assert match_targets(dataset, ("green", "red", "blue"), 3)[[0, 12, 24]].tolist() == [2, 0, 1]
    assert match_targets(dataset, None, 3).tolist() == dataset.targets.tolist()
    with pytest.raises(DatasetError, match="a class that the model does not know: got blue; allowed: green, red"):
        match_targets(dataset, ("green", "red"), 2)
    with pytest.raises(DatasetError, match="another number of classes"):
        match_targets(dataset, None, 10)
