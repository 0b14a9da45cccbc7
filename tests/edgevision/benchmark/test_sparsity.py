import json

import numpy as np
import pytest

from edgevision.benchmark.comparison import Ratio
from edgevision.benchmark.sparsity import RuntimeProfit, SparsityProfit, _ratio, sparsity_profit
from edgevision.converters.keras_import import SourceModel
from edgevision.errors import ConfigError


@pytest.fixture(scope="module")
def source():
    import tf_keras as keras

    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 64), name="image")
    x = keras.layers.Conv2D(64, 1, name="wide")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return SourceModel(keras.Model(image, keras.layers.Dense(3, name="scores")(x), name="small"), "small")


def entry(low, noise_high, **changes):
    fields = {
        "runtime": "tflite", "package": "ai-edge-litert 2.3", "format": "tflite", "scheme": "float32",
        "sparse_encoding": False, "dense_ms": 2.0, "sparse_ms": 1.0,
        "speedup": Ratio(2.0, low, 2.1), "noise": Ratio(1.0, 0.9, noise_high),
    }  # fmt: skip
    return RuntimeProfit(**{**fields, **changes})


@pytest.mark.slow
def test_zeros_are_timed_against_a_dense_twin_on_every_runtime(source):
    with pytest.raises(ConfigError, match="small has no zeros in its kernels; prune it first"):
        sparsity_profit(source)
    kernel = source.model.get_layer("wide").kernel
    kernel.assign(kernel * (np.random.default_rng(0).random(kernel.shape) > 0.9))
    profit = sparsity_profit(source, pattern="2:4", min_duration_s=0.02)
    assert profit.sparsity == pytest.approx(0.9, abs=0.02)  # of the one kernel that has zeros
    found = {(e.runtime, e.format, e.scheme, e.sparse_encoding) for e in profit.runtimes}
    assert {("tflite", "tflite", "float32", False), ("tflite", "tflite", "float32", True)} <= found
    assert all(e.dense_ms > 0 and e.speedup.low <= e.speedup.value <= e.speedup.high for e in profit.runtimes)
    assert "2:4 sparsity (9" in profit.verdict
    json.dumps(profit.to_dict())


def test_a_gain_counts_only_beyond_noise():
    assert entry(1.9, 1.1).exploited
    assert not entry(0.99, 0.9).exploited
    assert not entry(1.05, 1.1).exploited


def test_the_verdict_names_who_profits_or_says_that_nobody_does():
    using = SparsityProfit("2:4", 0.5, (entry(1.9, 1.1), entry(0.9, 1.1, runtime="openvino")))
    assert using.verdict == (
        "2:4 sparsity (50% zeros) is exploited by tflite, tflite float32: faster by 2.000 (1.900 to 2.100)"
    )
    unused = SparsityProfit("unstructured", 0.5, (entry(0.9, 1.1),))
    assert unused.verdict.startswith("no runtime here exploits unstructured sparsity (50% zeros): at best tflite")


def test_the_ratio_of_interleaved_measurements():
    rng = np.random.default_rng(0)
    fast, slow = rng.normal(1.0, 0.05, 900), rng.normal(1.5, 0.05, 700)
    ratio = _ratio(slow, fast, seed=0)
    assert ratio.value == pytest.approx(1.5, abs=0.02) and 0 < ratio.high - ratio.low < 0.05
