import numpy as np

from edgevision.converters.kernel_quantizer import clusters_of


def test_clusters_span_a_layer_or_are_those_of_each_channel():
    rng = np.random.default_rng(0)
    shared = rng.choice([-0.5, 0.0, 0.25, 1.0], (3, 3, 8, 4))
    numbers, span = clusters_of(shared)
    assert span and numbers.shape == shared.shape and numbers.max() == 3
    many = rng.choice(np.linspace(-1, 1, 100), (3, 3, 64, 4)) * np.array([1.0, 1.1, 1.2, 1.3])
    numbers, span = clusters_of(many)
    assert not span and numbers.max() + 1 == sum(len(np.unique(many[..., channel])) for channel in range(4))
    assert all(len(set(numbers[..., c].flat) & set(numbers[..., d].flat)) == 0 for c in range(4) for d in range(c))


def test_weights_that_share_nothing_are_no_clusters():
    rng = np.random.default_rng(0)
    sparse = rng.normal(size=(64, 10)) * (rng.random((64, 10)) < 0.3)
    assert clusters_of(sparse) == (None, False)
