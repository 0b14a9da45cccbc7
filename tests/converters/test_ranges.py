import numpy as np
import pytest

from edgevision.converters.histogram import Histogram
from edgevision.converters.ranges import LEVELS, METHODS, OUTLIERS, choose_range


def distribution(values) -> Histogram:
    found = Histogram()
    found.add(np.asarray(values, np.float32))
    return found


def squared_error(values, low, high):
    scale = (high - low) / (LEVELS - 1)
    lowest = np.rint(low / scale)
    return np.mean((np.clip(np.rint(values / scale), lowest, lowest + LEVELS - 1) * scale - values) ** 2)


@pytest.fixture(scope="module")
def outliers():
    values = np.random.default_rng(0).normal(size=50_000)
    values[:2] = 60, -35
    return values


def test_min_max_takes_everything_and_zero(outliers):
    assert choose_range(distribution(outliers), "min_max") == (-35, 60)
    assert choose_range(distribution([3, 5]), "min_max") == (0, 5)
    assert choose_range(distribution([-3, -5]), "min_max") == (-5, 0)


def test_percentile_leaves_out_the_share_that_it_names(outliers):
    low, high = choose_range(distribution(outliers), "percentile")
    for share in (np.mean(outliers < low), np.mean(outliers > high)):
        assert 0 < share <= 1.5 * OUTLIERS
    many_zeros = np.append(np.zeros(90_000), np.linspace(0, 10, 10_000))
    assert choose_range(distribution(many_zeros), "percentile")[1] == pytest.approx(9.99, abs=0.01)


def test_mse_errs_less_than_any_other_method(outliers):
    for values in (outliers, np.maximum(outliers, 0), np.random.default_rng(1).laplace(size=50_000)):
        error = {method: squared_error(values, *choose_range(distribution(values), method)) for method in METHODS}
        assert min(error, key=error.get) == "mse"
        low, high = choose_range(distribution(values), "mse")
        assert error["mse"] <= 1.02 * min(
            squared_error(values, low * s, high * t) for s in (0.9, 1, 1.1) for t in (0.9, 1.1)
        )


def test_entropy_cuts_outliers_off_and_leaves_even_distributions_alone(outliers):
    low, high = choose_range(distribution(outliers), "entropy")
    assert -10 < low < -3 and 3 < high < 10
    even = np.random.default_rng(0).uniform(-1, 1, 50_000)
    assert choose_range(distribution(even), "entropy") == pytest.approx((-1, 1), abs=0.02)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("values", [[0, 0], [2, 2], [-1e-30, 1e-30], [1e30, -1e30], [-4, -4, 0]])
def test_any_values_have_a_range_with_zero_in_it(method, values):
    values = np.asarray(values, np.float32)
    low, high = choose_range(distribution(values), method)
    assert low <= 0 <= high and low >= min(*values, 0) and high <= max(*values, 0)
    assert method != "mse" or (low, high) == (min(*values, 0), pytest.approx(max(*values, 0)))
