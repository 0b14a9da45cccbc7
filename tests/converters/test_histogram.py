import numpy as np
import pytest

from edgevision.converters.histogram import BINS, Histogram


def histogram(*batches) -> Histogram:
    found = Histogram()
    for batch in batches:
        found.add(np.asarray(batch, np.float32))
    return found


def test_counts_do_not_depend_on_the_order_in_which_values_come():
    values = np.random.default_rng(0).standard_cauchy(20_000).astype(np.float32)
    one, parts, back = histogram(values), histogram(*np.split(values, 20)), histogram(*np.split(values[::-1], 8))
    for other in (parts, back):
        assert (other.exponent, other.first, other.minimum, other.maximum) == (
            one.exponent, one.first, one.minimum, one.maximum,
        )  # fmt: skip
        assert np.array_equal(other.counts, one.counts)
    assert one.counts.sum() == 20_000 and BINS / 2 < len(one.counts) <= BINS


def test_bins_hold_the_values_that_they_say():
    found = histogram([0.1, 0.6, 1.4, -0.3], [0, 0, 100])
    assert (found.minimum, found.maximum, found.zeros) == (pytest.approx(-0.3), 100, 2)
    width = 2.0**found.exponent
    for value in (0.1, 0.6, 1.4, -0.3, 100):
        (inside,) = np.flatnonzero(np.floor(found.centres / width) == np.floor(np.float32(value) / width))
        assert found.counts[inside] == 1 and abs(found.centres[inside] - value) <= width / 2


@pytest.mark.parametrize("values", [[1, 1], [-2, -2], [1e-30, 2e-30], [1e30, -1e30], [1e-42, 3e37], [0, 0]])
def test_any_range_is_held(values):
    found = histogram(values)
    assert (found.minimum, found.maximum) == (np.float32(min(values)), np.float32(max(values)))
    assert found.counts.sum() + found.zeros == 2


def test_masks_count_for_nothing_and_nan_is_refused():
    found = histogram([np.inf, -np.inf, 3.4e38, 0, 1, 2])
    assert (found.minimum, found.maximum, found.counts.sum(), found.zeros) == (0, 2, 2, 1)
    assert len(histogram([np.inf]).counts) == 0
    with pytest.raises(ValueError):
        histogram([1, np.nan])
