import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from edgevision.assignment import match
from edgevision.errors import InputError


def total(weights, rows, columns):
    return float(weights[rows, columns].sum())


@given(st.integers(0, 9), st.integers(0, 9), st.sampled_from([0.1, 0.5, 1.0]), st.booleans(), st.integers(0, 2**32 - 1))
def test_it_is_as_good_as_scipys(height, width, density, coarse, seed):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(-0.2, 1, (height, width)) * (rng.random((height, width)) < density)
    if coarse:  # many ties
        weights = np.round(weights * 3) / 3
    rows, columns = match(weights)
    best = total(np.maximum(weights, 0), *linear_sum_assignment(np.maximum(weights, 0), maximize=True))
    assert total(weights, rows, columns) == pytest.approx(best)
    assert (weights[rows, columns] > 0).all()
    assert (np.diff(rows) > 0).all() and len(set(columns.tolist())) == len(columns)


@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
def test_large_ones_too(density):
    rng = np.random.default_rng(3)
    weights = rng.random((60, 75)) * (rng.random((60, 75)) < density)
    best = total(weights, *linear_sum_assignment(weights, maximize=True))
    assert total(weights, *match(weights)) == pytest.approx(best)


def test_one_pair_stays_alone_where_two_are_worth_more():
    """Greedy would take 0.9 + 0.1; a forced assignment would take what is forbidden."""
    rows, columns = match(np.array([[0.9, 0.8], [0.85, 0.1]]))
    assert columns.tolist() == [1, 0]
    rows, columns = match(np.array([[0.9, 0.0], [0.8, 0.0]]))
    assert (rows.tolist(), columns.tolist()) == ([0], [0])


@pytest.mark.parametrize("weights", [np.zeros(3), np.array([[np.nan]]), np.array([[np.inf, 1.0]])])
def test_what_is_no_matrix_of_numbers_is_refused(weights):
    with pytest.raises(InputError, match="match"):
        match(weights)
