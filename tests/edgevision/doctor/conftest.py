"""The shipped ResNet-8, bare and without a word on its preprocessing, and small models with one secret each."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.data.dataset import ArrayDataset, ImageDataset
from edgevision.data.locate import open_dataset
from edgevision.shipped import shipped_model


def to_tflite(model, path: Path, samples: np.ndarray | None = None) -> Path:
    """Convert a Keras model at batch 1; with ``samples``, real-valued inputs, to int8 with int8 inputs and outputs."""
    import tensorflow as tf

    shape = (1, *model.inputs[0].shape[1:])
    function = tf.function(lambda image: model(image, training=False)).get_concrete_function(tf.TensorSpec(shape))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
    if samples is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())
    return path


@pytest.fixture(scope="session")
def cifar() -> ImageDataset:
    """150 of the shipped CIFAR-10 images."""
    return open_dataset("sample").balanced(150)


@pytest.fixture(scope="session")
def resnet8(tmp_path_factory, cifar) -> dict[str, Artifact]:
    """The shipped ResNet-8, which wants (pixel - 128) / 64, as bare TFLite files: "float" and "int8"."""
    import tf_keras as keras

    folder = tmp_path_factory.mktemp("resnet8")
    model = keras.models.load_model(shipped_model() / "model.keras", compile=False)
    wanted = Artifact.open(shipped_model()).manifest.preprocessing
    samples = np.stack([wanted.apply(cifar.image(index)) for index in range(64)])
    return {
        "float": Artifact.describe(to_tflite(model, folder / "float.tflite")),
        "int8": Artifact.describe(to_tflite(model, folder / "int8.tflite", samples)),
    }


@pytest.fixture
def declared(resnet8) -> Callable[..., Artifact]:
    """declared("float", std=(32,)) -> the model with its preprocessing declared, but for what is given."""

    def declare(name: str, **changes) -> Artifact:
        wanted = Artifact.open(shipped_model()).manifest.preprocessing
        bare = resnet8[name]
        return replace(bare, manifest=replace(bare.manifest, preprocessing=replace(wanted, **changes)))

    return declare


@pytest.fixture(scope="session")
def resized(cifar) -> ImageDataset:
    """The same images in a frame of noise beside them, three quarters higher than wide, so that the policy matters."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (len(cifar), 56, 32, 3), np.uint8)
    pixels[:, 12:44] = np.stack([cifar.image(index) for index in range(len(cifar))])
    return ArrayDataset(pixels, cifar.targets, cifar.labels, "framed")
