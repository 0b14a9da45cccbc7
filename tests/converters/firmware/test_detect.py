"""Boxes of detectors in C: bit for bit a plain NumPy version in integers, and near the real-valued definition."""

import ctypes
import itertools
import math
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.converters.firmware import firmware
from edgevision.converters.firmware.detect import CELL, Detection, DetectionHead
from edgevision.errors import ConfigError, IncompatibleModelError
from edgevision.firmware_library import host_compiler
from edgevision.frames import encode_frame
from edgevision.resize import fit

HEIGHT, WIDTH, CLASSES = 32, 48, 3


class CBox(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int32) for name in ("left", "top", "right", "bottom", "class_index", "score"))


@pytest.fixture(scope="module")
def head_model(tmp_path_factory):
    """head_model(kind): a small int8 detector of 32 x 48 pixels whose outputs lie as `kind` says."""
    tf = pytest.importorskip("tensorflow", reason="the extra train is not installed")
    draw = np.random.default_rng(3)
    columns = 5 + CLASSES
    weights = {stride: draw.normal(0, 0.01, (stride, stride, 3, columns)).astype(np.float32) for stride in (8, 16)}

    def grids(x):
        bias = np.array([0.5, 0.5, 0.6, 0.5, *[0.0] * (1 + CLASSES)], np.float32)
        return [tf.nn.conv2d(x / 255.0 - 0.5, weights[stride] * 9, stride, "SAME") + bias for stride in (8, 16)]

    def joined(x):
        return tf.concat([tf.reshape(grid, (1, -1, columns)) for grid in grids(x)], axis=1)

    kinds = {
        "joined": joined,
        "transposed": lambda x: tf.transpose(joined(x), (0, 2, 1)),
        "separate": grids,
        "final": lambda x: tf.sigmoid(tf.transpose(joined(x), (0, 2, 1))),
        "pixels": lambda x: tf.sigmoid(joined(x)) * 40.0,
    }

    def make(kind):
        shape = (1, HEIGHT, WIDTH, 3)
        concrete = tf.function(kinds[kind]).get_concrete_function(tf.TensorSpec(shape, tf.float32))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([draw.uniform(0, 255, shape).astype(np.float32)] for _ in range(20))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        path = tmp_path_factory.mktemp("head") / f"{kind}.tflite"
        path.write_bytes(converter.convert())
        return path

    return make


@pytest.fixture
def detector(head_model, tmp_path, camera_of):
    """detector(kind, decoding): firmware of it, generated, built and loaded."""

    def make(kind, decoding, resize="letterbox", **options):
        preprocessing = {"filter": "linear_fixed", "resize": resize}
        source = adopt(head_model(kind), tmp_path / "adopted", preprocessing=preprocessing, overwrite=True)
        source = source.update(
            task="detection", decoding=decoding, labels=list("abcd" if decoding["decoder"] == "yolov8" else "abc")
        )
        return camera_of(firmware(source, tmp_path / "out", name="cam", overwrite=True, **options))

    return make


class Decoded:
    """The decoder of a model, one row after the other, as its C code is described."""

    def __init__(self, made):
        manifest = made.artifact.manifest
        size = (manifest.preprocessing.height, manifest.preprocessing.width)
        self.head = DetectionHead.from_decoding(manifest.decoding)
        self.detection = Detection(self.head, manifest.outputs, size)
        self.preprocessing = manifest.preprocessing

    def candidates(self, outputs):
        """Corners in 1/16 pixel of the input, scores of 2^60 and classes, of every row."""
        found = []
        for level in self.detection.levels:
            table = self.detection.tables(level.output, level.stride)
            stored = outputs[level.output].reshape(-1).astype(int) + 128
            for row in range(level.rows):
                at = level.first + row * level.row_step + level.column_step * np.arange(level.columns)
                values = stored[at]
                cell = (row % level.grid_width, row // level.grid_width) if level.grid_width else (0, 0)
                x = (CELL * cell[0] + int(table["across"][values[0]])) * level.stride
                y = (CELL * cell[1] + int(table["down"][values[1]])) * level.stride
                w, h = (int(table[name][values[k]]) * level.stride for name, k in (("width", 2), ("height", 3)))
                box = [(2 * middle + side + 256) // 512 for middle, side in ((x, -w), (y, -h), (x, w), (y, h))]
                scores = values[self.head.first_score :]
                objectness = int(table["score"][values[4]]) if self.head.objectness else 1 << 30
                found.append((box, objectness * int(table["score"][scores.max()]), int(scores.argmax())))
        return found

    def __call__(self, outputs, height, width):
        """What cam_detect answers, as lists."""
        least = max(1, round(self.head.score_threshold * (1 << 60)))
        rows = [row for row in self.candidates(outputs) if row[1] >= least]
        kept = []
        for row in sorted(rows, key=lambda row: -row[1]):
            rivals = [k for k in kept if self.head.class_agnostic or k[2] == row[2]]
            if len(kept) < self.head.max_detections and not any(self._overlap(row[0], k[0]) for k in rivals):
                kept.append(row)
        mapped = [[*self._to_frame(box, height, width), cls, (score + (1 << 44)) >> 45] for box, score, cls in kept]
        return [row for row in mapped if row[2] > row[0] and row[3] > row[1]]

    def _overlap(self, a, b):
        def area(left, top, right, bottom):
            return max(right - left, 0) * max(bottom - top, 0)

        both = area(max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
        both = both if area(*a) and area(*b) else 0
        return both << 20 > round(self.head.iou_threshold * (1 << 20)) * (area(*a) + area(*b) - both)

    def _to_frame(self, box, height, width):
        shown = self.preprocessing
        image = np.zeros((height, width, 3), np.uint8)
        _, geometry = fit(image, shown.height, shown.width, shown.resize, "nearest", 0)
        found = []
        for side, axis in zip(box, (1, 0, 1, 0), strict=True):
            frame, target, scale, offset = (
                part[axis] for part in (geometry.source, geometry.target, geometry.scale, geometry.offset)
            )
            cropped = shown.resize == "center_crop"
            seen = target if cropped else round(frame * scale)
            length, start = (round(target / scale), round(-offset / scale)) if cropped else (frame, 0)
            exact = Fraction((side - (0 if cropped else 16 * int(offset))) * length, seen) + 16 * start
            found.append(min(max(math.floor(exact + Fraction(1, 2)), 0), 16 * frame))
        return found


def answer(built, height, width, room=100):
    frame = np.zeros((height, width, 3), np.uint8)
    from_c = (CBox * max(room, 1))()
    count = ctypes.c_size_t(77)
    shown = built.c_frame(encode_frame(frame, "gray8"))
    place = ctypes.byref(shown)
    assert built.c.cam_detect(built.context, place, from_c, ctypes.c_size_t(room), ctypes.byref(count)) == 0
    return [[getattr(box, name) for name, _ in CBox._fields_] for box in from_c[: count.value]]


def put(built, outputs):
    """Write outputs where the model would."""
    built.c.cam_output.restype = ctypes.c_void_p
    for index, values in enumerate(outputs):
        ctypes.memmove(built.c.cam_output(built.context, ctypes.c_size_t(index)), values.ctypes.data, values.size)


HEADS = [
    ("joined", {"decoder": "yolox", "strides": [8, 16], "activation": "sigmoid", "score_threshold": 0.25}),
    ("transposed", {"decoder": "yolox", "strides": [8, 16], "activation": "sigmoid", "class_agnostic": True}),
    ("separate", {"decoder": "yolox", "strides": [8, 16], "activation": "sigmoid", "iou_threshold": 0.3}),
    ("final", {"decoder": "yolov5", "normalized": True, "score_threshold": 0.2, "max_detections": 5}),
    ("final", {"decoder": "yolov8", "normalized": True, "iou_threshold": 0.7}),
    ("pixels", {"decoder": "yolov8", "iou_threshold": 1.0, "max_detections": 12}),
]


@pytest.mark.parametrize(
    ("kind", "decoding", "resize"),
    [(*head, resize) for head, resize in zip(HEADS, itertools.cycle(["letterbox", "center_crop"]), strict=False)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_boxes_are_those_of_the_definition_to_the_last_bit(detector, kind, decoding, resize):
    built = detector(kind, decoding, resize)
    decoded = Decoded(built.made)
    draw = np.random.default_rng(0)
    shapes = [spec.shape for spec in built.made.artifact.manifest.outputs]
    found = 0
    for round_ in range(12):
        low, high = (-128, 128) if round_ < 4 else sorted(draw.integers(-128, 129, 2).tolist())
        outputs = [draw.integers(low, max(high, low + 1), shape).astype(np.int8) for shape in shapes]
        put(built, outputs)
        height, width = draw.integers(20, 300, 2).tolist()
        wanted = decoded(outputs, height, width)
        assert answer(built, height, width) == wanted
        assert answer(built, height, width, room=3) == decoded_first(decoded, outputs, height, width, 3)
        found += len(wanted)
    assert found > 20


def decoded_first(decoded, outputs, height, width, room):
    from dataclasses import replace

    limit = min(room, decoded.head.max_detections)
    fewer = Decoded.__new__(Decoded)
    fewer.__dict__ = {**decoded.__dict__, "head": replace(decoded.head, max_detections=limit)}
    return fewer(outputs, height, width)


def test_boxes_are_near_the_real_valued_definition(detector):
    """YOLOX in floating point (arXiv:2107.08430), no suppression: every corner within 1/8 pixel of the frame."""
    decoding = {"decoder": "yolox", "strides": [8, 16], "activation": "sigmoid", "iou_threshold": 1.0}
    built = detector("joined", decoding)
    spec = built.made.artifact.manifest.outputs[0]
    outputs = np.random.default_rng(1).integers(-128, 128, spec.shape).astype(np.int8)
    put(built, [outputs])
    real = (outputs[0].astype(float) - spec.quant.zero_point[0]) * spec.quant.scale[0]
    cells = [(x, y, stride) for stride in (8, 16) for y in range(-(-HEIGHT // stride)) for x in range(WIDTH // stride)]
    shares = 1 / (1 + np.exp(-real[:, 4:]))
    boxes = []
    for (x, y, stride), row, share in zip(cells, real, shares, strict=True):
        middle, side = (np.array([x, y]) + row[:2]) * stride, np.exp(row[2:4]) * stride
        score = share[0] * share[1:].max()
        corners = np.clip(np.concatenate([middle - side / 2, middle + side / 2]) * 2, 0, [96, 64, 96, 64])
        if score >= 0.3 and (corners[2:] > corners[:2]).all():
            boxes.append((score, corners))
    boxes.sort(key=lambda item: -item[0])
    got = answer(built, 64, 96)
    assert len(got) == len(boxes) > 3
    np.testing.assert_allclose(np.array(got)[:, :4] / 16, [corners for _, corners in boxes], atol=0.126)
    np.testing.assert_allclose(np.array(got)[:, 5] / 32768, [score for score, _ in boxes], atol=2e-5)


def test_wrong_calls_have_their_own_answers(detector):
    built = detector("joined", HEADS[0][1])
    frame, boxes, count = (
        built.c_frame(encode_frame(np.zeros((4, 4, 3), np.uint8), "gray8")),
        (CBox * 2)(),
        ctypes.c_size_t(),
    )
    right = [built.context, ctypes.byref(frame), boxes, ctypes.c_size_t(2), ctypes.byref(count)]
    assert built.c.cam_detect(*right) == 0
    for place in (0, 1, 2, 4):
        assert built.c.cam_detect(*[None if i == place else value for i, value in enumerate(right)]) == 1
    assert built.c.cam_detect((ctypes.c_void_p * 1)(), *right[1:]) == 4
    frame.width = 0
    assert built.c.cam_detect(*right) == 9
    frame.width = 4
    assert built.c.cam_detect(*right[:3], ctypes.c_size_t(0), right[4]) == 0 and count.value == 0


def test_decoders_that_firmware_has_not_are_left_to_the_caller(detector):
    built = detector("final", {"decoder": "ssd"})
    assert built.made.report["frames"]["detection"] is None
    assert "cam_detect" not in (built.made.artifact.path / "cam_io.h").read_text()


def test_heads_that_are_not_the_decoders_are_refused(detector, tmp_path):
    with pytest.raises(
        IncompatibleModelError, match=r"decoder yolox: outputs of another kind of model: got \[1, 8, 30\]"
    ):
        detector("final", {"decoder": "yolox"})
    with pytest.raises(ConfigError, match="out of their range"):
        detector("joined", {**HEADS[0][1], "iou_threshold": 1.5})
    assert not (tmp_path / "out").exists()


FUZZ = """
#include <stdio.h>
#include <stdlib.h>
#include "cam_io.h"
static unsigned state = 3;
static unsigned draw(unsigned below) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}
int main(void) {
    cam_context context;
    void *arena = malloc(CAM_ARENA_SIZE);
    static const unsigned SIDES[] = {0, 1, 2, 31, 640, 65535, 65536, 0xFFFFFFFFu};
    static const size_t SIZES[] = {OUTPUT_SIZES};
    unsigned long found = 0;
    if (cam_init(&context, arena, CAM_ARENA_SIZE) != CAM_OK) return 1;
    for (int round = 0; round < 800; round++) {
        const size_t room = draw(12);
        cam_box *boxes = malloc(room ? room * sizeof *boxes : 1);
        size_t count = 9;
        cam_frame frame = {0};
        for (size_t k = 0; k < CAM_OUTPUTS; k++) {
            int8_t *output = (int8_t *)(uintptr_t)cam_output(&context, k);
            const int all = draw(3) == 0;
            for (size_t i = 0; i < SIZES[k]; i++)
                output[i] = (int8_t)(all ? (draw(2) ? 127 : -128) : (int)draw(256) - 128);
        }
        frame.width = draw(3) ? 1 + draw(900) : SIDES[draw(8)];
        frame.height = draw(3) ? 1 + draw(900) : SIDES[draw(8)];
        const cam_status status = cam_detect(&context, &frame, boxes, room, &count);
        if ((status == CAM_OK) != (frame.width - 1u < 65535u && frame.height - 1u < 65535u) || count > room) return 2;
        for (size_t i = 0; i < count; i++) {
            const cam_box b = boxes[i];
            if (b.left < 0 || b.top < 0 || b.left >= b.right || b.top >= b.bottom || b.score > 32768) return 3;
            if (b.right > 16 * (int32_t)frame.width || b.bottom > 16 * (int32_t)frame.height) return 4;
            if (b.class_index < 0 || (unsigned)b.class_index >= CAM_LABELS) return 5;
        }
        found += count;
        free(boxes);
    }
    free(arena);
    printf("%d", found > 100);
    return 0;
}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "decoding"), HEADS[:5], ids=lambda value: value if isinstance(value, str) else "")
def test_no_output_makes_it_touch_what_is_not_its_own(detector, tmp_path, kind, decoding):
    made = detector(kind, {**decoding, "score_threshold": 0.0}).made
    sizes = ",".join(str(row["bytes"]) for row in made.report["outputs"])
    (tmp_path / "main.c").write_text(FUZZ)
    sources = [tmp_path / "main.c", made.artifact.path / "cam.c", made.artifact.path / "cam_io.c"]
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1", f"-DOUTPUT_SIZES={sizes}"]
    command = [*host_compiler(), "-std=c99", *flags, "-I", made.artifact.path, *sources, "-o", tmp_path / "fuzz"]
    subprocess.run([*map(str, command)], check=True)
    done = subprocess.run([str(tmp_path / "fuzz")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "1"), done.stderr[-2000:]
