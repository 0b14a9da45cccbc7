import json

import numpy as np
import pytest

from edgevision.converters.keras_import import SourceModel
from edgevision.converters.pruning import prune
from edgevision.converters.sparsity_patterns import SparsityPattern
from edgevision.errors import ConfigError
from edgevision.preprocessing import Preprocessing

FAST = {"epochs": 1, "batch_size": 64, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def source():
    """Convolutions of several kinds whose kernels take a pattern, and some that do not."""
    import tf_keras as keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, activation="relu", name="stem")(image)
    x = layers.Conv2D(8, 3, use_bias=False, name="wide")(x)
    x = layers.SeparableConv2D(16, 3, name="separable")(x)
    x = layers.Conv2DTranspose(8, 2, name="transposed")(x)
    x = layers.Dense(16, name="dense")(layers.GlobalAveragePooling2D()(x))
    x = layers.Dense(3, activation="softmax", name="scores")(x)
    preprocessing = Preprocessing(8, 8, mean=(128.0,) * 3, std=(64.0,) * 3)
    labels = ("across", "down", "plain")
    return SourceModel(
        keras.Model(image, x, name="small"), "small", preprocessing, labels, "classification", {"activation": "softmax"}
    )


def test_two_of_four_weights_along_the_inputs_stay(source, stripes):
    pruned, report = prune(source, stripes, pattern="n_m", n_m=(2, 4), **FAST)
    assert report.pattern == "2:4" and report.target_sparsity == report.measured_sparsity == 0.5
    assert [layer.layer for layer in report.layers] == ["wide", "separable", "dense", "scores"]
    kernel = pruned.model.get_layer("wide").kernel.numpy()
    groups = kernel.transpose(3, 0, 1, 2).reshape(-1, 4)  # as TFLite stores them
    assert np.all(np.count_nonzero(groups, axis=1) == 2)
    assert dict(report.skipped) == {
        "stem": "its 3 input channels are no multiple of 4",
        "transposed": "Conv2DTranspose: 2:4 is found along the input channels of Conv2D, Dense, SeparableConv2D alone",
    }
    parameters = pruned.lineage[-1].parameters
    assert (parameters["pattern"], parameters["n_m"], parameters["target_sparsity"]) == ("n_m", [2, 4], 0.5)
    json.dumps(report.to_dict())


def test_blocks_are_zero_throughout_or_stay(source, stripes):
    pruned, report = prune(source, stripes, pattern="block", block_size=[4, 2], target_sparsity=0.75, **FAST)
    assert report.pattern == "blocks of 4x2"
    assert {layer.layer for layer in report.layers} == {"wide", "separable", "transposed", "dense"}
    assert dict(report.skipped)["stem"] == "its kernel of 27x8 does not divide into blocks of 4x2"
    for name in ("wide", "transposed", "dense"):
        kernel = pruned.model.get_layer(name).get_weights()[0]
        blocks = kernel.reshape(-1, 4, kernel.shape[-1] // 2, 2).any(axis=(1, 3))
        assert np.mean(blocks) == pytest.approx(0.25, abs=0.02)
        assert np.mean(kernel == 0) == pytest.approx(0.75, abs=0.02)


def test_what_a_pattern_says_of_a_kernel():
    kernel = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [2, 0, 1, 1], [0, 0, 1, 0]], float)
    assert SparsityPattern("n_m", n_m=(2, 4)).holds(kernel)
    assert not SparsityPattern("n_m", n_m=(1, 4)).holds(kernel)
    assert SparsityPattern("block", block_size=(2, 2)).zeros(kernel) == 4
    assert SparsityPattern("block", block_size=(1, 4)).zeros(kernel) == 4
    assert SparsityPattern().zeros(kernel) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "blocks"}, "did you mean block"),
        ({"pattern": "block"}, "block_size of the sparsity pattern block; allowed: two whole numbers"),
        ({"pattern": "block", "block_size": 16}, "block_size: got 16"),
        ({"pattern": "block", "block_size": (0, 4)}, r"block_size: got \(0, 4\)"),
        ({"pattern": "block", "block_size": (1, 1)}, "prune unstructured"),
        ({"pattern": "block", "block_size": (5, 5)}, "nothing to prune.*does not divide into blocks of 5x5"),
        ({"pattern": "n_m", "n_m": (4, 2)}, "n below m"),
        ({"pattern": "n_m", "n_m": (2, 4, 8)}, "two whole numbers above 0"),
        ({"pattern": "n_m", "n_m": (2, 4), "target_sparsity": 0.7}, "target sparsity of 2:4: got 0.7; allowed: 0.5"),
        ({"pattern": "n_m", "n_m": (2, 7)}, "no multiple of 7"),
        ({"n_m": (2, 4)}, "n_m of the sparsity pattern unstructured"),
    ],
)
def test_impossible_patterns_are_refused(source, stripes, options, message):
    with pytest.raises(ConfigError, match=message):
        prune(source, stripes, **FAST, **options)
