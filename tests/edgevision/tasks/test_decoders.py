"""Decoders of detectors, each against outputs that were made from known boxes by the inverse of its formulas."""

import numpy as np
import pytest

from edgevision.errors import ConfigError, InferenceError
from edgevision.resize import Geometry, fit
from edgevision.tasks.decoders import DECODERS, decoder_class, decoding_of, read_decoding
from edgevision.tasks.detection import detect, with_thresholds
from edgevision.tensors import QuantParams, TensorSpec, quantize

SIZE = (64, 96)
CLASSES = 3
BOXES = np.array([[10.0, 12, 31, 50], [33, 5, 90, 60], [70, 40, 78, 47]], np.float32)
NUMBERS = np.array([2, 0, 1])
SCORES = np.array([0.9, 0.8, 0.7], np.float32)
CENTRES, SIDES = (BOXES[:, :2] + BOXES[:, 2:]) / 2, BOXES[:, 2:] - BOXES[:, :2]
WHOLE = Geometry(SIZE, SIZE, (1.0, 1.0), (0.0, 0.0))


def logit(share):
    return np.log(share / (1 - share))


def grid(stride):
    return -(-SIZE[0] // stride), -(-SIZE[1] // stride)


def cells(stride):
    """The cell that each box's centre is in: x, y, and its number in the grid."""
    place = np.floor(CENTRES / stride).astype(int)
    return place, place[:, 1] * grid(stride)[1] + place[:, 0]


def yolox(logits=False):
    parts = []
    for level, stride in enumerate((8, 16, 32)):
        rows = np.zeros((np.prod(grid(stride)), 5 + CLASSES), np.float32)
        rows[:, 4:] = -9 if logits else 0
        if level == 1:
            place, number = cells(stride)
            rows[number, :2] = CENTRES / stride - place
            rows[number, 2:4] = np.log(SIDES / stride)
            rows[number, 4] = logit(0.99) if logits else 0.99
            share = SCORES / 0.99
            rows[number, 5 + NUMBERS] = logit(share) if logits else share
        parts.append(rows)
    return np.concatenate(parts)[None]


def test_yolox():
    check("yolox", [yolox()])
    check("yolox", [yolox(logits=True)], activation="sigmoid")


def test_yolox_of_one_output_per_grid_in_any_order():
    whole = yolox()[0]
    sizes = np.cumsum([np.prod(grid(stride)) for stride in (8, 16)])
    parts = [part.reshape(*grid(stride), -1) for part, stride in zip(np.split(whole, sizes), (8, 16, 32), strict=True)]
    check("yolox", [part[None] for part in parts][::-1])
    check("yolox", [part.transpose(2, 0, 1)[None] for part in parts])


def yolov5(count=200):
    rows = np.zeros((count, 5 + CLASSES), np.float32)
    rows[:, :4] = [5, 5, 4, 4]
    rows[[3, 90, 199], :4] = np.concatenate([CENTRES, SIDES], axis=1)
    rows[[3, 90, 199], 4] = 0.95
    rows[[3, 90, 199], 5 + NUMBERS] = SCORES / 0.95
    return rows


def test_yolov5_of_final_rows():
    rows = yolov5()
    check("yolov5", [rows[None]])
    check("yolov5", [rows.T[None]])
    rows[:, :4] /= [SIZE[1], SIZE[0]] * 2
    check("yolov5", [rows[None]], normalized=True)


@pytest.mark.parametrize("layout", ["AHWD", "NCHW", "NHWC"])
def test_yolov5_of_raw_heads_with_anchors(layout):
    anchors = [[[6.0, 6], [8, 9]], [[24.0, 38], [50, 50]], [[80.0, 60], [90, 90]]]
    heads = []
    for level, stride in enumerate((8, 16, 32)):
        head = np.full((2, np.prod(grid(stride)), 5 + CLASSES), -9.0, np.float32)
        if level == 1:
            place, number = cells(stride)
            for box in range(3):
                anchor = 0 if box != 1 else 1
                row = head[anchor, number[box]]
                row[:2] = logit((CENTRES[box] / stride - place[box] + 0.5) / 2)
                row[2:4] = logit(np.sqrt(SIDES[box] / np.array(anchors[1][anchor])) / 2)
                row[4], row[5 + NUMBERS[box]] = logit(0.99), logit(SCORES[box] / 0.99)
        head = head.reshape(2, *grid(stride), -1)
        if layout == "NCHW":
            head = head.transpose(0, 3, 1, 2).reshape(-1, *grid(stride))
        elif layout == "NHWC":
            head = head.transpose(1, 2, 0, 3).reshape(*grid(stride), -1)
        heads.append(head[None])
    check("yolov5", heads, anchors=anchors)


def test_yolov8_of_final_rows():
    rows = np.delete(yolov5(), 4, axis=1)
    rows[[3, 90, 199], 4 + NUMBERS] = SCORES
    check("yolov8", [rows.T[None]])
    check("yolov8", [rows[None]])
    rows[:, 4:] = logit(np.clip(rows[:, 4:], 1e-4, 1 - 1e-4))
    check("yolov8", [rows.T[None]], activation="sigmoid")


def distribution(strides, bins, centre, scores_first, logits):
    """Each side's distance between two neighbouring bins, whose probabilities make its mean."""
    parts = []
    for level, stride in enumerate(strides):
        count = np.prod(grid(stride))
        sides = np.zeros((count, 4, bins), np.float32)
        scores = np.full((count, CLASSES), -9.0 if logits else 0.0, np.float32)
        if level == 0:
            place, number = cells(stride)
            point = (place + centre) * stride
            distances = np.concatenate([point - BOXES[:, :2], BOXES[:, 2:] - point], axis=1) / stride
            low = np.floor(distances).astype(int)
            powers = np.full((3, 4, bins), 1e-9)
            for box in range(3):
                for side in range(4):
                    powers[box, side, low[box, side]] = 1 - (distances - low)[box, side] + 1e-9
                    powers[box, side, low[box, side] + 1] = (distances - low)[box, side] + 1e-9
            sides[number] = np.log(powers)
            scores[number, NUMBERS] = logit(SCORES) if logits else SCORES
        flat = sides.reshape(count, -1)
        parts.append(np.concatenate([scores, flat] if scores_first else [flat, scores], axis=1))
    return parts


def test_nanodet():
    parts = distribution((8, 16, 32, 64), 8, 0.0, True, False)
    check("nanodet", [np.concatenate(parts)[None]])
    check("nanodet", [part[None] for part in parts])


def test_yolov8_raw():
    parts = distribution((8, 16, 32), 16, 0.5, False, True)
    strides = (8, 16, 32)
    maps = [part.reshape(1, *grid(stride), -1) for part, stride in zip(parts, strides, strict=True)]
    check("yolov8_raw", maps)
    check("yolov8_raw", [part.transpose(0, 3, 1, 2) for part in maps])


def test_fastestdet():
    rows = np.zeros((np.prod(grid(16)), 5 + CLASSES), np.float32)
    place, number = cells(16)
    rows[number, 0] = SCORES
    rows[number, 1:3] = np.arctanh(CENTRES / 16 - place)
    rows[number, 3:5] = logit(SIDES / [SIZE[1], SIZE[0]])
    rows[number, 5 + NUMBERS] = SCORES  # s^0.6 · s^0.4 = s
    check("fastestdet", [rows.T.reshape(1, -1, *grid(16))])


@pytest.mark.parametrize("first", [True, False])
def test_centernet(first):
    heat = np.zeros((*grid(4), CLASSES), np.float32)
    sizes, offsets = (np.zeros((*grid(4), 2), np.float32) for _ in range(2))
    place, _ = cells(4)
    for (x, y), number, score, side, centre in zip(place, NUMBERS, SCORES, SIDES, CENTRES, strict=True):
        heat[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2, number] = 0.6 * score  # the slope of a peak is no object
        heat[y, x, number] = score
        sizes[y, x], offsets[y, x] = side / 4, centre / 4 - (x, y)
    maps = [heat, sizes, offsets]
    if first:
        check("centernet", [part.transpose(2, 0, 1)[None] for part in maps])
    else:
        check("centernet", [part[None] for part in (sizes, offsets, heat)], outputs=[2, 0, 1])


def test_tflite_detection_postprocess():
    shares = BOXES[:, [1, 0, 3, 2]] / np.array([SIZE[0], SIZE[1]] * 2, np.float32)
    boxes = np.concatenate([shares, np.full((2, 4), 0.5)]).astype(np.float32)[None]
    classes = np.array([[*NUMBERS, 0, 0]], np.float32)
    scores = np.array([[*SCORES, 0.99, 0.99]], np.float32)  # rows behind the count are nothing
    count = np.array([3.0], np.float32)
    check("tflite_detection_postprocess", [boxes, classes, scores, count], known=None)
    check("tflite_detection_postprocess", [scores, boxes, count, classes + 1], known=None, outputs=[1, 3, 0, 2],
          first_class=1)  # fmt: skip


@pytest.mark.parametrize("softmax", [True, False])
def test_ssd_of_raw_heads(softmax):
    parameters = {"strides": [16, 32], "aspect_ratios": [1.0, 2.0], "reduce_lowest": True, "between": True}
    anchors = decoder_class("ssd").from_dict(parameters).anchors(SIZE)
    assert len(anchors) == 3 * 24 + 3 * 6
    chosen = np.array([10, 40, 80])
    offsets = np.zeros((len(anchors), 4), np.float32)
    shares = np.array([SIZE[1], SIZE[0]])
    place = (CENTRES / shares - anchors[chosen, :2]) / anchors[chosen, 2:] * 10
    sides = np.log(SIDES / shares / anchors[chosen, 2:]) * 5
    offsets[chosen] = np.concatenate([place, sides], axis=1)[:, [1, 0, 3, 2]]
    scores = np.zeros((len(anchors), CLASSES + 1), np.float32)
    if softmax:
        scores[:, 0] = 9
        scores[chosen] = np.log((1 - SCORES[:, None]) / 3)  # what is left, evenly on the others
        scores[chosen, 1 + NUMBERS] = np.log(SCORES)
    else:
        scores -= 9
        scores[chosen, 1 + NUMBERS] = logit(SCORES)
    check("ssd", [offsets[None], scores[None]], activation="softmax" if softmax else "sigmoid", **parameters)
    check("ssd", [scores[None], offsets[None]], activation="softmax" if softmax else "sigmoid", outputs=[1, 0],
          **parameters, known=None if not softmax else CLASSES)  # fmt: skip


def test_anchors_of_the_published_detectors():
    blazeface = decoder_class("blazeface")().anchors((128, 128))
    assert blazeface.shape == (896, 4) and (blazeface[:, 2:] == 1).all()
    np.testing.assert_allclose(blazeface[[0, 2, 512, 518], 0], [1 / 32, 3 / 32, 1 / 16, 3 / 16])
    ultraface = decoder_class("ultraface")().anchors((240, 320))
    assert ultraface.shape == (4420, 4)
    np.testing.assert_allclose(ultraface[0], [0.5 / 40, 0.5 / 30, 10 / 320, 10 / 240], rtol=1e-6)
    # MobileNet-SSD 300: 19² · 3 + (10² + 5² + 3² + 2² + 1) · 6 anchors
    ssd = decoder_class("ssd")().anchors((300, 300))
    assert len(ssd) == 1917
    np.testing.assert_allclose(ssd[0], [0.5 / 19, 0.5 / 19, 0.1, 0.1], rtol=1e-6)


def test_blazeface_with_landmarks():
    size = (128, 128)
    anchors = decoder_class("blazeface")().anchors(size)
    rows, logits = np.zeros((896, 16), np.float32), np.full((896, 1), -200.0, np.float32)
    points = np.random.default_rng(0).uniform(0, 128, (6, 2))
    anchor = anchors[700, :2] * 128
    rows[700, :4] = [64 - anchor[0], 70 - anchor[1], 40, 44]
    rows[700, 4:] = (points - anchor).ravel()
    logits[700] = logit(0.9)
    geometry = Geometry((256, 256), size, (0.5, 0.5), (0.0, 0.0))
    found = detect_raw("blazeface", [rows[None], logits[None]], geometry)
    np.testing.assert_allclose(found.boxes, [[88, 96, 168, 184]], rtol=1e-5)
    np.testing.assert_allclose(found.keypoints, [points * 2], rtol=1e-5)
    np.testing.assert_allclose(found.scores, [0.9], rtol=1e-5)


def test_ultraface_raw_and_decoded():
    size = (240, 320)
    anchors = decoder_class("ultraface")().anchors(size)
    offsets, scores = np.zeros((4420, 4), np.float32), np.tile(np.array([1.0, 0], np.float32), (4420, 1))
    offsets[4021] = [2.0, -1.0, 0.5, -0.5]
    scores[4021] = [0.1, 0.9]
    centre = (offsets[4021, :2] * 0.1 * anchors[4021, 2:] + anchors[4021, :2]) * [320, 240]
    sides = np.exp(offsets[4021, 2:] * 0.2) * anchors[4021, 2:] * [320, 240]
    wanted = np.concatenate([centre - sides / 2, centre + sides / 2])
    geometry = Geometry(size, size, (1.0, 1.0), (0.0, 0.0))
    np.testing.assert_allclose(
        detect_raw("ultraface", [offsets[None], scores[None]], geometry).boxes, [wanted], rtol=1e-5
    )
    corners = np.zeros((4420, 4), np.float32)
    corners[4021] = wanted / [320, 240, 320, 240]
    found = detect_raw("ultraface", [scores[None], corners[None]], geometry, outputs=[1, 0], decoded=True)
    np.testing.assert_allclose(found.boxes, [wanted], rtol=1e-5)


def test_yunet_with_landmarks():
    points = np.random.default_rng(1).uniform(0, 60, (3, 5, 2))
    groups = {"class": 1, "objectness": 1, "box": 4, "points": 10}
    outputs = {
        (name, stride): np.zeros((1, np.prod(grid(stride)), width), np.float32)
        for name, width in groups.items()
        for stride in (8, 16, 32)
    }
    place, number = cells(8)
    outputs["class", 8][0, number, 0] = SCORES**2
    outputs["objectness", 8][0, number, 0] = 1.0
    outputs["box", 8][0, number] = np.concatenate([CENTRES / 8 - place, np.log(SIDES / 8)], axis=1)
    outputs["points", 8][0, number] = (points / 8 - place[:, None]).reshape(3, 10)
    found = detect_raw("yunet", list(outputs.values()), WHOLE)
    np.testing.assert_allclose(found.boxes, BOXES, rtol=1e-4)
    np.testing.assert_allclose(found.scores, SCORES, rtol=1e-5)
    np.testing.assert_allclose(found.keypoints, points, rtol=1e-4, atol=1e-4)


def detect_raw(name, outputs, geometry, /, **parameters):
    outputs = [np.asarray(output, np.float32) for output in outputs]
    specs = [TensorSpec(f"o{place}", output.shape, "float32") for place, output in enumerate(outputs)]
    return detect(outputs, specs, read_decoding(decoding_of(name, parameters)), geometry)


def check(name, outputs, /, known=CLASSES, **parameters):
    """The boxes come back from float and from int8 outputs; and the classes are counted by the shapes."""
    found = detect_raw(name, outputs, WHOLE, **parameters)
    np.testing.assert_allclose(found.boxes, BOXES, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.scores, SCORES, rtol=1e-4)
    assert found.classes.tolist() == NUMBERS.tolist()
    decoder = read_decoding(decoding_of(name, parameters))
    specs = [TensorSpec("o", np.shape(output), "float32") for output in outputs]
    from edgevision.tasks.outputs import outputs_of

    if known is not None:
        assert decoder.class_count(outputs_of(outputs, specs), SIZE) == known
    stored, quantized = [], []
    for output in outputs:
        low, high = min(float(np.min(output)), 0.0), max(float(np.max(output)), 1e-3)
        scale = (high - low) / 65535
        spec = TensorSpec("q", output.shape, "int16", "", QuantParams((scale,), (int(-32768 - round(low / scale)),)))
        stored.append(quantize(output, spec))
        quantized.append(spec)
    again = detect(stored, quantized, decoder, WHOLE)
    assert again.classes.tolist() == NUMBERS.tolist()
    np.testing.assert_allclose(again.boxes, BOXES, atol=0.5)
    np.testing.assert_allclose(again.scores, SCORES, atol=2e-3)


def test_boxes_go_back_through_a_letterbox():
    image = np.zeros((40, 96, 3), np.uint8)
    _, geometry = fit(image, *SIZE, "letterbox", "bilinear")
    assert geometry.offset == (12.0, 0.0)
    found = detect_raw("yolox", [yolox()], geometry)
    np.testing.assert_allclose(found.boxes, np.clip(BOXES - [0, 12, 0, 12], 0, [96, 40, 96, 40]), atol=1e-3)


def test_a_box_outside_the_image_is_left_out():
    geometry = Geometry((64, 30), SIZE, (1.0, 1.0), (0.0, 0.0))
    assert detect_raw("yolox", [yolox()], geometry).classes.tolist() == [2]  # the others begin at x = 33 and 70


def test_boxes_of_one_class_suppress_each_other_and_thresholds_hold():
    rows = yolov5()
    rows[50] = rows[3]
    rows[51] = rows[3]
    rows[51, 5:] = [0.85, 0, 0]  # the same place, another class
    assert len(detect_raw("yolov5", [rows[None]], WHOLE)) == 4
    assert len(detect_raw("yolov5", [rows[None]], WHOLE, class_agnostic=True)) == 3
    assert len(detect_raw("yolov5", [rows[None]], WHOLE, iou_threshold=1.0)) == 5
    assert len(detect_raw("yolov5", [rows[None]], WHOLE, score_threshold=0.85)) == 1
    assert len(detect_raw("yolov5", [rows[None]], WHOLE, max_detections=2)) == 2


@pytest.mark.parametrize("name", DECODERS)
def test_parameters_are_data_and_errors_name_them(name):
    document = decoding_of(name)
    assert document["decoder"] == name
    assert read_decoding(document) == decoder_class(name)()
    assert read_decoding(document).to_dict() == {key: value for key, value in document.items() if key != "decoder"}
    for wrong, says in [
        ({"score_threshold": 2}, "score_threshold: got 2.0; allowed: 0 to 1"),
        ({"max_detections": 0}, "max_detections"),
        ({"max_detections": 1.5}, "a whole number"),
        ({"class_agnostic": 1}, "true or false"),
        ({"iou_treshold": 0.5}, "unknown key: got iou_treshold"),
        ({"score_threshold": float("nan")}, "a number"),
    ]:
        with pytest.raises(ConfigError, match=says):
            decoding_of(name, wrong)
    with pytest.raises(InferenceError, match="outputs of another kind of model"):
        detect_raw(name, [np.zeros((1, 7), np.float32)], WHOLE)


def test_unknown_decoders_and_words():
    with pytest.raises(ConfigError, match="did you mean yolox"):
        decoding_of("yolo_x")
    with pytest.raises(ConfigError, match="no decoder"):
        read_decoding({"activation": "softmax"})
    with pytest.raises(ConfigError, match="activation"):
        decoding_of("yolox", {"activation": "relu"})
    with pytest.raises(ConfigError, match="strides"):
        decoding_of("yolox", {"strides": []})
    with pytest.raises(ConfigError, match="anchors"):
        decoding_of("yolov5", {"anchors": [[[1, 2]]]})


def test_scores_that_are_no_numbers_are_an_error():
    rows = yolox()
    rows[0, 3, 4] = np.nan
    with pytest.raises(InferenceError, match="NaN"):
        detect_raw("yolox", [rows], WHOLE)


def test_thresholds_can_be_replaced():
    decoder = read_decoding(decoding_of("yolox"))
    assert with_thresholds(decoder) is decoder
    assert with_thresholds(decoder, score_threshold=0.01).score_threshold == 0.01
    with pytest.raises(ConfigError, match="0 to 1"):
        with_thresholds(decoder, score_threshold=1.5)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("yolox", [(1, 126, 5)]),
        ("yolov5", [(1, 200, 5)]),
        ("yolov8", [(1, 4, 200)]),
        ("nanodet", [(1, 128, 32)]),
        ("yolov8_raw", [(1, 126, 64)]),
        ("fastestdet", [(1, 5, 4, 6)]),
        ("centernet", [(1, 3, 16, 24), (1, 1, 16, 24), (1, 2, 16, 24)]),
        ("ultraface", [(1, 20, 4), (1, 20, 1)]),
        ("blazeface", [(1, 896, 4), (1, 896, 1)]),
        ("tflite_detection_postprocess", [(1, 9, 4), (1, 9), (1, 8), (1,)]),
    ],
)
def test_rows_that_are_too_short_are_an_error_of_ours(name, shapes):
    with pytest.raises(InferenceError, match="decoder"):
        detect_raw(name, [np.zeros(shape, np.float32) for shape in shapes], WHOLE)
