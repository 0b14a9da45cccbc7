"""A warm-up ends when the latency no longer changes, or says that it still does."""

import itertools
import time

import pytest

from edgevision.benchmark.warming import AT_MOST, warm_up


def runner(medians):
    """Something that takes the time it is given and has these medians, one after another."""
    left = iter(medians)

    def run(seconds):
        time.sleep(seconds)
        return next(left)

    return run


def test_it_lasts_the_least_time_where_nothing_changes():
    seconds, stable = warm_up(runner(itertools.repeat(1.0)), 0.05)
    assert stable and 0.05 <= seconds < 0.2


def test_it_goes_on_while_the_latency_falls():
    falling = [2.0, 1.8, 1.6, 1.4, 1.2, 1.1, 1.0, 1.01, 1.0, 1.0]
    seconds, stable = warm_up(runner(falling), 0.05)
    assert stable and seconds >= 9 * 0.01


def test_it_ends_and_says_so_where_it_never_is_stable():
    seconds, stable = warm_up(runner(itertools.cycle([1.0, 1.2])), 0.05)
    assert not stable and AT_MOST * 0.05 <= seconds < 2 * AT_MOST * 0.05


@pytest.mark.parametrize("least", [0, 0.0])
def test_none_is_none(least):
    assert warm_up(runner([]), least) == (0.0, True)
