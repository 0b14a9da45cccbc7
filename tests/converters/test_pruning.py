import dataclasses
import json

import numpy as np
import pytest

from edgevision.compress.sensitivity import sensitivity
from edgevision.compress.sensitivity_graph import Unit
from edgevision.compress.sensitivity_weights import pruned_weights
from edgevision.converters.clustering import cluster
from edgevision.converters.keras_import import SourceModel, load_source, save_keras_artifact
from edgevision.converters.pruning import KERNELS, prune
from edgevision.data.dataset import ArrayDataset
from edgevision.errors import ConfigError, DatasetError
from edgevision.preprocessing import Preprocessing

LABELS = ("across", "down", "plain")
FAST = {"epochs": 1, "batch_size": 32, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def source():
    """A model with nested, depthwise, normalizing and embedding-like layers; not trained."""
    import tf_keras as keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    inner = keras.Sequential(
        [keras.Input((8, 8, 8)), layers.Conv2D(8, 3, activation="relu", name="inner_conv")], "inner"
    )
    image = keras.Input((8, 8, 3), name="image")
    x = layers.ReLU()(
        layers.BatchNormalization(name="stem_bn")(layers.Conv2D(8, 3, padding="same", name="stem")(image))
    )
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.GlobalAveragePooling2D()(layers.PReLU(name="slope")(inner(x)))
    x = layers.Dense(3, name="logits")(x)
    model = keras.Model(image, layers.Softmax(name="probabilities")(x), name="small")
    preprocessing = Preprocessing(8, 8, mean=(128.0,) * 3, std=(64.0,) * 3)
    return SourceModel(model, "small", preprocessing, LABELS, "classification", {"activation": "softmax"})


def test_every_chosen_kernel_reaches_the_target_and_the_rest_is_named(source, stripes, tmp_path):
    before = [weight.copy() for weight in source.model.get_weights()]
    epochs = []
    pruned, report = prune(
        source, stripes, target_sparsity=0.75, **FAST, progress=lambda done, record: epochs.append((done, record))
    )
    assert all(np.array_equal(a, b) for a, b in zip(before, source.model.get_weights(), strict=True))
    sparsity = {layer.layer: layer.measured_sparsity for layer in report.layers}
    assert sparsity == pytest.approx({"stem": 0.75, "inner_conv": 0.75, "logits": 0.75}, abs=0.03)
    kernel = pruned.model.get_layer("inner").get_layer("inner_conv").kernel.numpy()
    assert np.mean(kernel == 0) == pytest.approx(0.75, abs=0.01)
    assert {name for name, _ in report.skipped} == {"depthwise", "slope"}
    assert report.zeros == round(report.measured_sparsity * report.parameters)
    assert report.model_parameters == source.model.count_params()
    assert epochs[0][0] == 1 and epochs[0][1] == report.history[0]
    json.dumps(report.to_dict())

    assert [layer.name for layer in pruned.model.layers] == [layer.name for layer in source.model.layers]
    assert (pruned.model.input_names, pruned.model.output_names) == (["image"], ["probabilities"])
    assert getattr(pruned.model, "optimizer", None) is None
    step = pruned.lineage[-1]
    assert step.step == "prune" and step.parameters["target_sparsity"] == 0.75 and "tf-keras" in step.tools

    again = load_source(save_keras_artifact(pruned, tmp_path / "pruned").path)
    assert all(np.array_equal(a, b) for a, b in zip(again.model.get_weights(), pruned.model.get_weights(), strict=True))


def test_a_pattern_chooses_layers_and_a_constant_schedule_reaches_the_target(source, stripes):
    pruned, report = prune(source, stripes, target_sparsity=0.5, schedule="constant", layers=["ste*"], **FAST)
    assert [layer.layer for layer in report.layers] == ["stem"]
    assert report.measured_sparsity == 0.5
    assert np.all(pruned.model.get_layer("logits").kernel.numpy() != 0)


def test_one_step_is_enough_and_the_same_seed_gives_the_same_weights(source, stripes):
    first, second = (
        prune(source, stripes, target_sparsity=0.5, epochs=1, batch_size=192, seed=5, augment="crop-flip")
        for _ in range(2)
    )
    assert first[1].measured_sparsity == pytest.approx(0.5, abs=0.02)
    weights = zip(first[0].model.get_weights(), second[0].model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_sparsity": 1.0}, "target sparsity: got 1.0"),
        ({"target_sparsity": float("nan")}, "target sparsity: got nan"),
        ({"schedule": "linear"}, "polynomial, constant"),
        ({"layers": ["inner_con"]}, r"inner_con; allowed: inner_conv"),
        ({"layers": ["slope"]}, "nothing to prune"),
        ({"layers": []}, "no layer was chosen"),
        ({"epochs": 0}, "epochs of pruning: got 0"),
        ({"learning_rate": -1.0}, "learning rate: got -1"),
        ({"augment": "mixup"}, "augmentation: got mixup"),
        ({"batch_size": 0}, "batch size: got 0"),
    ],
)
def test_impossible_values_are_refused(source, stripes, options, message):
    with pytest.raises(ConfigError, match=message):
        prune(source, stripes, **{"target_sparsity": 0.5, **FAST, **options})


def test_images_that_do_not_fit_are_refused(source, stripes):
    other = ArrayDataset(stripes.pixels, stripes.targets, ("a", "b", "c"), "other")
    with pytest.raises(DatasetError, match="a class that the model does not know: got a"):
        prune(source, other, target_sparsity=0.5, **FAST)
    with pytest.raises(DatasetError, match="batch size"):
        prune(source, stripes.subset([0, 1]), target_sparsity=0.5, **FAST)
    with pytest.raises(ConfigError, match="give its preprocessing"):
        prune(dataclasses.replace(source, preprocessing=None), stripes, target_sparsity=0.5, **FAST)


def test_batch_norms_know_the_activations_of_the_pruned_model(source, stripes):
    import tf_keras as keras

    pruned, _ = prune(source, stripes, target_sparsity=0.9, **FAST)
    norm = pruned.model.get_layer("stem_bn")
    inputs = np.stack([source.preprocessing.apply(stripes.image(index)) for index in range(len(stripes))])
    activations = keras.Model(pruned.model.input, norm.input)(inputs).numpy()
    assert np.allclose(norm.moving_mean.numpy(), activations.mean((0, 1, 2)), atol=1e-3)
    assert norm.momentum == source.model.get_layer("stem_bn").momentum


def test_large_layers_can_give_up_more(source, stripes):
    _, report = prune(source, stripes, target_sparsity=0.6, allocation="layer_adaptive", **FAST)
    shares = {layer.layer: layer.measured_sparsity for layer in report.layers}
    assert report.measured_sparsity == pytest.approx(0.6, abs=0.03)
    largest = max(report.layers, key=lambda layer: layer.parameters).layer
    assert shares[largest] == max(shares.values()) > min(shares.values()) > 0


def test_convolutions_along_other_axes_and_what_is_none(stripes):
    """Every convolution of Keras is pruned, clustered and tried; a layer that is not says what it is."""
    import tf_keras as keras

    keras.utils.set_random_seed(3)
    L = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv1DTranspose(8, 3, padding="same", name="line_up")(L.Reshape((64, 3))(image))
    x = L.SeparableConv1D(8, 3, padding="same", name="line")(x)
    x = L.Conv3D(4, 3, activation="relu", name="volume")(L.Reshape((8, 8, 8, 1))(x))
    x = L.Conv3DTranspose(4, 2, name="volume_up")(x)
    x = L.EinsumDense("ab,bc->ac", output_shape=8, name="einsum")(L.GlobalAveragePooling3D()(x))
    model = keras.Model(image, L.Dense(3, activation="softmax", name="scores")(x), name="axes")
    preprocessing = Preprocessing(8, 8, mean=(128.0,) * 3, std=(64.0,) * 3)
    source = SourceModel(model, "axes", preprocessing, LABELS, "classification", {"activation": "softmax"})
    pruned, report = prune(source, stripes, target_sparsity=0.5, **FAST)
    names = ["line_up", "line", "volume", "volume_up", "scores"]
    assert [layer.layer for layer in report.layers] == names
    assert all(layer.measured_sparsity == pytest.approx(0.5, abs=0.05) for layer in report.layers)
    assert np.mean(pruned.model.get_layer("line_up").kernel.numpy() == 0) == 0.5
    assert report.skipped == (("einsum", "EinsumDense: not a layer whose kernel is pruned"),)
    _, clustered = cluster(source, stripes, clusters=4, **{**FAST, "epochs": 0})
    assert [layer.layer for layer in clustered.layers] == names
    assert clustered.skipped == (
        ("line", "SeparableConv1D: its depthwise kernel stays as it is; the other one is clustered"),
        ("einsum", "EinsumDense: not a layer whose kernel is clustered"),
    )
    tried = sensitivity(source, stripes, what="prune", images=24, calibration_count=24)
    assert {layer.layer for layer in tried.layers} == set(names)
    altered = pruned_weights(Unit("line_up", "Conv1DTranspose", [model.get_layer("line_up")]), 0.5, KERNELS)
    assert altered[0].folded.shape == (3 * 3, 8)
