import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevision.errors import ConfigError
from edgevision.metrics.intervals import proportion, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # the last: R. G. Newcombe, Statistics in Medicine 17 (1998), method 3
        (0, 10, 0.0, 0.2775328),
        (10, 10, 0.7224672, 1.0),
        (5, 10, 0.2365931, 0.7634069),
        (81, 263, 0.2552743, 0.3662065),
    ],
)
def test_published_values(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=2e-4)


@given(st.integers(1, 10_000), st.data(), st.floats(0.5, 0.999))
def test_the_interval_holds_the_share_and_solves_wilsons_equation(n, data, confidence):
    from statistics import NormalDist

    successes = data.draw(st.integers(0, n))
    low, high = wilson(successes, n, confidence)
    share, z = successes / n, NormalDist().inv_cdf(0.5 + confidence / 2)
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert abs(share - end) == pytest.approx(z * (end * (1 - end) / n) ** 0.5, rel=1e-6, abs=1e-9)


def test_it_covers_the_truth_about_as_often_as_it_says():
    hits = np.random.default_rng(0).binomial(200, 0.87, 2000)
    covered = [low <= 0.87 <= high for low, high in (wilson(int(k), 200) for k in hits)]
    assert 0.93 <= np.mean(covered) <= 0.97


def test_no_trial_says_nothing():
    nothing = proportion(0, 0)
    assert (nothing.value, nothing.low, nothing.high) == (None, 0.0, 1.0)
    assert proportion(1, 4).to_dict()["value"] == 0.25


def test_bad_arguments():
    for successes, n, confidence in ((5, 4, 0.95), (-1, 4, 0.95), (1, 4, 95)):
        with pytest.raises(ConfigError):
            wilson(successes, n, confidence)
