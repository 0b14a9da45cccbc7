"""What is computed together, and where integer tensors lie, in models of several kinds."""

import numpy as np
import pytest

from edgevision.compress.sensitivity_graph import open_graph
from edgevision.compress.sensitivity_simulation import Simulation
from edgevision.converters.fine_tuning import copy_model
from edgevision.converters.keras_import import SourceModel
from edgevision.errors import ConversionError


def residual(keras):
    layers, image = keras.layers, keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.ReLU(6.0, name="stem_relu")(layers.BatchNormalization(name="stem_bn")(x))
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.BatchNormalization(name="depthwise_bn")(y)
    x = layers.Activation("relu", name="relu")(layers.Add(name="add")([x, y]))
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.Dense(3, activation="softmax", name="scores")(layers.Flatten(name="flat")(x))
    return keras.Model(image, x, name="residual")


def squeeze_excite(keras):
    layers, image = keras.layers, keras.Input((8, 8, 3), name="image")
    x = layers.SeparableConv2D(4, 3, activation="swish", name="separable")(image)
    y = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    y = layers.Conv2D(4, 1, activation="sigmoid", name="excite")(y)
    x = layers.Multiply(name="scale")([x, y])
    x = layers.BatchNormalization(name="lone_bn")(layers.PReLU(name="slope")(x))
    x = layers.UpSampling2D(name="up")(x)
    x = layers.Concatenate(name="join")([x, 2.0 * x])
    x = layers.Softmax(name="probabilities")(layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)))
    return keras.Model(image, x, name="squeeze_excite")


def nested_and_shared(keras):
    layers, image = keras.layers, keras.Input((8, 8, 3), name="image")
    block = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same", name="inner"), layers.ReLU(name="inner_relu")],
        "block",
    )
    shared = layers.Conv2D(3, 1, name="shared")
    x = shared(shared(block(block(image))))
    x = layers.Conv2DTranspose(4, 3, strides=2, name="up")(x)
    x = layers.BatchNormalization(name="up_bn")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(layers.GlobalMaxPooling2D()(x)), name="nested")


def made(build) -> SourceModel:
    import tf_keras as keras

    keras.utils.set_random_seed(3)
    model = build(keras)
    generator = np.random.default_rng(0)
    for layer in model.submodules:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([generator.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
    return SourceModel(model, model.name)


@pytest.mark.parametrize("build", [residual, squeeze_excite, nested_and_shared])
def test_with_every_switch_off_the_model_answers_as_it_is_and_with_all_on_nearly_so(build):
    source = made(build)
    inputs = np.random.default_rng(1).normal(size=(70, 8, 8, 3)).astype(np.float32)
    simulation = Simulation(source, "tflite")
    simulation.calibrate(inputs)
    wanted = source.model(inputs, training=False).numpy()
    assert simulation.answers(inputs)[0] == pytest.approx(wanted, abs=1e-5)
    simulation.set([], dict.fromkeys(range(len(simulation.graph.edges)), 8))
    noise = np.abs(simulation.answers(inputs)[0] - wanted).max()
    assert 0 < noise < 0.1 * np.abs(wanted).max()
    simulation.set([], dict.fromkeys(range(len(simulation.graph.edges)), 16))
    assert np.abs(simulation.answers(inputs)[0] - wanted).max() < 0.01 * noise + 1e-4
    simulation.set([], {})
    assert simulation.answers(inputs)[0] == pytest.approx(wanted, abs=1e-5)


def graph_of(build):
    graph = open_graph(copy_model(made(build)))

    def name(unit):
        return None if unit is None else graph.units[unit].name

    return graph, {unit.name: unit for unit in graph.units}, [(name(e.producer), name(e.consumer)) for e in graph.edges]


def test_batch_norm_and_relu_belong_to_the_layer_before_and_values_pass_through_pooling():
    graph, units, edges = graph_of(residual)
    assert list(units) == ["stem", "depthwise", "add", "scores"]
    assert [layer.name for layer in units["stem"].layers] == ["stem", "stem_bn"]
    assert edges == [
        (None, "stem"), ("stem", "depthwise"), ("stem", "add"), ("depthwise", "add"), ("add", "scores"),
        ("scores", "scores"), ("scores", None),
    ]  # fmt: skip
    assert graph.edges[4].through == ("pool", "flat")
    assert [graph.units[unit].name for unit in sorted(graph.followers(0))] == ["depthwise", "add", "scores"]


def test_what_kernels_compute_apart_is_rounded_in_between():
    _, units, edges = graph_of(squeeze_excite)
    assert edges.count(("separable", "separable")) == 2  # before its second half, and before its activation
    assert ("excite", "excite") in edges
    assert {"squeeze", "scale", "slope", "lone_bn", "join"} <= set(units) and "up" not in units


def test_shared_layers_and_nested_models_are_laid_open():
    _, units, edges = graph_of(nested_and_shared)
    assert list(units) == ["inner", "shared", "up", "logits"]
    assert edges == [
        (None, "inner"), ("inner", "inner"), ("inner", "shared"), ("shared", "shared"), ("shared", "up"),
        ("up", "logits"), ("logits", None),
    ]  # fmt: skip


def test_a_model_that_is_code_is_refused():
    import tf_keras as keras

    class Coded(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ConversionError, match="called by code"):
        open_graph(Coded())
