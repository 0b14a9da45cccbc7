"""Results on images: at the right place, inside the image, and the image itself untouched."""

import numpy as np
import pytest

from edgevision.errors import InputError
from edgevision.tasks.classification import Prediction
from edgevision.tasks.detections import NOTHING, Detections
from edgevision.tasks.drawing import color_of, draw_classes, draw_detections, draw_segmentation
from edgevision.tasks.segmentation import Segmentation

GREY = np.full((120, 200, 3), 128, np.uint8)


def changed(drawn):
    return (drawn != GREY).any(axis=2)


def test_boxes_have_the_colour_of_their_class():
    found = Detections(np.array([[50, 40, 150, 100], [0, 0, 30, 200]]), np.array([0.9, 0.5]), np.array([3, 7]))
    drawn = draw_detections(GREY, found, ["cat"])
    assert drawn.shape == GREY.shape and (GREY == 128).all()
    assert tuple(drawn[70, 50]) == tuple(drawn[100, 100]) == color_of(3)
    assert not changed(drawn)[60:90, 60:140].any()  # nothing inside the box
    assert tuple(drawn[60, 0]) == color_of(7)
    assert not changed(draw_detections(GREY, NOTHING)).any()


def test_landmarks_and_texts():
    points = np.array([[[100.0, 70], [-50, -50]]])
    found = Detections(np.array([[50, 40, 150, 100]]), np.ones(1), np.zeros(1), points)
    drawn = draw_detections(GREY, found, texts=["Ada"])
    assert tuple(drawn[70, 100]) == color_of(0)
    other = draw_detections(GREY, found, texts=["Björn Ångström"])
    assert changed(other).sum() > changed(drawn).sum()


def test_segmentation_tints_all_but_class_0():
    classes = np.zeros((120, 200), np.uint8)
    classes[60:, 100:] = 5
    drawn = draw_segmentation(GREY, Segmentation(classes), ["a"])
    assert not changed(drawn)[:60, 120:].any()
    np.testing.assert_allclose(drawn[110, 190], (128 + np.array(color_of(5))) / 2, atol=1)


def test_classes_in_the_corner():
    drawn = draw_classes(GREY, [Prediction("cat", 0, 0.9), Prediction(None, 4, 0.1)])
    assert changed(drawn)[:60, :100].any() and not changed(drawn)[80:].any()


def test_what_is_no_image():
    with pytest.raises(InputError, match="uint8"):
        draw_detections(GREY.astype(np.float32), NOTHING)
    with pytest.raises(InputError):
        draw_segmentation(GREY[..., 0], Segmentation(np.zeros((120, 200), np.uint8)))
