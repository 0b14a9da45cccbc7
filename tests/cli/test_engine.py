"""edgevision convert, quantize and compile for TensorRT, typed: what is written without it, and what is refused."""

import json
import shutil

import pytest

from edgevision.artifact import Artifact
from edgevision.converters.tensorrt.plan import read_plan
from edgevision.converters.tensorrt.trtexec import find_trtexec
from edgevision.optional import available


@pytest.fixture
def no_tensorrt():
    if available("tensorrt") or find_trtexec() is not None:
        pytest.skip("TensorRT is installed here: tests/hardware has what then holds")


@pytest.fixture(scope="module")
def plan(run, keras_artifact, images, tmp_path_factory):
    """An int8 plan for a DLA, made from the command line."""
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    out = tmp_path_factory.mktemp("plan")
    result = run(
        "quantize", keras_artifact.path, "--data", images, "--to", "tensorrt-plan", "--dla", 1, "--no-gpu-fallback",
        "--tensorrt-version", "10.3", "--workspace-mib", 128, "--out", out, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    (conversion,) = json.loads(result.stdout)["conversions"]
    return Artifact.open(conversion["artifact"])


def test_options_reach_the_plan(plan):
    assert plan.path.name == "colors-tensorrt-plan-static_wi8_ai8" and plan.golden() is not None
    settings = read_plan(plan).recipe.settings
    assert (settings.dla, settings.gpu_fallback, settings.workspace_mib, settings.tensorrt_version) == (
        1, False, 128, "10.3",
    )  # fmt: skip
    assert plan.manifest.lineage[-1].parameters["engine"]["dla"] == 1
    script = (plan.path / "build.sh").read_text()
    assert "--useDLACore=1" in script and "--allowGPUFallback" not in script and "workspace:128" in script


def test_without_tensorrt_an_engine_is_refused_with_the_ways(run, keras_artifact, images, plan, no_tensorrt, tmp_path):
    made = run("convert", keras_artifact.path, "--to", "tensorrt", "--data", images, "--out", tmp_path)
    assert made.exit_code == 1 and "--to tensorrt-plan" in made.stderr and "python3-libnvinfer" in made.stderr
    built = run("compile", plan.path, "--target", "tensorrt", "--out", tmp_path)
    assert built.exit_code == 1 and "TensorRT is not here" in built.stderr
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "tflite", "--dla", 0), "--dla is for TensorRT: got --to tflite; allowed: tensorrt or tensorrt-plan"),
        (("--to", "tensorrt-plan", "--dla", 0, "--tensorrt-version", "10.3"), "computes in float16 and int8"),
        (("--to", "tensorrt-plan", "--dla", 0, "--scheme", "float16"), "--tensorrt-version 10.3"),
        (("--to", "tensorrt-plan", "--tensorrt-version", "new"), "a release of TensorRT: got new"),
        (("--to", "tensorrt-plan", "--int8-from", "table"), "int8_from is for int8"),
        (("--to", "tensorrt-plan", "--no-gpu-fallback"), "gpu_fallback is for a DLA"),
        (("--to", "tensorrt-plan", "--sparse-weights"), "no layer is 2:4 sparse"),
    ],
)
def test_options_that_do_not_go_together_are_usage_errors(run, keras_artifact, tmp_path, arguments, said):
    result = run("convert", keras_artifact.path, "--golden", "none", "--out", tmp_path, *arguments)
    assert result.exit_code == 2 and said in result.stderr
    assert not any(tmp_path.iterdir())


def test_other_formats_take_no_harm_from_the_options(run, keras_artifact, tmp_path):
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    both = ("--to", "onnx", "--to", "tensorrt-plan", "--timing-cache", "a.cache", "--golden", "none")
    result = run("convert", keras_artifact.path, *both, "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "engine" not in Artifact.open(tmp_path / "colors-onnx-float32").manifest.lineage[-1].parameters


def test_compile_wants_a_plan(run, plan, keras_artifact, tmp_path):
    refused = run("compile", keras_artifact.path, "--target", "tensorrt", "--out", tmp_path)
    assert refused.exit_code == 1 and "neither a plan" in refused.stderr
    vela = run("compile", plan.path, "--target", "tensorrt", "--memory-mode", "Shared_Sram", "--out", tmp_path)
    assert vela.exit_code == 2 and "--memory-mode is for Ethos-U" in vela.stderr
    copy = tmp_path / "copy"
    shutil.copytree(plan.path, copy)
    (copy / "calibration.table").write_text("TRT-100300-EntropyCalibration2\nimage: 3f800000\n")
    changed = run("compile", copy, "--target", "tensorrt", "--out", tmp_path)
    assert changed.exit_code == 1 and "calibration.table" in changed.stderr


def test_a_plan_runs_here_like_any_onnx_artifact(run, plan, images):
    done = run("check", plan.path, "--profile", "jetson-agx-orin", "--json")
    assert done.exit_code == 0, done.stderr
    assert run("evaluate", plan.path, "--data", images, "--min-accuracy", 1).exit_code == 0
