"""How zeros are divided among layers."""

import numpy as np
import pytest

from edgevision.converters.sparsity_allocation import allocate, check_allocation
from edgevision.errors import ConfigError

RNG = np.random.default_rng(0)
KERNELS = {
    "small": RNG.normal(0, 1, (3, 3, 3, 8)),
    "large": RNG.normal(0, 1, (3, 3, 64, 64)),
    "rescaled": 1e-3 * RNG.normal(0, 1, (3, 3, 16, 16)),
}


@pytest.mark.parametrize("target", [0.3, 0.6, 0.9])
def test_layer_adaptive_zeros_add_up_and_fall_on_large_layers(target):
    shares = allocate(KERNELS, target, "layer_adaptive")
    zeros = sum(share * KERNELS[name].size for name, share in shares.items())
    assert zeros / sum(kernel.size for kernel in KERNELS.values()) == pytest.approx(target, abs=1e-3)
    assert 0 < shares["small"] < shares["rescaled"] < shares["large"] < 1


def test_a_factor_on_a_layer_changes_nothing():
    louder = {**KERNELS, "rescaled": 1e6 * KERNELS["rescaled"]}
    assert allocate(louder, 0.5, "layer_adaptive") == pytest.approx(allocate(KERNELS, 0.5, "layer_adaptive"))


def test_uniform_is_the_same_everywhere_and_others_are_refused():
    assert set(allocate(KERNELS, 0.4, "uniform").values()) == {0.4}
    with pytest.raises(ConfigError, match="got global; allowed: uniform, layer_adaptive"):
        check_allocation("global", "unstructured")
    with pytest.raises(ConfigError, match="pattern n_m"):
        check_allocation("layer_adaptive", "n_m")
