"""The benchmark of the layer itself: it runs, compares what is comparable, and its exit status says what it found."""

import json
import subprocess
import sys

import numpy as np
import pytest


def test_the_script_compares_on_both_runtimes(repository, tmp_path):
    tf = pytest.importorskip("tensorflow", reason="the extra train is not installed")
    kernel = tf.constant(np.ones((3, 3, 3, 4), np.float32))
    function = tf.function(lambda image: tf.nn.conv2d(image, kernel, 1, "SAME"))
    concrete = function.get_concrete_function(tf.TensorSpec((1, 16, 16, 3), tf.float32, "image"))
    (tmp_path / "m.tflite").write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())
    script = repository / "benchmarks" / "infer_overhead.py"
    command = [sys.executable, script, tmp_path / "m.tflite", "--calls", "50", "--attempts", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    assert done.returncode == (0 if document["held"] else 3)
    for row in document["rows"]:
        assert row["calls"] == 50
        assert row["ratio"] == pytest.approx(row["infer_p50_ms"] / row["hand_p50_ms"])
        assert row["held"] == (row["ratio"] <= document["bound"] and abs(row["control"] - 1) <= 0.01)
        assert row["facts"]["threads"] == 1


def test_a_file_that_is_no_model(repository, tmp_path):
    (tmp_path / "m.tflite").write_text("no model")
    script = repository / "benchmarks" / "infer_overhead.py"
    done = subprocess.run([sys.executable, script, tmp_path / "m.tflite"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "m.tflite" in done.stderr
