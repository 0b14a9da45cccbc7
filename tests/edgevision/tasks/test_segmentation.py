"""The class of each pixel, from outputs of every form, and its way back to the source image."""

import numpy as np
import pytest

from edgevision.errors import ConfigError, InferenceError
from edgevision.resize import fit
from edgevision.tasks.segmentation import SegmentationDecoding, segment
from edgevision.tensors import QuantParams, TensorSpec, quantize

CLASSES = np.array([[0, 0, 1, 1], [0, 2, 2, 1], [3, 3, 3, 3]])
SCORES = np.eye(4, dtype=np.float32)[CLASSES] + np.random.default_rng(0).uniform(0, 0.5, (3, 4, 4)).astype(np.float32)
SAME = fit(np.zeros((3, 4, 3), np.uint8), 3, 4, "stretch", "bilinear")[1]


def classes_of(stored, geometry=SAME, quant=None, **decoding):
    spec = TensorSpec("o", stored.shape, stored.dtype.name, "", quant)
    return segment(stored, spec, SegmentationDecoding(**decoding), geometry).classes


def test_scores_maps_and_one_score():
    assert (classes_of(SCORES[None]) == CLASSES).all()
    assert (classes_of(SCORES.transpose(2, 0, 1)[None], classes_axis="first") == CLASSES).all()
    for dtype in (np.int64, np.uint8, np.int32, np.float32):
        assert (classes_of(CLASSES[None].astype(dtype)) == CLASSES).all()
    quant = QuantParams((1.5 / 255,), (-128,))
    stored = quantize(SCORES[None], TensorSpec("q", SCORES[None].shape, "int8", "", quant))
    assert (classes_of(stored, quant=quant) == CLASSES).all()
    one = (CLASSES == 3).astype(np.float32)[None, ..., None]
    assert (classes_of(one) == (CLASSES == 3)).all()
    logits = one[..., 0][:, None] * 8 - 4
    assert (classes_of(logits, classes_axis="first", activation="sigmoid") == (CLASSES == 3)).all()
    assert (classes_of(one * 0.4, threshold=0.3) == (CLASSES == 3)).all()
    assert classes_of(SCORES[None]).dtype == np.uint8


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "center_crop"])
def test_back_to_the_source_image(resize):
    source = np.zeros((60, 40, 3), np.uint8)
    source[:, 20:] = 255
    pixels, geometry = fit(source, 48, 48, resize, "nearest", 0)
    found = classes_of((pixels[..., 0] > 127).astype(np.uint8)[None], geometry)
    assert found.shape == (60, 40)
    assert (found == (source[..., 0] > 127)).mean() > 0.98


def test_a_smaller_map_than_the_input():
    source = np.zeros((60, 80, 3), np.uint8)
    _, geometry = fit(source, 30, 40, "stretch", "bilinear")
    found = classes_of(CLASSES[None].astype(np.uint8), geometry)
    assert (found == np.repeat(np.repeat(CLASSES, 20, axis=0), 20, axis=1)).all()


def test_shares_largest_first():
    spec = TensorSpec("o", (1, 3, 4), "int64")
    found = segment(CLASSES[None], spec, SegmentationDecoding(), SAME)
    entries = found.to_list(["a", "b", "c"])
    assert [(entry["label"], entry["index"]) for entry in entries[:1]] == [(None, 3)]
    assert sum(entry["share"] for entry in entries) == pytest.approx(1)


def test_what_makes_no_sense():
    empty, damaged = (np.zeros((1, 0, 0, 3)), np.zeros((1, 4, 4, 0))), np.full((1, 3, 4), np.inf)
    for wrong in (np.zeros((1, 5)), np.zeros((2, 3, 4)), -np.ones((1, 3, 4)), np.full((1, 3, 4), 7e4), damaged, *empty):
        with pytest.raises(InferenceError):
            classes_of(wrong.astype(np.float32))
    with pytest.raises(InferenceError, match="NaN"):
        classes_of(np.full((1, 3, 4), np.nan, np.float32))
    scores = SCORES[None].copy()
    scores[0, 0, 0, 0] = np.nan
    with pytest.raises(InferenceError, match="NaN"):
        classes_of(scores)
    for wrong in ({"classes_axis": "middle"}, {"threshold": 2}, {"threshold": True}, {"activation": "softmax"}):
        with pytest.raises(ConfigError):
            SegmentationDecoding(**wrong)
