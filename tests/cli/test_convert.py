"""edgevision prune, quantize and convert: from a Keras model to sealed artifacts."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from edgevision.adopt import adopt
from edgevision.artifact import Artifact

COLORS = ("red", "green", "blue")


def test_convert_writes_a_sealed_artifact(run, keras_artifact, images, tmp_path):
    result = run("convert", keras_artifact.path, "--data", images, "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.stderr
    (conversion,) = json.loads(result.stdout)["conversions"]
    artifact = Artifact.open(conversion["artifact"])
    assert (artifact.manifest.format, artifact.manifest.scheme) == ("tflite", "float32")
    assert artifact.path.name == "colors-tflite-float32"
    assert [step.step for step in artifact.manifest.lineage] == ["adopt", "convert"]
    assert artifact.golden() is not None and "tflite" in artifact.manifest.runtimes
    assert run("verify", artifact.path).exit_code == 0
    assert run("predict", artifact.path, images / "blue/01.png", "--top", 1).stdout.split()[-2] == "blue"


def test_convert_to_onnx(run, keras_artifact, images, tmp_path):
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    result = run("convert", keras_artifact.path, "--to", "onnx", "--data", images, "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    artifact = Artifact.open(tmp_path / "colors-onnx-float32")
    assert "onnxruntime" in artifact.manifest.runtimes
    assert run("verify", artifact.path).exit_code == 0
    assert run("evaluate", artifact.path, "--data", images, "--min-accuracy", 1).exit_code == 0
    quantized = run("quantize", keras_artifact.path, "--to", "onnx", "--data", images, "--out", tmp_path)
    assert quantized.exit_code == 0 and "colors-onnx-static_wi8_ai8" in quantized.stdout, quantized.stderr
    trained = ("--method", "qat", "--epochs", 1, "--out", tmp_path / "qat")
    refused = run("quantize", keras_artifact.path, "--to", "onnx", "--data", images, *trained)
    assert refused.exit_code == 2 and "quantization-aware training: got onnx; allowed: tflite" in refused.stderr


def test_a_bare_keras_file_says_what_is_missing(run, keras_file, tmp_path):
    refused = run("convert", keras_file, "--out", tmp_path)
    assert refused.exit_code == 2 and "preprocessing" in refused.stderr
    assert list(tmp_path.iterdir()) == []
    assert run("convert", keras_file, "--out", tmp_path, "--golden", "none").exit_code == 0
    assert Artifact.open(tmp_path / "colors-tflite-float32").golden() is None


def test_quantize_after_training(run, keras_artifact, images, tmp_path):
    arguments = ("quantize", keras_artifact.path, "--data", images, "--out", tmp_path, "--calibration-count", 18)
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    artifact = Artifact.open(tmp_path / "colors-tflite-static_wi8_ai8")
    assert artifact.manifest.inputs[0].dtype == "int8"
    assert artifact.manifest.lineage[-1].parameters["calibration_samples"] == 18
    accuracy = run("evaluate", artifact.path, "--data", images, "--min-accuracy", 1)
    assert accuracy.exit_code == 0, accuracy.stderr
    again = run(*arguments)
    assert again.exit_code == 2 and "--overwrite" in again.stderr
    assert run(*arguments, "--overwrite", "--io-dtype", "uint8").exit_code == 0
    assert Artifact.open(artifact.path).manifest.inputs[0].dtype == "uint8"


def test_synthetic_samples_need_no_data(run, keras_artifact, tmp_path):
    result = run("quantize", keras_artifact.path, "--scheme", "dynamic_wi8_afp32", "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    golden = Artifact.open(tmp_path / "colors-tflite-dynamic_wi8_afp32").golden()
    assert set(golden.targets) == {None} and all("synthetic" in text for text in golden.provenance)


def test_static_schemes_are_never_calibrated_on_someone_else_s_data(run, keras_artifact, tmp_path):
    refused = run("quantize", keras_artifact.path, "--out", tmp_path)
    assert refused.exit_code == 1 and "needs calibration data and there is none" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_quantize_with_layers_in_float(run, keras_artifact, images, tmp_path):
    arguments = ["quantize", keras_artifact.path, "--data", images, "--calibration-count", 18, "--float-layers", "co*"]
    arguments += ["--calibration-method", "mse", "--calibration-cache", tmp_path / "cache", "--json"]
    for origin in ("measured", "reused"):
        result = run(*arguments, "--out", tmp_path / origin)
        assert result.exit_code == 0, result.stderr
        (report,) = json.loads(result.stdout)["conversions"]
        assert report["skipped"] == [["conv", "stays in float, as asked"]] and report["statistics"] == origin
        assert "skipped conv: stays in float, as asked" in result.stderr


def test_prune_cluster_then_quantize_aware(run, keras_file, images, tmp_path):
    source = adopt(
        keras_file, tmp_path / "s", task="classification", labels=sorted(COLORS), preprocessing={"mean": 128, "std": 64}
    )
    training = ("--epochs", 1, "--batch-size", 12, "--augment", "none", "--layers", "*")
    pruned = run("prune", source.path, "--data", images, "--target-sparsity", 0.5, "--out", tmp_path / "p", *training)
    assert pruned.exit_code == 0, pruned.stderr
    assert "sparsity  0.5" in pruned.stdout and "epoch 1/1  loss" in pruned.stderr
    training = (*training, "--teacher", source.path, "--keep-sparsity")
    clustered = run("cluster", tmp_path / "p", "--data", images, "--clusters", 5, "--out", tmp_path / "c", *training)
    assert clustered.exit_code == 0, clustered.stderr
    assert "clusters  at most 5 values in each of 2 layers" in clustered.stdout
    quantized = run(
        "quantize", tmp_path / "c", "--method", "qat", "--keep-clusters", "--data", images, "--out", tmp_path, *training
    )
    assert quantized.exit_code == 0, quantized.stderr
    artifact = Artifact.open(tmp_path / "colors-tflite-static_wi8_ai8")
    steps = {step.step: step.parameters for step in artifact.manifest.lineage}
    assert list(steps) == ["adopt", "prune", "cluster", "quantize", "convert"]
    assert steps["cluster"]["distillation"] == {"teacher": "colors", "weight": 0.9, "temperature": 4.0}
    assert steps["quantize"]["keep_clusters"] and steps["quantize"]["keep_sparsity"]
    assert "tflite" in artifact.manifest.runtimes


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["quantize", "--scheme", "static_w8_ai8"], "did you mean static_wi8_ai8?"),
        (["quantize", "--method", "qta"], "allowed: ptq, qat"),
        (["quantize", "--to", "tflit"], "did you mean tflite?"),
        (["quantize", "--method", "qat", "--scheme", "float16"], "allowed: static_wi8_ai8"),
        (["quantize", "--method", "qat"], "needs labelled images; name them: --data"),
        (["quantize", "--layers", "conv"], "--layers is for training: got --method ptq; allowed: qat"),
        (["quantize", "--temperature", "2"], "--temperature is for training: got --method ptq"),
        (["quantize", "--epochs", "2"], "--epochs is for training: got --method ptq"),
        (["quantize", "--keep-sparsity"], "--keep-sparsity is for training: got --method ptq"),
        (["quantize", "--scheme", "float16", "--calibration-count", "9"], "changes nothing with --scheme float16"),
        (
            ["quantize", "--scheme", "float16", "--golden", "none", "--data", "sample"],
            "--data changes nothing with --scheme float16 and --golden none",
        ),
        (["quantize", "--to", "openvino", "--calibration-cache", "c"], "changes nothing without --to tflite"),
        (["quantize", "--method", "qat", "--calibration-count", "9"], "is for calibration: got --method qat"),
        (["quantize", "--method", "qat", "--calibration-method", "mse"], "is for calibration: got --method qat"),
        (["quantize", "--method", "qat", "--epochs", "0", "--optimizer", "sgd"], "changes nothing with --epochs 0"),
        (["quantize", "--method", "qat", "--temperature", "2"], "changes nothing without --teacher"),
        (["cluster", "--distillation-weight", "1", "--data", "sample"], "changes nothing without --teacher"),
        (["cluster", "--epochs", "0", "--augment", "none", "--data", "sample"], "changes nothing with --epochs 0"),
        (["prune", "--temperature", "2", "--data", "sample"], "--temperature changes nothing without --teacher"),
        (["prune", "--augment", "flop", "--data", "sample"], "did you mean flip?"),
        (  # before any training
            ["quantize", "--method", "qat", "--to", "openvino", "--io-dtype", "int8"],
            "io_dtype of static_wi8_ai8 for openvino: got int8; allowed: float32",
        ),
        (["quantize", "--method", "qat", "--float-layers", "conv"], "choose the layers when it is trained"),
        (["quantize", "--calibration-method", "entrophy"], "did you mean entropy?"),
        (["quantize", "--to", "openvino", "--calibration-method", "entropy"], "got entropy; allowed: min_max, percent"),
        (["quantize", "--to", "openvino", "--int16-layers", "conv"], "openvino has no int16_layers: got conv"),
        (["quantize", "--scheme", "dynamic_wi8_afp32", "--float-layers", "cnv"], "no layer has this name: got cnv"),
        (["convert", "--scheme", "static_wi8_ai8"], "allowed: float32, float16"),
        (["convert", "--golden", "date"], "did you mean data?"),
        (["prune", "--target-sparsity", "1.5", "--data", "sample"], "1.5"),
        (["prune", "--layers", "nothing", "--data", "sample"], "nothing"),
        (["prune", "--pattern", "n_m", "--n-m", "2-4", "--data", "sample"], "two whole numbers, such as 2:4"),
        (
            ["prune", "--pattern", "n_m", "--n-m", "2:4", "--schedule", "polynomial", "--data", "sample"],
            "--schedule is constant with --pattern n_m: got polynomial",
        ),
        (["prune", "--n-m", "2:4", "--data", "sample"], "n_m of the sparsity pattern unstructured"),
        (["cluster", "--centroids", "kmeans", "--data", "sample"], "did you mean kmeans++?"),
        (["cluster", "--clusters", "1", "--data", "sample"], "1 is not in the range 2<=x<=256"),
        (["convert", "--sparse-encoding", "--to", "openvino"], "scheme with sparse_encoding for openvino: got float32"),
    ],
)
def test_options_that_make_no_sense(run, keras_artifact, tmp_path, arguments, says):
    command, *options = arguments
    result = run(command, keras_artifact.path, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2, result.stderr
    assert says in result.stderr and len(result.stderr.splitlines()) <= 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("absent", "extra"), [("tensorflow", "train"), ("tf_keras", "train")])
def test_a_missing_extra_is_named(process, keras_artifact, tmp_path, absent, extra):
    code = f"import sys\nsys.modules[{absent!r}] = None\nfrom edgevision.cli import main\nmain()"
    done = process("convert", keras_artifact.path, "--golden", "none", "--out", tmp_path / "out", code=code)
    assert done.exit_code == 1, done.stderr
    assert f'pip install "edgevision[{extra}]"' in done.stderr and len(done.stderr.splitlines()) <= 2
    assert list(tmp_path.iterdir()) == []


HELD_WHILE_WRITING = """
import os, time
from edgevision.cli import main

def hold(descriptor):
    open(os.environ["MARKER"], "w").close()
    time.sleep(60)

os.fsync = hold
main()
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle_nothing_is_half_written(keras_artifact, images, tmp_path, number, status):
    """The signal comes when the files are written and not yet in place: the process is held where it flushes them."""
    out, marker = tmp_path / "out", tmp_path / "marker"
    arguments = ["convert", keras_artifact.path, "--data", images, "--out", out]
    with subprocess.Popen(
        [sys.executable, "-c", HELD_WHILE_WRITING, *map(str, arguments)],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "MARKER": str(marker)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell has it ignored
    ) as started:  # fmt: skip
        deadline = time.monotonic() + 120
        while not marker.exists() and started.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [name.startswith(".") for name in os.listdir(out)] == [True]
        started.send_signal(number)
        message = started.communicate(timeout=60)[1].strip()
    assert started.returncode == status
    word = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
    assert message == f"edgevision: {word}; nothing was half-written"
    assert os.listdir(out) == []


def test_both_formats_at_once_and_nothing_else_on_the_screen(process, keras_artifact, images, tmp_path):
    """TensorFlow, NNCF and OpenVINO print, log and draw progress bars; none of it reaches the user."""
    done = process(
        "quantize", keras_artifact.path, "--data", images, "--to", "tflite", "--to", "openvino", "--out", tmp_path,
        "--calibration-count", 18, "--json",
    )  # fmt: skip
    assert (done.exit_code, done.stderr) == (0, ""), done.stderr
    found = {entry["format"]: Artifact.open(entry["artifact"]) for entry in json.loads(done.stdout)["conversions"]}
    assert {name: list(artifact.manifest.runtimes) for name, artifact in found.items()} == {
        "tflite": ["tflite"],
        "openvino": ["openvino"],
    }
