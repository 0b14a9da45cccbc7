import itertools

import pytest

from edgevision.train.schedules import learning_rate_schedule


def rates(name, **settings):
    schedule = learning_rate_schedule(name, 0.1, steps=100, **{"warmup_steps": 0, **settings})
    return [float(schedule(step)) for step in range(101)]


def test_cosine_falls_from_the_peak_to_zero():
    values = rates("cosine")
    assert values[0] == pytest.approx(0.1)
    assert values[50] == pytest.approx(0.05, abs=1e-3)
    assert values[100] == pytest.approx(0.0, abs=1e-7)
    assert all(later <= earlier for earlier, later in itertools.pairwise(values))


def test_warm_up_is_linear_and_then_the_peak():
    values = rates("cosine", warmup_steps=10)
    assert values[:3] == pytest.approx([0.01, 0.02, 0.03])
    assert max(values) == values[10] == pytest.approx(0.1)


def test_steps_are_tenths():
    values = rates("step")
    assert (values[49], values[51], values[76]) == pytest.approx((0.1, 0.01, 0.001))


def test_constant_stays():
    assert rates("constant") == pytest.approx([0.1] * 101)
