"""MLPerf's early stopping: its published counts, what it promises, and what it refuses."""

import numpy as np
import pytest

from edgevision.errors import ConfigError
from edgevision.metrics.percentiles import early_stopping_percentile, samples_needed


@pytest.mark.parametrize(("percent", "count"), [(90, 64), (99, 662)])
def test_the_fewest_samples_are_those_that_loadgen_asks_for(percent, count):
    assert samples_needed(percent) == count
    assert early_stopping_percentile(range(count - 1), percent) is None
    assert early_stopping_percentile(range(count), percent) == count - 1, "the largest of them"


@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_a_few_samples_support_no_percentile(count):
    assert early_stopping_percentile(range(count), 90) is None


def test_it_is_below_the_true_percentile_in_one_of_a_hundred_runs():
    random = np.random.default_rng(0)
    truth = -np.log(0.1)
    low = sum(early_stopping_percentile(list(random.exponential(size=200)), 90) < truth for _ in range(3000))
    assert low <= 45, "30 were expected of a bound that is exact, and it is a little wider"


def test_it_nears_the_percentile_with_more_samples():
    estimates = [early_stopping_percentile([i / n for i in range(1, n + 1)], 95) for n in (200, 2_000, 20_000)]
    assert estimates == sorted(estimates, reverse=True) and 0.95 < estimates[-1] < 0.955


def test_the_order_of_the_samples_does_not_matter():
    samples = list(np.random.default_rng(1).normal(size=500))
    assert early_stopping_percentile(samples, 90) == early_stopping_percentile(sorted(samples), 90)


@pytest.mark.parametrize("arguments", [{"percent": 0}, {"percent": 100}, {"percent": 90, "confidence": 1}])
def test_what_is_no_percentile_is_refused(arguments):
    with pytest.raises(ConfigError, match="early stopping"):
        early_stopping_percentile([1.0], **arguments)
