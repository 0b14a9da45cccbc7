"""``edgevision train`` from the command line, on a few coloured images."""

import json

import numpy as np
import pytest
from PIL import Image

from edgevision.artifact import Artifact


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    """Three classes of noisy 16×16 images, in a folder that is divided into train and test."""
    root, rng = tmp_path_factory.mktemp("colors"), np.random.default_rng(0)
    for split, count in (("train", 16), ("test", 6)):
        for channel, label in enumerate(("red", "green", "blue")):
            (root / split / label).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 90, (16, 16, 3), np.uint8)
                pixels[..., channel] += 120
                Image.fromarray(pixels).save(root / split / label / f"{index}.png")
    return root


def options(data, out):
    return ("train", "--data", data, "--architecture", "cnn", "--width", "0.25", "--batch-size", "8", "--out", out)


def test_it_trains_evaluates_and_resumes(process, colors, tmp_path):
    out = tmp_path / "runs" / "colors"
    command = (*options(colors, out), "--epochs", "6", "--learning-rate", "0.02", "--json")
    done = process(*command)
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["metrics"]["count"] == 18
    assert document["metrics"]["accuracy"]["value"] > 0.5
    assert done.stderr.count("epoch ") == 6
    assert Artifact.open(out).manifest.labels == ("blue", "green", "red")

    taken = process(*command)
    assert (taken.exit_code, taken.stdout) == (2, "")
    assert "exists" in taken.stderr

    again = process(*command, "--resume", "--overwrite")
    assert again.exit_code == 0, again.stderr
    assert again.stderr.count("epoch ") == 0
    assert json.loads(again.stdout)["metrics"] == document["metrics"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--architecture", "cnm"), "did you mean cnn"),
        (("--epochs", "0"), "epochs"),
        (("--learning-rate", "nan"), "learning"),
        (("--batch-size", "500"), "1..48"),
        (("--patience", "2"), "validation"),
        (("--frozen-epochs", "1"), "pretrained"),
        (("--data", "/nowhere"), "no dataset at /nowhere"),
    ],
)
def test_what_cannot_train_is_refused_before_anything_is_written(run, colors, tmp_path, extra, message):
    done = run(*options(colors, tmp_path / "out"), *extra)
    assert done.exit_code in (1, 2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert not list(tmp_path.iterdir())
