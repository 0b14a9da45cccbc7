"""Running the command line, and a model and images whose every answer is known."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from edgevision.adopt import adopt
from edgevision.artifact import Artifact
from edgevision.cli import main

COLORS = ("red", "green", "blue")


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    """Runs a command line in this process: run("predict", path) gives exit_code, stdout, stderr."""

    def run(*args: object, application=main, **settings) -> Result:
        return CliRunner().invoke(application, [str(arg) for arg in args], **settings)

    return run


@dataclass(frozen=True)
class Process:
    """What a finished process left.

    Attributes:
        exit_code: its status.
        stdout: its output.
        stderr: everything else it said.
    """

    exit_code: int
    stdout: str
    stderr: str


def as_user_would() -> dict[str, str]:
    """The environment without the variables that quiet vendors."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "GLOG_"))}


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Process]:
    """Runs a command line as a process of its own, in a temporary folder."""

    def process(*args: object, code: str | None = None, environment=None, **settings) -> Process:
        start = ["-c", code] if code else ["-m", "edgevision"]
        done = subprocess.run(
            [sys.executable, *start, *map(str, args)],
            capture_output=True, timeout=250, cwd=tmp_path, env=environment or as_user_would(), **settings,
        )  # fmt: skip
        return Process(done.returncode, done.stdout.decode(), done.stderr.decode())

    return process


@pytest.fixture(scope="session")
def keras_file(tmp_path_factory) -> Path:
    """A .keras model of 8×8 images whose class is the strongest colour, with a convolution in front."""
    import tf_keras as keras

    model = keras.Sequential(
        [
            keras.layers.Input((8, 8, 3), name="image"),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv"),
            keras.layers.GlobalAveragePooling2D(name="mean"),
            keras.layers.Dense(3, activation="softmax", name="scores"),
        ],
        name="colors",
    )
    noise = np.random.default_rng(0).normal
    kernel = noise(0, 1e-3, (3, 3, 3, 4)).astype(np.float32)
    for channel in range(3):
        kernel[1, 1, channel, channel] = 1.0
    model.get_layer("conv").set_weights([kernel, np.full(4, 2.5, np.float32)])
    model.get_layer("scores").set_weights([np.eye(4, 3) * 4 + noise(0, 1e-3, (4, 3)), np.zeros(3, np.float32)])
    path = tmp_path_factory.mktemp("keras") / "colors.keras"
    model.save(path)
    return path


@pytest.fixture(scope="session")
def tflite_file(keras_file) -> Path:
    """The same model as a bare TFLite file."""
    import tensorflow as tf
    import tf_keras as keras

    converter = tf.lite.TFLiteConverter.from_keras_model(keras.models.load_model(keras_file, compile=False))
    path = keras_file.with_suffix(".tflite")
    path.write_bytes(converter.convert())
    return path


@pytest.fixture(scope="session")
def artifact(tflite_file) -> Artifact:
    """The same model as an artifact that says everything about itself."""
    return adopt(
        tflite_file, tflite_file.with_name("colors"), task="classification", labels=COLORS,
        preprocessing={"mean": [128], "std": [64]}, activation="softmax",
    )  # fmt: skip


@pytest.fixture(scope="session")
def keras_artifact(keras_file) -> Artifact:
    """The same model as a Keras artifact, the source of conversions."""
    return adopt(
        keras_file, keras_file.with_name("colors-keras"), task="classification", labels=COLORS,
        preprocessing={"mean": [128], "std": [64]}, activation="softmax",
    )  # fmt: skip


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """A folder of images, one directory per class: 12 of each colour, 10×10, noisy but never in doubt."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for channel, color in enumerate(COLORS):
        (folder / color).mkdir()
        for number in range(12):
            pixels = generator.integers(0, 100, (10, 10, 3), np.uint8)
            pixels[..., channel] += 120
            Image.fromarray(pixels).save(folder / color / f"{number:02d}.png")
    return folder
