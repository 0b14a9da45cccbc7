"""Intersection over union over all pixels."""

import numpy as np
import pytest

from edgevision.errors import InputError
from edgevision.metrics.segmentation import segmentation_metrics


def test_iou_by_hand():
    truth = np.array([[0, 0, 1], [1, 255, 255]])
    found = np.array([[0, 1, 1], [1, 1, 0]])
    got = segmentation_metrics([truth], [found], ["road", "car", "sky"])
    assert got.pixels == 4 and got.pixel_accuracy == 0.75
    assert got.iou == (0.5, pytest.approx(2 / 3), None)
    assert got.miou == pytest.approx((0.5 + 2 / 3) / 2)
    twice = segmentation_metrics([truth, truth], [found, truth], ["road", "car", "sky"])
    assert twice.pixels == 8 and twice.pixel_accuracy == 0.875
    assert got.to_dict()["labels"] == ["road", "car", "sky"]


def test_iou_is_counted_over_sets_of_pixels():
    rng = np.random.default_rng(0)
    truths, found = ([rng.integers(0, 5, (20, 30)) for _ in range(4)] for _ in range(2))
    got = segmentation_metrics(truths, found, list("abcde"))
    one, other = np.stack(truths), np.stack(found)
    wanted = [((one == k) & (other == k)).sum() / ((one == k) | (other == k)).sum() for k in range(5)]
    np.testing.assert_allclose(got.iou, wanted)


@pytest.mark.parametrize(
    ("truths", "found"),
    [
        ([np.zeros((2, 2), int)], []),
        ([np.zeros((2, 2), int)], [np.zeros((2, 3), int)]),
        ([np.zeros((2, 2), int)], [np.full((2, 2), 3)]),
        ([np.full((2, 2), 255)], [np.zeros((2, 2), int)]),
    ],
)
def test_what_makes_no_sense(truths, found):
    with pytest.raises(InputError):
        segmentation_metrics(truths, found, ["a", "b"])


def test_the_class_that_is_out_of_range_is_named():
    with pytest.raises(InputError, match="got -1 to 0; allowed: 0 to 1"):
        segmentation_metrics([np.zeros((2, 2), int)], [np.full((2, 2), -1)], ["a", "b"])
