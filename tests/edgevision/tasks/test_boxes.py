"""Overlap of boxes, and non-maximum suppression against the plain algorithm."""

import time

import numpy as np
import pytest

from edgevision.errors import InputError
from edgevision.tasks.boxes import box_iou, nms
from edgevision.tasks.detections import NOTHING, Detections


def plain_nms(boxes, scores, threshold, classes=None):
    """One box after the other, as the papers have it."""
    kept = []
    for index in np.argsort(-scores, kind="stable"):
        same = [k for k in kept if classes is None or classes[k] == classes[index]]
        if all(plain_iou(boxes[index], boxes[k]) <= threshold for k in same):
            kept.append(index)
    return [int(index) for index in kept]


def plain_iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def crowd(count, seed, size=60.0):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 400, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, size, (count, 2))], axis=1)
    return boxes, rng.uniform(0, 1, count), rng.integers(0, 4, count)


def test_iou_is_shared_over_union():
    first, _, _ = crowd(20, 0)
    second, _, _ = crowd(30, 1)
    wanted = [[plain_iou(a, b) for b in second] for a in first]
    np.testing.assert_allclose(box_iou(first, second), wanted, rtol=1e-12)
    flat = np.array([[3.0, 3, 3, 9]])
    assert box_iou(flat, flat).item() == 0


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 500])
@pytest.mark.parametrize("aware", [False, True])
def test_nms_keeps_what_the_plain_algorithm_keeps(threshold, count, aware):
    boxes, scores, classes = crowd(count, count)
    scores = np.round(scores, 1)  # many equal ones
    chosen = classes if aware else None
    assert nms(boxes, scores, threshold, classes=chosen).tolist() == plain_nms(boxes, scores, threshold, chosen)


def test_nms_stops_at_the_wanted_number():
    boxes, scores, _ = crowd(400, 3)
    everything = nms(boxes, scores, 0.5)
    assert len(everything) > 60
    assert nms(boxes, scores, 0.5, max_detections=60).tolist() == everything[:60].tolist()


def test_nms_of_lengths_that_differ():
    with pytest.raises(InputError, match=r"boxes \[3, 4\], 2 scores"):
        nms(np.zeros((3, 4)), np.zeros(2), 0.5)


@pytest.mark.timing
def test_nms_of_thousands_of_boxes_takes_milliseconds():
    boxes, scores, classes = crowd(5000, 5)
    spent = []
    for _ in range(5):
        begin = time.perf_counter()
        nms(boxes, scores, 0.5, classes=classes, max_detections=300)
        spent.append(time.perf_counter() - begin)
    assert min(spent) < 0.05


def test_detections_are_arrays_of_one_length():
    found = Detections(np.array([[0, 0, 5, 5], [1, 1, 2, 2]]), np.array([0.9, 0.2]), np.array([1, 0]))
    assert (found.boxes.dtype, found.scores.dtype, found.classes.dtype) == (np.float32, np.float32, np.int64)
    assert found.above(0.5).to_list(["cat", "dog"]) == [
        {"label": "dog", "index": 1, "score": pytest.approx(0.9), "box": [0.0, 0.0, 5.0, 5.0]}
    ]
    assert len(NOTHING) == 0 and NOTHING.to_list() == []
    with pytest.raises(InputError, match=r"boxes \[N, 4\]"):
        Detections(np.zeros((2, 4)), np.zeros(3), np.zeros(2))
    with pytest.raises(InputError, match="keypoints"):
        Detections(np.zeros((2, 4)), np.zeros(2), np.zeros(2), np.zeros((2, 5)))


def test_detections_with_keypoints():
    points = np.arange(12.0).reshape(1, 6, 2)
    found = Detections(np.zeros((1, 4)), np.ones(1), np.zeros(1), points)
    assert found.to_list()[0]["keypoints"] == points[0].tolist()
    assert found.take(np.zeros(1, bool)).keypoints.shape == (0, 6, 2)
