import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevision.errors import ConfigError, InputError
from edgevision.metrics.classification import (
    ClassificationMetrics,
    calibration_error,
    classification_metrics,
    confusion_matrix,
    log_loss,
)

LABELS = ("cat", "dog", "ship")
TARGETS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 2])


def test_a_worked_example():
    result = classification_metrics(TARGETS, PREDICTED, LABELS)
    assert result.confusion == ((2, 1, 0), (1, 1, 0), (0, 0, 1))
    assert result.accuracy.value == pytest.approx(4 / 6)
    cat, dog, ship = result.per_class
    assert (cat.support, cat.precision.value, cat.recall.value) == (3, 2 / 3, 2 / 3)
    assert (dog.precision.value, dog.recall.value, dog.f1) == (0.5, 0.5, 0.5)
    assert (ship.precision.value, ship.f1) == (1.0, 1.0)
    assert result.macro_f1 == pytest.approx((2 / 3 + 0.5 + 1) / 3)
    assert dog.recall.low < 0.5 < dog.recall.high
    assert (result.ece, result.log_loss, result.reliability) == (None, None, ())


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_it_is_the_textbook_definition(pairs):
    truth, guess = (np.array(column) for column in zip(*pairs, strict=True))
    result = classification_metrics(truth, guess, "abcde")
    assert result.accuracy.successes == sum(t == g for t, g in pairs)
    assert sum(map(sum, result.confusion)) == len(pairs) == result.count
    seen = [k for k in range(5) if k in truth or k in guess]
    f1 = []
    for k in seen:
        hit = sum(t == g == k for t, g in pairs)
        wrong, missed = sum(g == k != t for t, g in pairs), sum(t == k != g for t, g in pairs)
        assert result.per_class[k].precision.count == hit + wrong
        assert result.per_class[k].recall.count == hit + missed
        f1.append(2 * hit / (2 * hit + wrong + missed))
    assert result.macro_f1 == pytest.approx(np.mean(f1))


def test_classes_that_neither_occur_nor_are_predicted_are_no_part_of_the_mean():
    result = classification_metrics(np.array([0, 1]), np.array([0, 1]), LABELS)
    assert result.per_class[2].f1 is None
    assert result.per_class[2].recall.value is None
    assert result.macro_f1 == result.macro_recall == 1.0


def test_calibration_error_by_hand():
    confidence, correct = np.array([0.95, 0.85, 0.85, 0.55]), np.array([True, True, False, False])
    ece, bins = calibration_error(confidence, correct, bins=10)
    assert ece == pytest.approx((abs(1 - 0.95) + abs(1 - 1.7) + abs(0 - 0.55)) / 4)
    assert [b.count for b in bins] == [0, 0, 0, 0, 0, 1, 0, 0, 2, 1]
    assert (bins[8].accuracy, bins[8].confidence) == (0.5, pytest.approx(0.85))
    assert bins[0].accuracy is None


def test_edges_belong_to_the_bin_below():
    _, bins = calibration_error(np.array([0.0, 0.5, 1.0]), np.array([True] * 3), bins=2)
    assert [b.count for b in bins] == [2, 1]
    with pytest.raises(ConfigError):
        calibration_error(np.array([0.5]), np.array([True]), bins=0)


def test_a_calibrated_model_has_almost_no_error():
    generator = np.random.default_rng(0)
    confidence = generator.random(100_000)
    ece, _ = calibration_error(confidence, generator.random(100_000) < confidence)
    assert ece < 0.01
    ece, _ = calibration_error(np.ones(1000), np.arange(1000) < 300)
    assert ece == pytest.approx(0.7)


def test_log_loss():
    shares = np.array([[0.5, 0.5], [0.0, 1.0]])
    assert log_loss(np.array([0, 1]), shares) == pytest.approx(np.log(2) / 2)
    assert log_loss(np.array([1, 0]), shares) == pytest.approx((np.log(2) - np.log(1e-7)) / 2)


def test_with_probabilities_and_as_json():
    shares = np.full((6, 3), 0.05)
    shares[np.arange(6), PREDICTED] = 0.9
    result = classification_metrics(TARGETS, PREDICTED, LABELS, shares)
    assert result.ece == pytest.approx(0.9 - 4 / 6)
    assert len(result.reliability) == 15
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document == result.to_dict()
    assert document["accuracy"]["count"] == 6


def test_rows_of_the_confusion_matrix_are_true_classes():
    assert confusion_matrix(np.array([0]), np.array([2]), 3).tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("targets", "predicted", "probabilities"),
    [
        (np.array([], int), np.array([], int), None),
        (np.array([0, 1]), np.array([0]), None),
        (np.array([3]), np.array([0]), None),
        (np.array([-1]), np.array([0]), None),
        (np.array([0.0]), np.array([0]), None),
        (np.array([0]), np.array([0]), np.zeros((1, 2))),
        (np.array([0]), np.array([0]), np.array([[2.0, -1.0, 0.0]])),
        (np.array([0]), np.array([0]), np.full((1, 3), np.nan)),
    ],
)
def test_bad_input(targets, predicted, probabilities):
    with pytest.raises(InputError, match="metrics"):
        classification_metrics(targets, predicted, LABELS, probabilities)


def test_it_reads_back_what_it_wrote():
    shares = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    metrics = classification_metrics(np.array([0, 1, 1]), np.array([0, 1, 0]), ("a", "b", "c"), shares)
    assert ClassificationMetrics.from_dict(json.loads(json.dumps(metrics.to_dict()))) == metrics
