"""Models of every origin at the command line: what can be made of them, and what is said where something cannot."""

import json

import pytest

from edgevision.artifact import Artifact

COLORS = "red,green,blue"


@pytest.fixture
def odd(tmp_path):
    """A file of Keras 3 with a layer that tf_keras lacks."""
    keras = pytest.importorskip("keras")
    layers = [keras.layers.Conv2D(4, 3), keras.layers.RMSNormalization(name="odd")]
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, activation="softmax")]
    keras.Sequential([keras.Input((8, 8, 3), name="image"), *layers, *head]).save(tmp_path / "odd.keras")
    return tmp_path / "odd.keras"


def test_an_onnx_file_is_adopted_quantized_evaluated_and_predicts(run, make_onnx, images, tmp_path):
    pytest.importorskip("nncf")
    (tmp_path / "colors.onnx").write_bytes(make_onnx())
    declared = ("--task", "classification", "--labels", COLORS, "--mean", 128, "--std", 64, "--layout", "NCHW")
    adopted = run("adopt", tmp_path / "colors.onnx", "--out", tmp_path / "a", "--activation", "softmax", *declared)
    assert adopted.exit_code == 0, adopted.stderr
    options = ("--data", images, "--to", "openvino", "--calibration-count", 18, "--out", tmp_path)
    made = run("quantize", tmp_path / "a", *options, "--json")
    assert made.exit_code == 0, made.stderr
    artifact = json.loads(made.stdout)["conversions"][0]["artifact"]
    assert Artifact.open(artifact).manifest.inputs[0].layout == "NCHW"
    for model in (artifact, tmp_path / "a"):  # the float file runs as it is
        checked = run("evaluate", model, "--data", images, "--min-accuracy", 1)
        assert checked.exit_code == 0, checked.stderr
    assert run("verify", artifact).exit_code == 0
    assert run("predict", artifact, images / "blue/01.png", "--top", 1).stdout.split()[-2] == "blue"
    refused = run("quantize", tmp_path / "a", "--data", images, "--to", "tflite", "--out", tmp_path)
    assert refused.exit_code == 2 and "tflite is not made from such a model: got onnx" in refused.stderr


def test_a_bare_tflite_file_is_quantized_without_its_keras_model(run, tflite_file, tmp_path):
    pytest.importorskip("ai_edge_quantizer")
    arguments = ("quantize", tflite_file, "--scheme", "dynamic_wi8_afp32", "--golden", "none", "--out", tmp_path)
    done = run(*arguments)
    assert done.exit_code == 0, done.stderr
    lineage = Artifact.open(tmp_path / "colors-tflite-dynamic_wi8_afp32").manifest.lineage
    assert lineage[0].parameters == {"from": "tflite"}
    unknown = run("quantize", tflite_file, "--data", "sample", "--out", tmp_path)
    assert unknown.exit_code == 2 and "preprocessing" in unknown.stderr


def test_a_layer_that_tf_keras_lacks_is_named_and_the_file_converted_as_it_is(run, odd, images, tmp_path):
    done = run("convert", odd, "--golden", "none", "--out", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert "layer odd (RMSNormalization) cannot be translated into tf_keras" in done.stderr
    assert "converted as Keras 3 has it" in done.stderr
    assert Artifact.open(tmp_path / "odd-tflite-float32").manifest.lineage[0].parameters["from"] == "keras3"
    for command in (("prune", odd), ("quantize", odd, "--method", "qat", "--golden", "none")):
        refused = run(*command, "--data", images, "--out", tmp_path / "other")
        assert refused.exit_code == 1 and not (tmp_path / "other").exists()
        assert "layer odd (RMSNormalization) cannot be translated" in refused.stderr
        assert "quantize --method ptq" in refused.stderr


def test_what_changes_layers_says_that_other_files_have_none_that_it_knows(run, tflite_file, images, tmp_path):
    refused = run("prune", tflite_file, "--data", images, "--out", tmp_path / "p")
    assert refused.exit_code == 1 and "not a Keras model: got tflite" in refused.stderr
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").write_bytes(b"\x08\x01")
    refused = run("prune", tmp_path / "saved", "--data", images, "--out", tmp_path / "p")
    assert refused.exit_code == 1 and "SavedModel" in refused.stderr and "edgevision convert" in refused.stderr
