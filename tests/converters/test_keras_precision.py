"""Models of mixed precision: loaded computing in float32, converted everywhere."""

import numpy as np
import pytest

from edgevision.converters.base import convert
from edgevision.converters.keras_import import SourceModel, load_source, save_keras_artifact
from edgevision.converters.keras_precision import in_float32
from edgevision.runtimes import load

pytest.importorskip("tensorflow", reason="the extra train is not installed", exc_type=ImportError)


def build(policy):
    """A model with another one inside it, operators, a wrapper, and 16-bit probabilities."""
    import tf_keras as keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    keras.mixed_precision.set_global_policy(policy)
    try:
        image = keras.Input((8, 8, 3), name="image")
        inner = keras.Sequential([layers.Conv2D(4, 3, name="conv"), layers.BatchNormalization(), layers.ReLU(6.0)])
        x = inner(image)
        x = layers.TimeDistributed(layers.Dense(4))(layers.Multiply()([x, layers.Rescaling(0.5)(x)]) * 2 + 1)
        x = layers.Dense(3, activation="softmax", name="scores")(layers.GlobalAveragePooling2D()(x))
        return keras.Model(image, x, name="mixed")
    finally:
        keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_it_computes_in_float32_with_the_same_weights_and_layers(policy, images):
    model = build(policy)
    wide = in_float32(model)
    assert {layer.compute_dtype for layer in wide.submodules if hasattr(layer, "compute_dtype")} == {"float32"}
    assert wide.output.dtype == "float32" and wide.name == model.name
    assert [layer.name for layer in wide.layers] == [layer.name for layer in model.layers]
    pairs = zip(wide.get_weights(), model.get_weights(), strict=True)
    assert all(np.array_equal(ours, theirs) for ours, theirs in pairs)
    assert np.abs(wide(images).numpy() - model(images).numpy().astype(np.float32)).max() < 0.01
    assert in_float32(wide) is wide


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_of_mixed_precision_is_converted_to_both_formats(suffix, images, tmp_path):
    file = tmp_path / f"mixed{suffix}"
    build("mixed_float16").save(file)
    source = load_source(file)
    expected = source.model(images).numpy()
    for to in ("tflite", "openvino"):
        with load(convert(source, tmp_path, to=to).artifact, runtime=to) as runtime:
            answers = np.concatenate([runtime.infer([image[None]])[0] for image in images])
        assert np.abs(answers - expected).max() < 1e-5
    artifact = save_keras_artifact(source, tmp_path / "wide")
    assert isinstance(load_source(artifact.path), SourceModel)
    assert artifact.manifest.outputs[0].dtype == "float32"
