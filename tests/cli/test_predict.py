"""edgevision predict, on a model whose answers are known."""

import json
import shutil

import numpy as np
import pytest

from edgevision.predict import predict


def test_labels_and_scores_as_text(run, artifact, images):
    result = run("predict", artifact.path, images / "green/00.png", "--top", 2)
    assert result.exit_code == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["image", "label", "score"]
    assert lines[1][:2] == [str(images / "green/00.png"), "green"] and float(lines[1][2]) > 0.5
    assert len(lines) == 3


def test_a_folder_as_json(run, artifact, images):
    result = run("predict", artifact.path, images, "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], document["command"], len(document["images"])) == (1, "predict", 36)
    for entry in document["images"]:
        assert entry["classes"][0]["label"] == entry["image"].split("/")[-2]
        assert sum(prediction["score"] for prediction in entry["classes"]) == pytest.approx(1, abs=1e-5)


def test_standard_input(run, artifact, images):
    result = run("predict", artifact.path, "-", "--top", 1, input=(images / "blue/03.png").read_bytes())
    assert result.stderr == ""
    assert result.stdout.splitlines()[1].split()[:3] == ["image", "1", "blue"]


def test_a_file_in_a_folder_that_is_no_image_is_named_and_fails(run, artifact, images, tmp_path):
    shutil.copy(images / "red/00.png", tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((images / "red/01.png").read_bytes()[:60])
    result = run("predict", artifact.path, tmp_path, "--json")
    document = json.loads(result.stdout)
    assert [entry["classes"][0]["label"] for entry in document["images"]] == ["red"]
    assert [entry["image"] for entry in document["skipped"]] == [str(tmp_path / "b.png")]
    assert result.exit_code == 1 and "b.png" in result.stderr


def test_the_process_is_quiet(process, artifact, images):
    """The TFLite runtimes announce their delegates from C++, on standard error."""
    done = process("predict", artifact.path, images / "red/00.png")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "red" in done.stdout


@pytest.mark.parametrize("image", [np.full((4, 6, 3), (10, 20, 200), np.uint8)])
def test_arrays_in_the_library(artifact, image):
    result = predict(artifact, image, top_k=1)
    assert result.images[0].image == "image 1" and result.images[0].classes[0].label == "blue"


def test_needs_no_extra(process, artifact, images):
    """With nothing but the base install: the packages of every extra are made to look absent."""
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'tf_keras', 'openvino', 'nncf', 'onnx', 'cv2', 'scipy', 'matplotlib', 'jinja2'):\n"
        "    sys.modules[name] = None\n"
        "from edgevision.cli import main\n"
        "main()"
    )
    done = process("predict", artifact.path, images / "red/00.png", "--top", 1, code=code)
    assert (done.exit_code, done.stdout.split()[-2]) == (0, "red"), done.stderr
    done = process("evaluate", artifact.path, "--data", images, code=code)
    assert done.exit_code == 0, done.stderr
