"""The example programs run as they are, and give the figures that were recorded, within tolerances."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgevision import Artifact
from edgevision.shipped import shipped_model

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CNN_ACCURACY, CNN_TOLERANCE = 0.45, 0.08  # after 6 epochs on 1,600 images
MAX_INT8_SHARE = 0.32  # of the bytes of the float model
MAX_INT8_LOSS = 0.02  # of accuracy on 1,000 images


@pytest.fixture(scope="session")
def shipped_accuracy() -> float:
    """What the shipped model was measured at when it was trained, 0 to 1."""
    return Artifact.open(shipped_model()).manifest.metrics["test"]["accuracy"]["value"]


@pytest.mark.slow
def test_train(example, tmp_path):
    printed = example("train.py", tmp_path)
    accuracy = float(re.search(r"test accuracy ([\d.]+)", printed)[1])
    assert accuracy == pytest.approx(CNN_ACCURACY, abs=CNN_TOLERANCE)
    artifact = Artifact.open(tmp_path / "cnn")
    assert artifact.manifest.labels[3] == "cat" and artifact.manifest.lineage[0].step == "train"


@pytest.mark.slow
def test_compress(example, tmp_path, shipped_accuracy):
    printed = example("compress.py", tmp_path)
    lines = re.findall(r"(\w+): (\d+) bytes, accuracy ([\d.]+) .*, (\w+)$", printed, re.MULTILINE)
    assert [(scheme, verdict) for scheme, _, _, verdict in lines] == [("float32", "holds"), ("static_wi8_ai8", "holds")]
    (_, float_bytes, float_accuracy, _), (_, int8_bytes, int8_accuracy, _) = lines
    assert int(int8_bytes) <= MAX_INT8_SHARE * int(float_bytes)
    assert float(float_accuracy) == pytest.approx(shipped_accuracy, abs=0.05)
    assert float(int8_accuracy) >= float(float_accuracy) - MAX_INT8_LOSS


@pytest.mark.slow
def test_benchmark(example, tmp_path):
    printed = example("benchmark.py", tmp_path)
    medians = re.findall(r"(\w+): p50 ([\d.]+) ms, (?:p99 ([\d.]+) ms|too few for a p99), (\d+) inferences", printed)
    assert [scheme for scheme, *_ in medians] == ["float32", "static_wi8_ai8"]
    for _, p50, p99, count in medians:
        assert 0 < float(p50) <= float(p99 or "inf") and int(count) >= 100
        assert bool(p99) == (int(count) >= 662)
    assert "in turns of 50 ms in random order" in printed


def test_predict(example, shipped_accuracy):
    printed = example("predict.py")
    right = int(re.search(r"(\d+) of 50 right", printed)[1])
    assert right / 50 == pytest.approx(shipped_accuracy, abs=0.2)


def test_predict_with_a_model_and_images_of_one_s_own(example, tmp_path):
    from PIL import Image

    from edgevision import open_dataset

    Image.fromarray(open_dataset("sample", "test").image(0)).save(tmp_path / "mine.png")
    printed = example("predict.py", shipped_model(), "mine.png")
    assert re.match(r"mine\.png: \w+ [\d.]+, \w+ [\d.]+, \w+ [\d.]+\n$", printed)


@pytest.mark.parametrize("words", ["people_in_zone.py", "driving.py", "traffic_signs.py", "predict.py MODEL"])
def test_without_what_it_needs_a_program_says_how_it_is_started(words):
    name, *given = words.split()
    done = subprocess.run([sys.executable, EXAMPLES / name, *given], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and f"python examples/{name}" in done.stderr and "Traceback" not in done.stderr
