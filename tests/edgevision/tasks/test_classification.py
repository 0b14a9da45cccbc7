import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevision.errors import ConfigError, InferenceError
from edgevision.tasks.classification import Prediction, classify, probabilities, rank, softmax, top1
from edgevision.tensors import QuantParams, TensorSpec, dequantize

FLOAT = TensorSpec("scores", (1, 3), "float32", "NC")
INT8 = TensorSpec("scores", (1, 3), "int8", "NC", QuantParams((1 / 256,), (-128,)))
LABELS = ("cat", "dog", "ship")


def test_classes_come_best_first_with_their_scores():
    answer = classify(np.array([[0.2, 0.7, 0.1]], np.float32), FLOAT, LABELS, top_k=2, activation="softmax")
    assert [(p.label, p.index) for p in answer] == [("dog", 1), ("cat", 0)]
    assert answer[0].score == pytest.approx(0.7)
    assert answer[0].to_dict() == {"label": "dog", "index": 1, "score": answer[0].score}


def test_stored_scores_are_dequantized():
    answer = classify(np.array([[-128, 0, 127]], np.int8), INT8, LABELS, activation="softmax")
    assert answer == [Prediction("ship", 2, 255 / 256), Prediction("dog", 1, 0.5), Prediction("cat", 0, 0.0)]


def test_logits_become_probabilities():
    answer = classify(np.array([1.0, 2.0, 1000.0], np.float32), FLOAT, None, activation="logits")
    assert [p.score for p in answer] == [1.0, 0.0, 0.0]
    assert [p.label for p in answer] == [None] * 3
    raw = classify(np.array([1.0, 2.0, 1000.0], np.float32), FLOAT)
    assert raw[0].score == 1000.0


def test_equal_scores_rank_the_lower_index_first():
    stored = np.array([[5, 9, 9]], np.int8)
    assert rank(stored, INT8).tolist() == [[1, 2, 0]]
    assert top1(stored, INT8).tolist() == [1]
    assert top1(np.array([[-128, -128, -128]], np.int8), INT8).tolist() == [0]


@given(st.lists(st.lists(st.integers(-128, 127), min_size=3, max_size=3), min_size=1, max_size=9))
def test_order_is_the_same_before_and_after_dequantizing(rows):
    stored = np.array(rows, np.int8)
    order = rank(stored, INT8)
    real = dequantize(stored, TensorSpec("x", (None, 3), "int8", "", INT8.quant))
    np.testing.assert_array_equal(order, np.argsort(-real, axis=1, kind="stable"))
    np.testing.assert_array_equal(order[:, 0], top1(stored, INT8))


def test_per_channel_scores_are_compared_as_real_values():
    spec = TensorSpec("scores", (1, 2), "int8", "NC", QuantParams((1.0, 0.01), (0, 0), 1))
    assert top1(np.array([[2, 100]], np.int8), spec).tolist() == [0]
    assert probabilities(np.array([[2, 100]], np.int8), spec).tolist() == [[2.0, 1.0]]


def test_scores_in_a_picture_of_one_pixel_are_scores():
    assert classify(np.ones((1, 1, 1, 3), np.float32), FLOAT)[0].index == 0


def test_softmax_is_safe_and_sums_to_one():
    rows = softmax(np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]]))
    np.testing.assert_allclose(rows, [[1, 0, 0], [1 / 3] * 3])


@pytest.mark.parametrize(
    ("stored", "error", "options"),
    [
        (np.zeros((2, 3), np.float32), InferenceError, {}),
        (np.zeros((1, 4, 4, 3), np.float32), InferenceError, {}),
        (np.float32(1), InferenceError, {}),
        (np.array([[0, np.nan, 1]], np.float32), InferenceError, {}),
        (np.zeros((1, 3), np.float32), ConfigError, {"labels": ["cat"]}),
        (np.zeros((1, 3), np.float32), ConfigError, {"top_k": 0}),
        (np.zeros((1, 3), np.float32), ConfigError, {"activation": "sotfmax"}),
    ],
)
def test_what_cannot_be_ranked_is_refused(stored, error, options):
    with pytest.raises(error):
        classify(stored, FLOAT, **options)
