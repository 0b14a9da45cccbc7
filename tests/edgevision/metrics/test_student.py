"""A single measurement against several: the interval holds the true difference as often as it says."""

import numpy as np
import pytest

from edgevision.errors import ConfigError
from edgevision.metrics.student import against_one


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_interval_covers(confidence):
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        low, high = against_one(generator.normal(1.0, 0.1, 12), generator.normal(0.7, 0.1), confidence=confidence)
        covered += low <= 0.3 <= high
    assert covered / 1000 == pytest.approx(confidence, abs=0.03)


def test_values_that_are_all_the_same_have_no_spread():
    assert against_one([2.0, 2.0, 2.0], 1.5) == (0.5, 0.5)


@pytest.mark.parametrize(("values", "confidence", "said"), [([1.0], 0.9, "two or more"), ([1.0, 2.0], 1.0, "between")])
def test_what_makes_no_sense(values, confidence, said):
    with pytest.raises(ConfigError, match=said):
        against_one(values, 1.0, confidence=confidence)
