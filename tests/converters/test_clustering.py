import json

import numpy as np
import pytest

from edgevision.converters.clustering import CENTROIDS, cluster
from edgevision.converters.keras_import import SourceModel
from edgevision.errors import ConfigError
from edgevision.preprocessing import Preprocessing

FAST = {"batch_size": 64, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def source():
    """A model whose layers cluster, cannot, or have half of their weights at zero."""
    import tf_keras as keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    inner = keras.Sequential([keras.Input((6, 6, 8)), layers.Conv2D(8, 3, use_bias=False, name="inner")], "nested")
    image = keras.Input((8, 8, 3), name="image")
    x = layers.ReLU()(layers.BatchNormalization(name="bn")(layers.Conv2D(8, 3, name="stem")(image)))
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.PReLU(name="slope")(inner(x))
    x = layers.SeparableConv2D(16, 3, name="separable")(x)
    x = layers.Dense(2, name="narrow")(layers.GlobalAveragePooling2D()(x))
    x = layers.Dense(3, activation="softmax", name="scores")(x)
    model = keras.Model(image, x, name="small")
    kernel = model.get_layer("nested").get_layer("inner").kernel
    kernel.assign(kernel * (np.random.default_rng(0).random(kernel.shape) < 0.5))
    preprocessing = Preprocessing(8, 8, mean=(128.0,) * 3, std=(64.0,) * 3)
    labels = ("across", "down", "plain")
    return SourceModel(model, "small", preprocessing, labels, "classification", {"activation": "softmax"})


def kernel_of(source, name):
    model = source.model.get_layer("nested") if name == "inner" else source.model
    return model.get_layer(name).get_weights()[0]


def test_kernels_share_values_that_are_learned_and_zeros_stay(source, stripes):
    before = [weight.copy() for weight in source.model.get_weights()]
    epochs = []
    options = {**FAST, "clusters": 8, "keep_sparsity": True, "centroids": "linear", "epochs": 1, "seed": 4}
    clustered, report = cluster(source, stripes, progress=lambda done, record: epochs.append(done), **options)
    again, _ = cluster(source, stripes, **options)
    assert all(np.array_equal(a, b) for a, b in zip(before, source.model.get_weights(), strict=True))
    pairs = zip(clustered.model.get_weights(), again.model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert [layer.layer for layer in report.layers] == ["stem", "inner", "separable", "narrow"]
    for layer in report.layers[:2]:
        kernel = kernel_of(clustered, layer.layer)
        assert layer.values == len(np.unique(kernel)) <= 8 and layer.entropy_bits <= 3
        assert layer.zeros == np.count_nonzero(kernel == 0)
    assert np.all(kernel_of(clustered, "inner")[kernel_of(source, "inner") == 0] == 0)
    moved, _ = cluster(source, stripes, **{**options, "epochs": 0})
    assert not np.array_equal(kernel_of(moved, "stem"), kernel_of(clustered, "stem"))
    assert dict(report.skipped) == {
        "depthwise": "DepthwiseConv2D: tfmot does not cluster depthwise kernels, whose accuracy it cannot recover",
        "separable": "SeparableConv2D: its depthwise kernel stays as it is; the other one is clustered",
        "slope": "PReLU: not a layer whose kernel is clustered",
        "scores": "6 weights are not zero: too few for 8 clusters",
    }
    assert epochs == [1] and len(report.history) == 1
    assert clustered.model.get_layer("bn").momentum == source.model.get_layer("bn").momentum
    assert [layer.name for layer in clustered.model.layers] == [layer.name for layer in source.model.layers]
    step = clustered.lineage[-1]
    assert step.step == "cluster" and step.parameters["centroids"] == "linear" and "tf-keras" in step.tools
    json.dumps(report.to_dict())


def test_each_channel_may_have_its_own_values(source, stripes):
    clustered, report = cluster(
        source,
        stripes,
        clusters=4,
        per_channel=True,
        keep_sparsity=True,
        epochs=0,
        batch_size=64,
        layers=["stem", "inn*"],
    )
    assert [layer.layer for layer in report.layers] == ["stem", "inner"] and report.history == ()
    for name in ("stem", "inner"):
        kernel = kernel_of(clustered, name)
        assert max(len(np.unique(kernel[..., channel])) for channel in range(8)) <= 4 < len(np.unique(kernel))
    assert np.all(kernel_of(clustered, "inner")[kernel_of(source, "inner") == 0] == 0)
    assert np.array_equal(kernel_of(clustered, "narrow"), kernel_of(source, "narrow"))


@pytest.mark.parametrize("centroids", sorted(CENTROIDS))
def test_every_choice_of_centroids_moves_weights_to_near_values(source, stripes, centroids):
    clustered, _ = cluster(source, stripes, clusters=16, centroids=centroids, epochs=0, batch_size=64, layers=["stem"])
    before, after = kernel_of(source, "stem"), kernel_of(clustered, "stem")
    nearest = np.abs(before[..., None] - np.unique(after)).min(-1)
    assert np.allclose(np.abs(before - after), nearest, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clusters": 1}, "clusters: got 1; allowed: 2 to 256"),
        ({"clusters": 2, "keep_sparsity": True}, "clusters with zeros kept: got 2; allowed: 3 to 256"),
        ({"clusters": 16.0}, "clusters: got 16.0"),
        ({"clusters": 257}, "clusters: got 257"),
        ({"centroids": "kmeans"}, r"did you mean kmeans\+\+"),
        ({"clusters": 250}, "nothing to cluster.*216 weights are not zero: too few for 250 clusters"),
        ({"layers": ["slope"]}, "nothing to cluster.*slope: PReLU"),
        ({"layers": ["inn"]}, "inn; allowed: inner"),
        ({"epochs": -1}, "epochs: got -1"),
    ],
)
def test_what_makes_no_sense_is_refused(source, stripes, options, message):
    with pytest.raises(ConfigError, match=message):
        cluster(source, stripes, **{"layers": ["stem"], **options})
