"""The proof that a smaller model computes what the masked original computes: also where answers are not finite."""

import numpy as np
import pytest

from edgevision.converters.channel_graph import ChannelGraph
from edgevision.converters.channel_pruning import prune_channels
from edgevision.converters.channel_report import ChannelTarget
from edgevision.converters.channel_surgery import identity_error, smaller_model
from edgevision.converters.keras_import import SourceModel
from edgevision.errors import ConversionError

keras = pytest.importorskip("tf_keras", reason="the extra train is not installed")


def two_outputs(second):
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    first = keras.layers.GlobalAveragePooling2D(name="first")(x)
    outputs = [first, keras.layers.Lambda(lambda tensor: tensor * second, name="second")(first)]
    return keras.Model(image, outputs, name="two")


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("side", ["smaller", "masked"])
def test_answers_that_are_not_finite_prove_nothing(wrong, side):
    models = {"smaller": two_outputs(1.0), "masked": two_outputs(1.0)}
    models["masked"].set_weights(models["smaller"].get_weights())
    assert identity_error(**models) == 0.0
    models[side] = two_outputs(wrong)
    models[side].set_weights(models["masked" if side == "smaller" else "smaller"].get_weights())
    with pytest.raises(ConversionError, match=f"two: the {side} .*NaN or infinite.*got output 2"):
        identity_error(**models)


def channels_first(kind):
    """A convolution that has its channels on the second axis, between two that have not, and one that may shrink."""
    L = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(8, 3, padding="same", name="before")(image)
    x = L.Permute((3, 1, 2), name="to_first")(x)
    options = {"data_format": "channels_first", "name": "first"}
    made = {
        "Conv2D": lambda: L.Conv2D(12, 3, padding="same", **options),
        "grouped": lambda: L.Conv2D(12, 3, groups=4, padding="same", **options),
        "Conv2DTranspose": lambda: L.Conv2DTranspose(12, 3, padding="same", **options),
        "SeparableConv2D": lambda: L.SeparableConv2D(12, 3, padding="same", **options),
        "DepthwiseConv2D": lambda: L.DepthwiseConv2D(3, padding="same", **options),
    }
    x = L.ReLU()(made[kind]()(x))
    x = L.Permute((2, 3, 1), name="to_last")(x)
    x = L.Conv2D(32, 3, name="after")(x)
    x = L.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, L.Dense(3, name="scores")(x), name="first_and_last")


@pytest.mark.parametrize("kind", ["Conv2D", "grouped", "Conv2DTranspose", "SeparableConv2D", "DepthwiseConv2D"])
def test_channels_that_come_first_stay_whole_and_the_others_go(kind):
    model = channels_first(kind)
    source = SourceModel(model, model.name, decoding={"activation": "logits"})
    pruned, report = prune_channels(source, None, target=ChannelTarget("parameters", 0.8), epochs=0)
    reasons = dict(report.skipped)
    assert reasons["first"] == "its channels come first (data_format)" and "before" in reasons
    assert [layer.layer for layer in report.layers] == ["after"]
    first = pruned.model.get_layer("first")
    assert [weight.shape for weight in first.get_weights()] == [
        weight.shape for weight in model.get_layer("first").get_weights()
    ]


def test_a_layer_of_units_that_the_graph_does_not_know_is_rebuilt_as_it_was():
    image = keras.Input((8, 4), name="image")
    x = keras.layers.Conv1D(32, 3, name="conv")(image)
    x = keras.layers.Conv1D(4, 1, name="narrow")(x)
    x = keras.layers.LSTM(6, return_sequences=True, name="memory")(x)
    model = keras.Model(image, keras.layers.Flatten()(x), name="sequence")
    graph = ChannelGraph(model)
    roots = graph.roots(next(axis for axis in graph.axes if axis.layer.name == "conv").channels).tolist()
    smaller = smaller_model(model, graph, roots[:16])
    assert smaller.get_layer("conv").filters == 16 and smaller.get_layer("memory").units == 6
