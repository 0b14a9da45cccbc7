"""What is written: the same bytes for the same artifact, an artifact itself, and refusals that name what there is."""

import json
import subprocess
import sys

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.artifact import Artifact
from edgevision.cli import main
from edgevision.converters.linux import linux_project
from edgevision.converters.linux.model import DECODERS
from edgevision.errors import ArtifactError, ConfigError, IncompatibleModelError
from edgevision.preprocessing import Preprocessing


def contents(project):
    return {file.relative_to(project.path): file.read_bytes() for file in project.path.rglob("*") if file.is_file()}


def test_the_same_artifact_gives_the_same_bytes(classifier, tmp_path):
    artifact = classifier()
    first, again = (linux_project(artifact, tmp_path / place, name="cam") for place in ("a", "b"))
    assert contents(first) == contents(again)
    texts = [name for name in contents(first) if name.suffix in (".h", ".c", ".cpp")]
    assert len(texts) > 25
    assert all(b"SPDX-License-Identifier: Apache-2.0" in contents(first)[name][:60] for name in texts)


def test_sources_do_not_depend_on_the_model(classifier, tmp_path):
    first, other = (linux_project(classifier(std=(std,)), tmp_path / str(std), name="cam") for std in (1.0, 9.0))
    changed = {str(name) for name, content in contents(first).items() if contents(other)[name] != content}
    assert {name.split("/")[0] for name in changed} <= {"model", "selftest", "manifest.json"}
    assert {"model/ev.conf", "model/input.table"} <= changed


def test_the_project_is_an_artifact_with_the_same_model(classifier, tmp_path):
    artifact = classifier()
    project = Artifact.open(linux_project(artifact, tmp_path, name="cam").path)
    assert project.sha256 == artifact.sha256 and project.manifest.preprocessing == artifact.manifest.preprocessing
    assert project.manifest.lineage[-1].parameters == {"target": "linux", "name": "cam"}
    from edgevision.predict import predict

    image = np.full((20, 30, 3), (0, 200, 0), np.uint8)
    assert predict(project, image).images[0].classes == predict(artifact, image).images[0].classes


def test_the_table_is_what_preprocessing_makes_of_pixels(classifier, tmp_path):
    artifact = classifier(mean=(10.0, 20.0, 30.0), std=(3.0, 5.0, 7.0), color="BGR")
    project = linux_project(artifact, tmp_path, name="cam")
    table = np.fromfile(project.path / "model/input.table", "<f4").reshape(3, 256)
    np.testing.assert_array_equal(table, artifact.manifest.preprocessing.table)


def test_a_place_that_is_taken_is_kept_unless_told(classifier, tmp_path):
    artifact = classifier()
    project = linux_project(artifact, tmp_path, name="cam")
    with pytest.raises(ConfigError, match="cam-linux exists"):
        linux_project(artifact, tmp_path, name="cam")
    assert linux_project(artifact, tmp_path, name="cam", overwrite=True).path == project.path


@pytest.mark.parametrize("name", ["", "Cam", "../x", "a b", "x" * 32])
def test_names_that_make_no_sense(classifier, tmp_path, name):
    with pytest.raises(ConfigError, match="name of the project"):
        linux_project(classifier(), tmp_path / "out", name=name)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def detector(make_rows, tmp_path):
    """detector(decoding): an artifact of 64 rows of 12 numbers, which says that it has this decoding."""
    artifact = adopt(
        make_rows(16, 16, 64), tmp_path / "net", task="detection", decoder="yolov8", layout="NCHW",
        preprocessing=Preprocessing(16, 16),
    )  # fmt: skip
    return lambda **decoding: artifact.update(decoding=decoding)


def test_a_decoder_that_is_not_there_is_refused_with_those_that_are(detector, tmp_path):
    with pytest.raises(IncompatibleModelError, match="not there in C") as caught:
        linux_project(detector(decoder="nanodet"), tmp_path, name="cam")
    assert caught.value.got == "nanodet" and caught.value.allowed == DECODERS
    assert not (tmp_path / "cam-linux").exists()


def test_anchors_are_refused(detector, tmp_path):
    with pytest.raises(IncompatibleModelError, match="yolov5 with anchors"):
        linux_project(detector(decoder="yolov5", anchors=[[[10, 13]]], strides=[8]), tmp_path, name="cam")


def test_outputs_of_another_model_are_refused(detector, tmp_path):
    with pytest.raises(IncompatibleModelError, match="another kind of model"):
        linux_project(detector(decoder="yolox"), tmp_path, name="cam")
    with pytest.raises(IncompatibleModelError, match="got 1 outputs"):
        linux_project(detector(decoder="tflite_detection_postprocess"), tmp_path, name="cam")
    with pytest.raises(ConfigError, match="no decoder"):
        linux_project(detector(), tmp_path, name="cam")


def test_other_tasks_and_formats_are_refused(make_onnx, tmp_path, repository):
    file = tmp_path / "net.onnx"
    file.write_bytes(make_onnx())
    with pytest.raises(ArtifactError, match=r"preprocessing, task, inputs, outputs unknown.*edgevision adopt"):
        linux_project(file, tmp_path, name="cam")
    artifact = adopt(
        file, tmp_path / "net", task="embedding", layout="NCHW", preprocessing=Preprocessing(8, 8)
    )  # fmt: skip
    with pytest.raises(IncompatibleModelError, match="got task embedding; allowed: classification, detection"):
        linux_project(artifact, tmp_path, name="cam")
    with pytest.raises(IncompatibleModelError, match="got keras; allowed: openvino, onnx, tflite"):
        linux_project(repository / "edgevision/assets/resnet8", tmp_path, name="cam")


def test_a_damaged_artifact_is_refused(classifier, tmp_path):
    artifact = classifier()
    artifact.model_file.write_bytes(artifact.model_file.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match="changed since it was made"):
        linux_project(artifact.path, tmp_path, name="cam")


def test_the_command_says_how_to_build(classifier, tmp_path, capsys):
    artifact = classifier()
    words = ["firmware", str(artifact.path), "--target", "linux", "--out", str(tmp_path), "--name"]
    assert main([*words, "cam"], standalone_mode=False) == 0
    told = capsys.readouterr().out
    assert "OpenVINO's C runtime" in told and f"cmake -S {tmp_path / 'cam-linux'} -B build" in told
    assert main([*words, "b", "--json"], standalone_mode=False) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["firmware"] == {"target": "linux", "name": "b"}


@pytest.mark.parametrize("words", [["--max-ram", "128K"], ["--filter", "nearest"], ["--backend", "c99"]])
def test_options_for_microcontrollers_are_refused(classifier, tmp_path, capsys, words):
    artifact = classifier()
    command = ["firmware", str(artifact.path), "--target", "linux", "--out", str(tmp_path / "out"), *words]
    assert main(command, standalone_mode=False) == 2
    assert f"{words[0]} is for microcontrollers, not for --target linux; leave it out" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_writing_loads_no_runtime(classifier, tmp_path):
    artifact = classifier()
    code = (
        "import sys; from edgevision.converters.linux import linux_project;"
        f"linux_project({str(artifact.path)!r}, {str(tmp_path)!r}, name='cam');"
        "print(sorted({'openvino', 'tensorflow', 'ai_edge_litert', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
