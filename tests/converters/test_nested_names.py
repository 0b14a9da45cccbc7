"""Layers of one name in several nested models are kept apart, by their paths."""

import numpy as np
import pytest

from edgevision.compress.sensitivity import sensitivity
from edgevision.converters.base import convert
from edgevision.converters.channel_pruning import prune_channels
from edgevision.converters.channel_report import ChannelTarget
from edgevision.converters.clustering import cluster
from edgevision.converters.costs import model_costs
from edgevision.converters.fine_tuning import matching_layers
from edgevision.converters.keras_import import SourceModel, layer_names, named_layers
from edgevision.converters.layer_choice import chosen_layers
from edgevision.converters.pruning import prune
from edgevision.errors import ConfigError
from edgevision.preprocessing import Preprocessing

keras = pytest.importorskip("tf_keras", reason="the extra train is not installed")

PIXELS = Preprocessing(height=16, width=16, mean=(125.0,) * 3, std=(60.0,) * 3)
LABELS = ("across", "down", "plain")


def block(name, shape, filters):
    inputs = keras.Input(shape, name=f"{name}_in")
    outputs = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name="conv")(inputs)
    return keras.Model(inputs, outputs, name=name)


def nested(first, second):
    keras.utils.set_random_seed(1)
    image = keras.Input((16, 16, 3), name="image")
    x = block("b1", (16, 16, 3), first)(image)
    x = block("b2", (16, 16, first), second)(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = keras.layers.Dense(3, activation="softmax", name="scores")(x)
    model = keras.Model(image, outputs, name="nested")
    return SourceModel(model, "nested", PIXELS, LABELS, "classification", {"activation": "softmax"})


@pytest.fixture(scope="module")
def images(make_stripes):
    return make_stripes(16)


def test_a_name_that_several_layers_have_becomes_a_path():
    model = nested(16, 12).model
    names = ["image", "b1_in", "b1/conv", "b2_in", "b2/conv", "pool", "scores"]
    assert [name for name, _ in named_layers(model)] == names
    assert all(layer_names(model)[id(layer)] == name for name, layer in named_layers(model))
    assert [layer.name for layer in model_costs(model).layers] == ["b1/conv", "b2/conv", "scores"]


@pytest.mark.parametrize(
    ("pattern", "chosen", "in_full"),
    [
        ("conv", ["b1/conv", "b2/conv"], 2),
        ("b2/conv", ["b2/conv"], 1),
        ("b1/*", ["b1/conv"], 0),
        ("con*", ["b1/conv", "b2/conv"], 0),
    ],
)
def test_a_name_means_all_layers_that_have_it_and_a_path_one(pattern, chosen, in_full):
    model = nested(16, 12).model
    layers, full = matching_layers(model, [pattern])
    assert [name for name, _ in layers] == chosen and len(full) == in_full
    assert chosen_layers("float_layers", [pattern], model) == chosen
    with pytest.raises(ConfigError, match="got b3/conv; allowed: b2/conv"):
        matching_layers(model, ["b3/conv"])


@pytest.mark.parametrize("second", [12, 16])
def test_channels_of_each_layer_are_counted_and_named(second):
    source = nested(16, second)
    pruned, report = prune_channels(source, None, target=ChannelTarget("macs", 0.5), multiple=4, epochs=0)
    widths = {layer.name: layer.layers[-1].filters for layer in pruned.model.layers if hasattr(layer, "layers")}
    assert report.groups == (("b1/conv",), ("b2/conv",))
    assert {layer.layer: (layer.before, layer.after) for layer in report.layers} == {
        f"{name}/conv": (before, widths[name]) for name, before in (("b1", 16), ("b2", second)) if widths[name] < before
    }
    assert [name for name, _ in report.skipped] == ["scores"]
    whole = source.model.get_layer("b1").get_layer("conv").kernel.numpy()
    kept = next(layer.kept for layer in report.layers if layer.layer == "b1/conv")
    assert np.array_equal(pruned.model.get_layer("b1").get_layer("conv").kernel.numpy(), whole[..., list(kept)])


def test_one_of_them_is_pruned_and_the_other_left_whole():
    target = ChannelTarget("macs", 0.9)
    _, report = prune_channels(nested(16, 16), None, target=target, layers=["b2/conv"], epochs=0)
    assert [layer.layer for layer in report.layers] == ["b2/conv"] and report.groups == (("b2/conv",),)


def test_magnitudes_and_clusters(images):
    options = {"epochs": 1, "batch_size": 16, "augment": "none"}
    pruned, report = prune(nested(16, 12), images, layers=["b2/conv"], target_sparsity=0.75, **options)
    assert [(layer.layer, layer.parameters) for layer in report.layers] == [("b2/conv", 1728)]
    assert (pruned.model.get_layer("b1").get_layer("conv").kernel.numpy() != 0).all()
    _, report = prune(nested(16, 12), images, layers=["conv"], allocation="layer_adaptive", **options)
    assert [layer.layer for layer in report.layers] == ["b1/conv", "b2/conv"]
    assert abs(report.measured_sparsity - 0.5) < 0.01
    _, report = cluster(nested(16, 12), images, layers=["b1/*"], clusters=4, **{**options, "epochs": 0})
    assert [(layer.layer, layer.parameters, layer.values) for layer in report.layers] == [("b1/conv", 432, 4)]


@pytest.mark.parametrize("what", ["prune", "channels", "quantize"])
def test_sensitivity_tells_them_apart(images, what):
    report = sensitivity(nested(16, 12), images, what=what, images=12, calibration_count=12)
    parameters = {layer.layer: layer.parameters for layer in report.layers if layer.layer.endswith("conv")}
    assert parameters == {"b1/conv": 448, "b2/conv": 1740}
    report = sensitivity(nested(16, 12), images, what=what, layers=["b1/conv"], images=12, calibration_count=12)
    assert [layer.layer for layer in report.layers] == ["b1/conv"]


@pytest.mark.parametrize("to", ["tflite", "openvino"])
def test_one_of_them_stays_in_float(images, to, tmp_path):
    from edgevision.calibration import CalibrationDataset

    calibration = CalibrationDataset.from_dataset(images, PIXELS, 8)
    options = {"to": to, "scheme": "static_wi8_ai8", "calibration": calibration, "float_layers": ["b2/conv"]}
    report = convert(nested(16, 12), tmp_path, **options).report
    assert [name for name, _ in report.skipped] == ["b2/conv"]
