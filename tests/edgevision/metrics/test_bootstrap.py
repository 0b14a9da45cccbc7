"""Intervals of a mean cover it as often as they say, also with a dozen values."""

import numpy as np
import pytest

from edgevision.errors import ConfigError
from edgevision.metrics.bootstrap import difference_interval, middle, middle_interval


def trimmed_mean(values, out):
    ordered, count = np.sort(values), round(out * len(values))
    return ordered[count : len(values) - count].mean()


def test_one_burst_of_another_process_decides_nothing():
    calm = np.random.default_rng(2).normal(0, 0.01, 12)
    low, high = middle_interval([*calm[:11], 5.0])
    assert -0.02 < low < 0 < high < 0.02 and abs(middle([*calm[:11], 5.0])) < 0.01
    assert middle([1.0, 2.0, 9.0]) == 4.0, "of few values none is left out"


@pytest.mark.parametrize(("count", "least"), [(6, 0.88), (12, 0.90)])
@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_they_cover_the_middle(shape, count, least):
    generator = np.random.default_rng(7)
    out = 0.0 if count < 8 else (count // 5) / count
    mean = 0.0 if shape == "normal" else trimmed_mean(generator.lognormal(0, 0.5, 200_000), out)
    covered = 0
    for trial in range(300):
        drawn = generator.normal(size=count) if shape == "normal" else generator.lognormal(0, 0.5, count)
        low, high = middle_interval(drawn, seed=trial)
        covered += low <= mean <= high
    assert least < covered / 300 < 0.99


def test_they_cover_a_difference_of_samples_of_other_sizes_and_spreads():
    generator = np.random.default_rng(8)
    covered = 0
    for trial in range(300):
        low, high = difference_interval(generator.normal(1.5, 1, 12), generator.normal(1, 3, 8), seed=trial)
        covered += low <= 0.5 <= high
    assert 0.90 < covered / 300 < 0.99


def test_a_difference_without_any_spread():
    assert difference_interval([3.0] * 4, [1.0] * 5) == (2.0, 2.0)
    low, high = difference_interval([3.0] * 4, [1.0, 1.1, 0.9])
    assert low < 2.0 < high


def test_more_confidence_and_fewer_values_make_them_wider():
    values = np.random.default_rng(1).normal(size=12)

    def width(values, **options):
        low, high = middle_interval(values, **options)
        return high - low

    assert width(values, confidence=0.8) < width(values) < width(values, confidence=0.99)
    assert width(np.tile(values, 8)) < width(values)
    assert middle_interval(values) == middle_interval(values)


def test_values_without_any_spread_have_no_width():
    assert middle_interval([3.0] * 5) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("values", "confidence"), [([1.0], 0.95), ([1.0, np.nan], 0.95), ([[1.0, 2.0]], 0.95), ([1.0, 2.0], 1.0)]
)
def test_what_makes_no_sense_is_refused(values, confidence):
    with pytest.raises(ConfigError, match="interval"):
        middle_interval(values, confidence=confidence)
