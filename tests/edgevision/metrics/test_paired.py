"""Paired comparisons of two classifiers: against values from tables, and with as many false alarms as they say."""

import numpy as np
import pytest

from edgevision.errors import ConfigError, InputError
from edgevision.metrics.paired import mcnemar, paired_loss
from edgevision.metrics.student import student_p, student_quantile


@pytest.mark.parametrize(
    ("confidence", "freedom", "t"),
    [(0.95, 1, 12.706), (0.95, 4, 2.776), (0.99, 30, 2.750), (0.999, 120, 3.373), (0.95, 100000, 1.960)],
)
def test_student_s_table(confidence, freedom, t):
    assert student_quantile(confidence, freedom) == pytest.approx(t, abs=6e-4)
    assert student_p(t, freedom) == pytest.approx(1 - confidence, rel=2e-3)
    assert student_p(-t, freedom) == student_p(t, freedom)


def test_small_p_values_stay_small():
    assert 0 < student_p(40.0, 500) < 1e-150
    assert student_p(float("inf"), 3) == 0.0 and student_p(0.0, 3) == 1.0


def test_a_loss_that_moves_where_no_class_does():
    generator = np.random.default_rng(0)
    before = generator.exponential(1.0, 400)
    after = before + 0.01 + generator.normal(0, 0.02, 400)
    right = before < 0.5
    assert paired_loss(before, after).p < 1e-9 and mcnemar(right, right) == 1.0


def test_the_interval_leaves_0_out_exactly_when_p_is_small():
    generator = np.random.default_rng(1)
    for shift in (0.0, 0.1, 0.2, 0.3, 0.4):
        found = paired_loss(np.zeros(50), generator.normal(shift, 1, 50), comparisons=7)
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)


def test_false_alarms_are_as_rare_as_stated():
    differences = np.random.default_rng(2).normal(0, 1, (1000, 30))
    alarms = sum(paired_loss(np.zeros(30), row).p < 0.05 for row in differences)
    assert 30 < alarms < 70
    assert sum(paired_loss(np.zeros(30), row, comparisons=100).p < 0.05 for row in differences) < 5


def test_no_difference_at_all_is_no_evidence():
    same = paired_loss(np.ones(9), np.ones(9))
    assert (same.mean, same.low, same.high, same.p, same.count) == (0.0, 0.0, 0.0, 1.0, 9)
    assert paired_loss(np.ones(9), np.zeros(9)).p == 0.0


def test_mcnemar_counts_the_images_that_changed_sides():
    before, after = np.repeat([True, False, True], [1, 9, 500]), np.repeat([False, True, True], [1, 9, 500])
    assert mcnemar(before, after) == pytest.approx(2 * 11 / 1024)
    assert mcnemar(after, before) == mcnemar(before, after)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InputError, match="as many losses as before, two at least: got 1 and 1"):
        paired_loss(np.ones(1), np.ones(1))
    with pytest.raises(ConfigError, match="comparisons and confidence"):
        paired_loss(np.ones(3), np.ones(3), comparisons=0)
    with pytest.raises(InputError, match="as many answers"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))
    with pytest.raises(ConfigError, match="degrees of freedom"):
        student_p(1.0, 0)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        student_quantile(1.0, 3)
