"""Small real networks as artifacts: float and int8 TFLite, OpenVINO IR, with golden samples from real images."""

from dataclasses import replace

import numpy as np
import pytest

from edgevision.artifact import Artifact, write_artifact
from edgevision.data.locate import open_dataset
from edgevision.golden import Golden
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes import load

PREPROCESSING = Preprocessing(32, 32, mean=(128,) * 3, std=(64,) * 3)
COUNT = 12


def network(seed: int):
    """A network of random weights whose answers are neither certain nor all the same."""
    import tf_keras as keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3), batch_size=1, name="image"),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    weights = model.get_weights()
    weights[-2] *= 2.0
    model.set_weights(weights)
    return model


def tflite_bytes(model, images, *, int8: bool) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([PREPROCESSING.apply(image)[None]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def make(out, format_, files, labels, golden) -> Artifact:
    """Write an artifact; the specifications of its tensors are what the runtime reads in the file."""
    bare = out.parent / (out.name + "-bare")
    bare.mkdir()
    for name, content in files.items():
        (bare / name).write_bytes(content)
    with load(Artifact.describe(bare / next(iter(files)))) as model:
        inputs = [replace(spec, layout="NHWC") for spec in model.inputs]
        outputs = [replace(spec, layout="NC") for spec in model.outputs]
    fields = {
        "format": format_,
        "name": out.name,
        "task": "classification",
        "labels": labels,
        "inputs": tuple(inputs),
        "outputs": tuple(outputs),
        "preprocessing": PREPROCESSING,
        "decoding": {"activation": "softmax"},
        "scheme": "static_wi8_ai8" if inputs[0].is_integer else "float32",
    }
    return write_artifact(out, fields, files, golden)


@pytest.fixture(scope="session")
def images():
    """Real images, a few of each class."""
    return open_dataset("sample", "test").balanced(60, seed=3)


@pytest.fixture(scope="session")
def files(images):
    """Kind -> (format, name of file -> bytes), for two networks of the same shape."""
    pytest.importorskip("tf_keras", reason="the extra train is not installed")
    calibration = [images.image(i) for i in range(20)]
    model, other = network(1), network(2)
    return {
        "float": ("tflite", {"model.tflite": tflite_bytes(model, calibration, int8=False)}),
        "int8": ("tflite", {"model.tflite": tflite_bytes(model, calibration, int8=True)}),
        "int8-other": ("tflite", {"model.tflite": tflite_bytes(other, calibration, int8=True)}),
    }


@pytest.fixture(scope="session")
def openvino_files(files, tmp_path_factory):
    """The float network as OpenVINO IR."""
    openvino = pytest.importorskip("openvino", reason="the extra openvino is not installed")
    folder = tmp_path_factory.mktemp("ir")
    (folder / "source.tflite").write_bytes(files["float"][1]["model.tflite"])
    model = openvino.convert_model(folder / "source.tflite")
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    return "openvino", {name: (folder / name).read_bytes() for name in ("model.xml", "model.bin")}


@pytest.fixture(scope="session")
def golden(files, images, tmp_path_factory):
    """Golden samples with the float network's answers, which differ between the images."""
    bare = make(tmp_path_factory.mktemp("float") / "reference", *files["float"], images.labels, None)
    samples = tuple(images.image(i) for i in range(0, 60, 60 // COUNT))
    with load(bare) as model:
        bound = PREPROCESSING.bind(bare.manifest.inputs[0])
        outputs = np.concatenate([model.infer([bound(sample)[0]])[0] for sample in samples])
    assert len(set(outputs.argmax(axis=1))) > 2 and outputs.max(axis=1).mean() < 0.95
    names = tuple(images.name(i) for i in range(0, 60, 60 // COUNT))
    return Golden(samples, (None,) * len(samples), names, (outputs,))


@pytest.fixture
def artifact_of(files, images, golden, tmp_path, request):
    """artifact_of(kind, golden=True) -> a fresh, unsealed artifact in its own directory."""

    def build(kind: str, with_golden: bool = True) -> Artifact:
        parts = request.getfixturevalue("openvino_files") if kind == "openvino" else files[kind]
        return make(tmp_path / kind, *parts, images.labels, golden if with_golden else None)

    return build
