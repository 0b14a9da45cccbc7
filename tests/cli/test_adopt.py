"""edgevision adopt and inspect: bare model files, and what their owner declares."""

import json

import pytest

from edgevision.adopt import adopt, read_labels
from edgevision.artifact import Artifact
from edgevision.errors import ConfigError


def test_adopt_declares_what_predict_asks_for(run, tflite_file, images, tmp_path):
    image = images / "green/00.png"
    asked = run("predict", tflite_file, image)
    assert asked.exit_code == 1
    assert "task, preprocessing, labels unknown" in asked.stderr
    assert "edgevision adopt MODEL --task classification --mean … --std … --labels …" in asked.stderr
    adopted = run(
        "adopt", tflite_file, "--out", tmp_path / "m", "--task", "classification", "--labels", "red,green,blue",
        "--mean", 128, "--std", "64,64,64", "--activation", "softmax",
    )  # fmt: skip
    assert adopted.exit_code == 0, adopted.stderr
    assert "green" in run("predict", tmp_path / "m", image, "--top", 1).stdout


def test_what_is_not_declared_stays_unknown(run, tflite_file, tmp_path):
    run("adopt", tflite_file, "--out", tmp_path / "m")
    manifest = Artifact.open(tmp_path / "m").manifest
    assert (manifest.task, manifest.labels, manifest.preprocessing, dict(manifest.decoding)) == (None, None, None, {})
    assert manifest.inputs[0].layout == "NHWC" and manifest.inputs[0].shape == (1, 8, 8, 3)
    asked = run("evaluate", tmp_path / "m", "--data", "sample")
    assert asked.exit_code == 1 and "task, preprocessing unknown" in asked.stderr


def test_one_preprocessing_option_declares_all_of_it(run, tflite_file, tmp_path):
    run("adopt", tflite_file, "--out", tmp_path / "m", "--color", "BGR")
    preprocessing = Artifact.open(tmp_path / "m").manifest.preprocessing
    assert (preprocessing.height, preprocessing.width, preprocessing.color) == (8, 8, "BGR")
    assert preprocessing.mean == (0.0, 0.0, 0.0) and preprocessing.resize == "stretch"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--labels", "cat,dog"], "labels: got 2 labels; allowed: 3, one per class"),
        (["--labels", "/nonexistent.txt"], "labels: got /nonexistent.txt (No such file or directory)"),
        (["--mean", "1,2"], "preprocessing: mean has one finite number per channel of RGB"),
        (["--mean", "one"], "--mean: got one; allowed: a number, or three with commas"),
        (["--std", "0"], "preprocessing: std is positive"),
        (["--filter", "bilinar", "--mean", "1"], "did you mean bilinear?"),
        (["--color", "GRAY"], "disagree on C"),
        (["--layout", "NCHW", "--mean", "0"], "disagree on C"),
        (["--resize", "leterbox"], "did you mean letterbox?"),
    ],
)
def test_declarations_that_make_no_sense(run, tflite_file, tmp_path, options, says):
    result = run("adopt", tflite_file, "--out", tmp_path / "m", *options)
    assert result.exit_code == 2 and says in result.stderr, result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_artifact_is_not_overwritten_unasked(run, tflite_file, tmp_path):
    assert run("adopt", tflite_file, "--out", tmp_path / "m").exit_code == 0
    refused = run("adopt", tflite_file, "--out", tmp_path / "m", "--name", "other")
    assert refused.exit_code == 2 and "--overwrite" in refused.stderr
    assert Artifact.open(tmp_path / "m").manifest.name == "colors"
    assert run("adopt", tflite_file, "--out", tmp_path / "m", "--name", "other", "--overwrite").exit_code == 0
    assert Artifact.open(tmp_path / "m").manifest.name == "other"


def test_adopting_an_adopted_file_is_the_same_model(tflite_file, artifact, tmp_path):
    again = adopt(artifact.model_file, tmp_path / "again")
    assert again.sha256 == artifact.sha256 == Artifact.describe(tflite_file).sha256


def test_labels_from_a_file(tmp_path):
    (tmp_path / "labels.txt").write_text("traffic light\n\n stop sign \n", encoding="utf-8")
    assert read_labels(str(tmp_path / "labels.txt")) == ("traffic light", "stop sign")
    assert read_labels("cat, dog") == ("cat", "dog")
    (tmp_path / "none.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="which has none"):
        read_labels(str(tmp_path / "none.txt"))
    with pytest.raises(ConfigError, match="not a text file"):
        (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01\x81")
        read_labels(str(tmp_path / "binary"))


def test_inspect_an_artifact(run, artifact):
    text = run("inspect", artifact.path).stdout
    assert "labels         3: red, green, blue" in text
    assert "preprocessing  8×8 RGB, stretch (bilinear), mean 128, 128, 128, std 64, 64, 64" in text
    assert "1×8×8×3" in text and "NHWC" in text
    document = json.loads(run("inspect", artifact.path / "manifest.json", "--json").stdout)
    assert document["command"] == "inspect" and document["schema"] == 1
    assert document["manifest"] == artifact.manifest.to_dict() | {"labels": ["red", "green", "blue"]}
    assert document["bytes"] == artifact.bytes


def test_inspect_a_bare_file(run, tflite_file):
    text = run("inspect", tflite_file).stdout
    assert "format         tflite" in text and "labels         unknown" in text
