"""Test inferences on devices: on this processor for real, on an Edge TPU with a library in place of libedgetpu."""

import json

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.cli import main
from edgevision.devices import Device
from edgevision.optional import available
from edgevision.runtimes import load
from edgevision.tiny_models import tiny_openvino, tiny_tflite
from edgevision.trying import try_devices

SAYS = "BuildLabel(N/A), RuntimeVersion(14)"
TPU = Device("coral:usb:0", "Coral USB Accelerator")
needs_tflite_runtime = pytest.mark.skipif(
    not available("tflite_runtime"), reason="tflite-runtime is not installed: it runs the models of an Edge TPU"
)


def test_the_tiny_tflite_model_answers_its_input(tmp_path):
    values = np.arange(256, dtype=np.uint8).view(np.int8).reshape(1, 8, 8, 4)
    with load(Artifact.describe(tiny_tflite(tmp_path))) as model:
        (answer,) = model.infer([values])
    np.testing.assert_array_equal(answer, values)


def test_the_tiny_openvino_model_doubles_its_input(tmp_path):
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    values = np.arange(8, dtype=np.float32)[None]
    with load(Artifact.describe(tiny_openvino(tmp_path))) as model:
        (answer,) = model.infer([values])
    np.testing.assert_array_equal(answer, 2 * values)


def test_this_processor_with_each_runtime():
    (cpu,) = try_devices([Device("cpu", "Processor")])
    assert cpu.state == "available" and set(cpu.stages.values()) == {"passed"}
    expected = {"tflite"} | ({"openvino"} if available("openvino") else set())
    assert {trial.runtime for trial in cpu.trials} == expected
    assert all(trial.state == "passed" and trial.load_ms > 0 and trial.first_ms > 0 for trial in cpu.trials)


@pytest.fixture
def plugged_in(tpu_library, tmp_path, monkeypatch):
    """An Edge TPU that the library in place of libedgetpu lists."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tpu_library.parent))
    for name, value in (("SAYS", SAYS), ("AT", f"usb={tmp_path}"), ("WANTED", "usb:0")):
        monkeypatch.setenv(f"EDGETPU_{name}", value)


@needs_tflite_runtime
def test_an_edge_tpu_with_a_compiled_model(plugged_in, shared_data):
    model = Artifact.describe(shared_data / "models/coral/split_concat_edgetpu.tflite")
    (tpu,) = try_devices([TPU], model)
    assert tpu.stages["inference"] == "passed" and [trial.runtime for trial in tpu.trials] == ["edgetpu"]


@needs_tflite_runtime
def test_an_edge_tpu_whose_library_crashes(plugged_in, shared_data, monkeypatch):
    monkeypatch.setenv("EDGETPU_CRASHES", "1")
    (tpu,) = try_devices([TPU], Artifact.describe(shared_data / "models/coral/split_concat_edgetpu.tflite"))
    assert (tpu.state, tpu.stage) == ("unusable", "inference")
    assert "edgetpu: " in tpu.reason and "SIGSEGV" in tpu.reason and tpu.fix
    assert list(tpu.stages.values()) == ["passed", "passed", "passed", "failed"]


@needs_tflite_runtime
def test_an_edge_tpu_without_a_compiled_model(monkeypatch):
    monkeypatch.setenv("PATH", "")
    (tpu,) = try_devices([TPU])
    assert tpu.state == "available" and tpu.stages["inference"] == "not tested"
    assert "give one with --model FILE_edgetpu.tflite" in tpu.trials[0].reason


def test_what_is_not_tested():
    closed = Device.unusable("npu", "NPU", "permission", "no group", "join it")
    camera = Device("camera:0", "Webcam")
    dla = Device("dla", "DLA")
    tried = try_devices([closed, camera, dla])
    assert tried[0] is closed and list(closed.stages.values()) == ["passed", "failed", "not reached", "not reached"]
    assert tried[1].trials[0].reason == "edgevision runs no models there"
    assert [device.stages["inference"] for device in tried[1:]] == ["not tested", "not tested"]


def test_as_typed(capsys):
    assert main(["devices", "--test", "--json"], standalone_mode=False) == 0
    cpu = json.loads(capsys.readouterr().out)["devices"][0]
    assert cpu["stages"] == dict.fromkeys(("node", "permission", "driver", "inference"), "passed")
    assert cpu["trials"][0]["runtime"] == "tflite"


def test_a_model_that_nothing_runs(capsys):
    assert main(["devices", "--model", "x.tflite"], standalone_mode=False) == 2
    assert "--test" in capsys.readouterr().err


def test_a_device_is_tested_with_the_runtimes_that_drive_it():
    """A Jetson's GPU is "gpu" as an Intel one is: OpenVINO, which knows nothing of it, must not speak for it."""
    (jetson,) = try_devices([Device("gpu", "Jetson", runtimes=("tensorrt",))])
    assert jetson.state == "available" and "openvino" not in [trial.runtime for trial in jetson.trials]
    if available("openvino"):
        (gone,) = try_devices([Device("gpu", "Intel GPU", runtimes=("openvino",))])
        assert (gone.state, gone.stage) == ("unusable", "inference") and "no such device" in gone.reason
