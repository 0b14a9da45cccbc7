"""Decoders on outputs that are damaged, of another size than they look, or of an input that is no square."""

import math
from functools import partial

import numpy as np
import pytest

from edgevision.errors import ConfigError, InferenceError
from edgevision.resize import Geometry
from edgevision.tasks.decoders import decoder_class, decoding_of, read_decoding
from edgevision.tasks.detection import detect
from edgevision.tensors import TensorSpec


def found_in(name, outputs, size, /, **parameters):
    specs = [TensorSpec(f"o{place}", output.shape, "float32") for place, output in enumerate(outputs)]
    whole = Geometry(size, size, (1.0, 1.0), (0.0, 0.0))
    return detect(outputs, specs, read_decoding(decoding_of(name, parameters)), whole)


def zeros(*shape):
    return np.zeros(shape, np.float32)


def test_a_heat_map_that_is_nan_is_an_error_not_an_empty_picture():
    for everywhere in (True, False):
        heat = zeros(1, 16, 16, 2)
        heat[0, 5, 5, 0] = 0.9
        heat[0, : 16 if everywhere else 1] = np.nan
        with pytest.raises(InferenceError, match="NaN"):
            found_in("centernet", [heat, zeros(1, 16, 16, 2), zeros(1, 16, 16, 2)], (64, 64))


def test_logits_so_high_that_their_sigmoid_is_one_have_one_peak():
    heat = np.full((1, 16, 16, 1), -20, np.float32)
    heat[0, 5, 5:8, 0] = 18, 19, 18.5
    found = found_in("centernet", [heat, zeros(1, 16, 16, 2) + 2, zeros(1, 16, 16, 2)], (64, 64), activation="sigmoid")
    assert found.boxes.tolist() == [[20.0, 16.0, 28.0, 24.0]]


@pytest.mark.parametrize("damage", [np.nan, np.inf])
def test_a_box_without_a_place_is_an_error_not_an_empty_picture(damage):
    rows = zeros(1, 84, 8400)
    rows[0, :5, 7] = 320, 320, damage, 10, 0.9
    with pytest.raises(InferenceError, match="a box without a place"):
        found_in("yolov8", [rows], (640, 640))
    rows[0, 4] = 0  # nobody looks at it
    assert len(found_in("yolov8", [rows], (640, 640))) == 0


def post_process(boxes=None, classes=None, scores=None, count=10.0):
    given = [zeros(1, 10, 4) if boxes is None else boxes, zeros(1, 10) if classes is None else classes,
             zeros(1, 10) + 0.9 if scores is None else scores, np.array([count], np.float32)]  # fmt: skip
    given[0][..., 2:] = 0.5
    return given


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        (partial(post_process, count=np.nan), "count"),
        (partial(post_process, count=-1.0), "count"),
        (partial(post_process, count=11.0), "count"),
        (lambda: post_process(classes=zeros(1, 10) + np.nan), "a class before the first one"),
        (lambda: post_process(boxes=zeros(1, 5, 4)), "another kind of model"),
        (lambda: post_process(classes=zeros(10), scores=zeros(10)), "another kind of model"),
        (lambda: post_process(zeros(2, 10, 4), zeros(2, 10), zeros(2, 10)), "another kind of model"),
    ],
)
def test_what_the_operator_cannot_have_said(outputs, says):
    with pytest.raises(InferenceError, match=says):
        found_in("tflite_detection_postprocess", outputs(), (300, 300))


def test_a_first_class_that_is_too_high_is_no_object_of_the_last_class():
    with pytest.raises(InferenceError, match="--decoding first_class"):
        found_in("tflite_detection_postprocess", post_process(), (300, 300), first_class=1)


def test_two_images_at_once_are_refused():
    with pytest.raises(InferenceError, match="another kind of model"):
        found_in("ssd", [zeros(2, 1917, 4), zeros(2, 1917, 91)], (300, 300))


def test_as_many_channels_as_rows_and_columns_channels_first():
    """YOLOX with 8 classes on 416×416: its coarsest grid is a cube, and the finer ones tell where channels are."""
    heads = [zeros(1, 13, side, side) for side in (52, 26, 13)]
    heads[2][0, [4, 5 + 2], 3, 5] = 1
    found = found_in("yolox", heads, (416, 416))
    assert found.boxes.tolist() == [[144.0, 80.0, 176.0, 112.0]] and found.classes.tolist() == [2]
    last = found_in("yolox", [head.transpose(0, 2, 3, 1) for head in heads], (416, 416))
    assert last.boxes.tolist() == found.boxes.tolist()


@pytest.mark.parametrize("first", [True, False])
def test_a_heat_map_with_as_many_classes_as_rows_and_columns(first):
    """CenterNet's 80 classes of COCO on 320×320: sizes and offsets tell."""
    maps = [zeros(80, 80, 80), zeros(80, 80, 2) + 2, zeros(80, 80, 2)]
    maps[0][10, 20, 30] = 0.9  # row, column, class
    outputs = [part.transpose(2, 0, 1)[None] if first else part[None] for part in maps]
    found = found_in("centernet", outputs, (320, 320))
    assert found.boxes.tolist() == [[76.0, 36.0, 84.0, 44.0]] and found.classes.tolist() == [30]


def test_a_lone_cube_is_refused():
    with pytest.raises(InferenceError, match="shapes that tell channels"):
        found_in("fastestdet", [zeros(1, 22, 22, 22)], (352, 352))


def test_the_power_of_the_objectness_is_a_share():
    with pytest.raises(ConfigError, match="objectness_power"):
        decoding_of("fastestdet", {"objectness_power": 1.5})


def test_anchors_of_ultraface_on_a_side_that_its_strides_do_not_divide():
    """The authors' priors of 320×240, by their formula: (j + 0.5) · stride / 240, cut to the picture."""
    wanted = [
        ((i + 0.5) * stride / 320, (j + 0.5) * stride / 240, side / 320, side / 240)
        for stride, sides in zip((8, 16, 32, 64), ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256)), strict=True)
        for j in range(math.ceil(240 / stride))
        for i in range(math.ceil(320 / stride))
        for side in sides
    ]
    np.testing.assert_allclose(decoder_class("ultraface")().anchors((240, 320)), np.clip(wanted, 0, 1), rtol=1e-6)


def test_anchors_of_ssd_on_a_picture_that_is_no_square():
    """As TensorFlow's multiple grid anchors: scales are shares of the shorter side, so that ratio 1 is a square."""
    anchors = decoder_class("ssd")(strides=(32,), aspect_ratios=(1.0, 2.0), reduce_lowest=False).anchors((320, 640))
    assert len(anchors) == 10 * 20 * 3
    np.testing.assert_allclose(anchors[0, :2] * [640, 320], [16, 16], rtol=1e-6)
    root, between = math.sqrt(2), math.sqrt(0.2)
    sides = 320 * np.array([[0.2, 0.2], [0.2 * root, 0.2 / root], [between, between]])
    np.testing.assert_allclose(anchors[:3, 2:] * [640, 320], sides, rtol=1e-6)
