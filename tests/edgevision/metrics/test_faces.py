"""True accept rate at a false accept rate."""

import numpy as np
import pytest

from edgevision.errors import ConfigError, InputError
from edgevision.metrics.faces import pair_scores, tar_at_far


@pytest.mark.parametrize("far", [0.0, 0.001, 0.01, 0.1, 0.5, 1.0])
def test_the_lowest_threshold_that_keeps_the_rate(far):
    rng = np.random.default_rng(1)
    genuine, impostor = rng.normal(0.6, 0.15, 500).round(2), rng.normal(0.1, 0.15, 2000).round(2)
    got = tar_at_far(genuine, impostor, far)
    rates = {t: (impostor >= t).mean() for t in np.unique([*genuine, *impostor])}
    lowest = min(t for t, rate in rates.items() if rate <= far)
    assert got.threshold == lowest
    assert got.far.value == pytest.approx((impostor >= lowest).mean()) and got.far.value <= far
    assert got.tar.value == pytest.approx((genuine >= lowest).mean())
    assert got.tar.low < got.tar.value or got.tar.value == 0


def test_no_threshold_keeps_the_best_impostor_out():
    got = tar_at_far(np.array([0.2]), np.array([0.9]), 0.0)
    assert got.threshold == float("inf") and got.tar.value == got.far.value == 0.0
    assert got.to_dict()["threshold"] is None


def test_pairs_of_one_person_and_of_others():
    vectors = np.array([[1.0, 0], [0.6, 0.8], [0, 1]])
    same, others = pair_scores(vectors, ["a", "a", "b"])
    assert same.tolist() == [0.6] and sorted(others.tolist()) == [0.0, 0.8]


def test_what_makes_no_sense():
    with pytest.raises(ConfigError):
        tar_at_far(np.ones(2), np.ones(2), 1.5)
    for one, other in ((np.zeros(0), np.ones(1)), (np.ones(1), np.array([np.nan]))):
        with pytest.raises(InputError):
            tar_at_far(one, other, 0.1)
