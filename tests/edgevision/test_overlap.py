import numpy as np

from edgevision.overlap import area, iou


def test_known_overlaps():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [0, 0, 5, 5], [20, 20, 30, 30], [10, 0, 20, 10]], np.float32)
    assert np.allclose(iou(boxes[:1], boxes), [[1, 1 / 3, 0.25, 0, 0]])
    assert np.allclose(iou(boxes, boxes), iou(boxes, boxes).T)


def test_boxes_without_area_overlap_nothing_not_even_themselves():
    boxes = np.array([[3, 3, 3, 3], [9, 9, 1, 1], [0, 0, 10, 10.0]])
    assert iou(boxes, boxes).tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert area(boxes).tolist() == [0, 0, 100]


def test_none_against_some():
    assert iou(np.empty((0, 4)), np.ones((3, 4))).shape == (0, 3)
