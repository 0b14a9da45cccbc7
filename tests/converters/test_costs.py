"""Operations, parameters and zeros, against numbers worked out by hand."""

import numpy as np
import pytest

from edgevision.converters.costs import model_costs
from edgevision.converters.keras_graph import keras_graph
from edgevision.converters.keras_import import load_source
from edgevision.errors import ConversionError
from edgevision.shipped import shipped_model

keras = pytest.importorskip("tf_keras", reason="the extra train is not installed")
L = keras.layers


def costs(layer, shape):
    image = keras.Input(shape, name="image")
    return model_costs(keras.Model(image, layer(image)))


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (L.Conv2D(8, 3, padding="same"), (10, 12, 4), 10 * 12 * 9 * 4 * 8),
        (L.Conv2D(8, 3, strides=2), (9, 9, 4), 4 * 4 * 9 * 4 * 8),
        (L.Conv2D(8, 3, groups=2, padding="same"), (10, 10, 4), 10 * 10 * 9 * 2 * 8),
        (L.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), (10, 10, 4), 10 * 10 * 9 * 4 * 2),
        (L.SeparableConv2D(8, 3, padding="same"), (10, 10, 4), 10 * 10 * (9 * 4 + 4 * 8)),
        (L.Conv2DTranspose(8, 2, strides=2), (10, 10, 4), 10 * 10 * 4 * 4 * 8),
        (L.Conv1D(8, 3, padding="same"), (10, 4), 10 * 3 * 4 * 8),
        (L.Dense(8), (5, 4), 5 * 4 * 8),
        (L.Dense(8), (4,), 4 * 8),
        (L.BatchNormalization(), (10, 10, 4), 0),
    ],
)
def test_operations_of_layers(layer, shape, macs):
    found = costs(layer, shape)
    assert found.macs == macs and found.parameters == layer.count_params()


def test_a_whole_model_and_its_zeros():
    model = load_source(shipped_model()).model
    found = model_costs(model)
    assert (found.macs, found.parameters, found.zeros) == (12_501_632, 78_426, 0)
    weights = model.get_layer("stem_conv").get_weights()
    weights[0][..., :4] = 0
    model.get_layer("stem_conv").set_weights(weights)
    assert model_costs(model).zeros == 27 * 4
    assert next(layer for layer in found.layers if layer.name == "logits").macs == 640


def test_layers_count_at_each_call_and_inside_other_models():
    inner_in = keras.Input((8, 8, 4))
    inner = keras.Model(inner_in, L.Conv2D(4, 1, name="inside")(inner_in), name="inner")
    image = keras.Input((8, 8, 4), name="image")
    twice = L.Conv2D(4, 1, use_bias=False, name="twice")
    found = model_costs(keras.Model(image, inner(twice(twice(inner(image))))))
    assert {layer.name: layer.macs for layer in found.layers} == {"inside": 2 * 64 * 16, "twice": 2 * 64 * 16}
    assert found.parameters == 20 + 16


def test_what_is_not_counted_is_named_and_an_open_size_refused():
    image = keras.Input((6, 4), name="image")
    assert model_costs(keras.Model(image, L.LSTM(3, name="memory")(image))).uncounted == ("memory",)
    open_size = keras.Input((None, None, 3))
    with pytest.raises(ConversionError, match="size is open"):
        model_costs(keras.Model(open_size, L.Conv2D(4, 3, name="conv")(open_size)))


def test_the_graph_lists_calls_in_order_and_refuses_models_of_code():
    model = load_source(shipped_model()).model
    graph = keras_graph(model)
    known = set(graph.inputs)
    for call in graph.calls:
        assert set(call.inputs) <= known
        known |= set(call.outputs)
    assert set(graph.outputs) <= known and len(graph.calls) == len(model.layers) - 1

    class Coded(keras.Model):
        def call(self, inputs):
            return inputs

    coded = Coded()
    coded(np.zeros((1, 2), np.float32))
    with pytest.raises(ConversionError, match="called by code"):
        keras_graph(coded)
