"""What is refused, and how it is said; what the artifact and its report hold."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.artifact import Artifact
from edgevision.converters.firmware import firmware
from edgevision.errors import ConfigError, IncompatibleModelError
from edgevision.files import sha256_file


@pytest.fixture
def float_model():
    if "EDGEVISION_DATA" not in os.environ:
        pytest.skip("EDGEVISION_DATA is not set: no MLPerf Tiny models")
    return Path(os.environ["EDGEVISION_DATA"]) / "models/mlperf_tiny/resnet8_cifar10/pretrainedResnet.tflite"


def test_every_unsupported_operator_is_listed_before_anything_is_written(float_model, tmp_path):
    with pytest.raises(IncompatibleModelError) as refused:
        firmware(float_model, tmp_path)
    said = str(refused.value)
    assert "CONV_2D (operator 0): tensor" in said and "ADD (operator 3)" in said and "is float32, not int8" in said
    assert said.count("operator ") >= 15 and "edgevision quantize" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "Cam", "9cam", "for", "cam-1", "a" * 40, None])
def test_a_name_is_a_c_identifier(mlperf_model, tmp_path, name):
    with pytest.raises(ConfigError, match="name of the firmware"):
        firmware(mlperf_model, tmp_path, name=name)


def test_limits_that_do_not_hold_say_who_holds_the_memory(mlperf_model, tmp_path):
    with pytest.raises(IncompatibleModelError, match=r"does not fit: RAM: got [\d,]+ bytes \(.* B.* at once\)"):
        firmware(mlperf_model, tmp_path, max_ram=700)
    with pytest.raises(IncompatibleModelError, match="does not fit: flash"):
        firmware(mlperf_model, tmp_path, max_flash=8000)
    with pytest.raises(ConfigError, match="target: got cortex-m6"):
        firmware(mlperf_model, tmp_path, target="cortex-m6")
    assert list(tmp_path.iterdir()) == []


def test_the_artifact_says_what_it_holds(mlperf_model, tmp_path):
    made = firmware(mlperf_model, tmp_path, name="cam", target="cortex-m4")
    artifact = Artifact.open(tmp_path / "cam-c-static_wi8_ai8")
    report = json.loads((artifact.path / "firmware.json").read_text())
    assert report == made.report and report["model_sha256"] == sha256_file(mlperf_model)
    assert report["macs"] == sum(layer["macs"] for layer in report["layers"]) > 0
    assert sum(row["bytes"] for row in report["ram"]["holders"]) <= report["ram"]["bound_bytes"]
    assert artifact.manifest.source_sha256 == sha256_file(mlperf_model)
    assert artifact.model_file.name == "cam.c" and artifact.manifest.inputs[0].quant is not None
    header = (artifact.path / "cam.h").read_text()
    assert f"#define CAM_ARENA_SIZE {report['ram']['arena_bytes']}U" in header
    with pytest.raises(ConfigError, match="exists"):
        firmware(mlperf_model, tmp_path, name="cam")


def test_the_same_model_gives_the_same_bytes(mlperf_model, tmp_path):
    first, second = (firmware(mlperf_model, tmp_path / str(i), name="cam").artifact for i in range(2))
    assert first.manifest.files == second.manifest.files


@pytest.mark.parametrize("mlperf_model", ["resnet8"], indirect=True)
def test_labels_and_hash_are_in_the_code(mlperf_model, tmp_path):
    names = ["plane", 'a "quoted" \\ name', "überfall", "what??=", *"efghij"]
    adopted = adopt(mlperf_model, tmp_path / "adopted", labels=names, task="classification", activation="softmax")
    made = firmware(adopted, tmp_path / "out", name="cam")
    import ctypes
    import subprocess

    library = tmp_path / "cam.so"
    subprocess.run(
        ["cc", "-std=c99", "-shared", "-fPIC", str(made.artifact.model_file), "-o", str(library)], check=True
    )
    loaded = ctypes.CDLL(str(library))
    labels = (ctypes.c_char_p * 10).in_dll(loaded, "cam_labels")
    assert [label.decode() for label in labels] == names == list(made.artifact.manifest.labels)
    digest = np.ctypeslib.as_array((ctypes.c_uint8 * 32).in_dll(loaded, "cam_model_sha256"))
    assert digest.tobytes().hex() == adopted.sha256
