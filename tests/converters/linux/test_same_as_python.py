"""The library against Python: the same input tensors to the byte, the same outputs, the same classes and boxes."""

import itertools
import json
import zlib

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.classifier import Classifier
from edgevision.converters.firmware.frames import ENCODINGS
from edgevision.converters.linux import linux_project
from edgevision.detector import Detector
from edgevision.frames import FRAME_FORMATS, encode_frame, is_yuv
from edgevision.preprocessing import Preprocessing
from edgevision.resize import FILTERS, RESIZES
from edgevision.tasks.classification import classify

pytestmark = pytest.mark.slow
SIZES = ((8, 8), (1, 2), (5, 4), (8, 30), (23, 8), (61, 46), (17, 200), (9, 10))
TALL = (23, 8)
"""Of much taller images Pillow 13 reduces the height before the width, which rounds otherwise."""


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def same_inputs(built, project, frames, folder, levels=0):
    """Every byte of each input is what Python makes of the frame, or so many levels of a pixel from it."""
    bound = project.manifest.preprocessing.bind(project.manifest.inputs[0])
    built.frames(project.path, frames, folder)
    for seq, frame in enumerate(frames, 1):
        wanted = bound(frame.to_rgb())[0]
        got = built.read(folder, seq, "input", wanted)
        if levels == 0:
            np.testing.assert_array_equal(got, wanted, strict=True)
        else:
            step = levels / np.array(project.manifest.preprocessing.std).reshape(1, 3, 1, 1)
            assert (np.abs(got - wanted) <= step * 1.001).all()


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("filter_", FILTERS)
def test_inputs_of_every_resize_and_filter(on_openvino, classifier, tmp_path, resize, filter_):
    artifact = classifier(
        resize=resize, filter=filter_, pad_value=114, color="BGR", mean=(1.5, 2.25, 3.125), std=(255.0, 7.0, 64.5)
    )
    project = linux_project(artifact, tmp_path, name="cam")
    for height, width in SIZES:
        frames = [encode_frame(noise(height, width, seed), "rgb888") for seed in range(2)]
        levels = 1 if (height, width) == TALL and filter_ in ("bilinear", "area") else 0
        same_inputs(on_openvino, project, frames, tmp_path, levels)


@pytest.mark.parametrize("format_", FRAME_FORMATS)
def test_inputs_of_every_format_and_encoding(on_openvino, classifier, tmp_path, format_):
    project = linux_project(classifier(filter="linear_fixed", mean=(127.5,), std=(127.5,)), tmp_path, name="cam")
    encodings = ENCODINGS if is_yuv(format_) else ENCODINGS[:1]
    sizes = [(height, width) for height, width in (*SIZES, (7, 5)) if width % 2 == 0 or format_ != "yuyv"]
    for (height, width), (matrix, full_range) in itertools.product(sizes, encodings):
        image = noise(height, width, height * width)
        frame = encode_frame(image, format_, matrix=matrix, full_range=full_range)
        same_inputs(on_openvino, project, [frame], tmp_path)


@pytest.mark.parametrize("memory", [[], ["--memfd"]], ids=["pointer", "descriptor"])
@pytest.mark.parametrize("format_", FRAME_FORMATS)
def test_strides_and_descriptors_change_nothing(on_openvino, classifier, tmp_path, format_, memory):
    project = linux_project(classifier(filter="linear_fixed"), tmp_path, name="cam")
    image = noise(50, 70, 3)
    tight = encode_frame(image, format_)
    wide = encode_frame(image, format_, padding=26)
    rows = [50, *[25] * (len(wide.planes) - 1)]
    whole = [plane.tobytes().ljust(stride * count, b"?") for plane, stride, count in
             zip(wide.planes, wide.strides, rows, strict=True)]  # fmt: skip
    if format_ == "i420":  # ev_file has chroma at half the stride of luma
        whole[1:] = [np.pad(plane.reshape(25, 35), ((0, 0), (0, 13))).tobytes() for plane in tight.planes[1:]]
    (tmp_path / "wide.raw").write_bytes(b"".join(whole))
    on_openvino.frames(project.path, [tight], tmp_path)
    wanted = (tmp_path / "1.input").read_bytes()
    words = ["--format", {"rgb888": "rgb24", "bgr888": "bgr24"}.get(format_, format_), "--size", "70x50", *memory]
    words += ["--encoding", "bt601-full", "--stride", wide.strides[0], "--dump", tmp_path]
    done = on_openvino.run("ev_file", *words, project.path / "model", tmp_path / "wide.raw", text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "1.input").read_bytes() == wanted


def test_classes_of_a_classifier(on_openvino, classifier, tmp_path):
    artifact = classifier()
    project = linux_project(artifact, tmp_path, name="cam")
    shades = [np.array([1, 1 + seed, 9 - seed], np.uint8) for seed in range(8)]
    frames = [encode_frame(noise(20, 30, seed) // shade, "rgb888") for seed, shade in enumerate(shades)]
    results = on_openvino.frames(project.path, frames, tmp_path)
    with Classifier(artifact, runtime="openvino") as model:
        for seq, (frame, result) in enumerate(zip(frames, results, strict=True), 1):
            stored = model(frame.to_rgb())
            np.testing.assert_allclose(on_openvino.read(tmp_path, seq, "output.0", stored), stored, rtol=1e-5)
            wanted = classify(stored, model.output, artifact.manifest.labels, 5, "softmax")
            assert [entry["label"] for entry in result["classes"]] == [entry.label for entry in wanted]
            np.testing.assert_allclose(
                [entry["score"] for entry in result["classes"]], [entry.score for entry in wanted], rtol=1e-5
            )


@pytest.mark.parametrize("activation", ["logits", None])
def test_logits_and_unknown_scores(on_openvino, classifier, tmp_path, activation):
    artifact = classifier()
    artifact = artifact.update(decoding={"activation": activation} if activation else {})
    project = linux_project(artifact, tmp_path, name="cam")
    frame = encode_frame(noise(9, 9), "rgb888")
    (result,) = on_openvino.frames(project.path, [frame], tmp_path, "--top-k", 2)
    with Classifier(artifact, runtime="openvino") as model:
        wanted = classify(model(frame.to_rgb()), model.output, None, 2, activation)
    assert [entry["index"] for entry in result["classes"]] == [entry.index for entry in wanted]
    np.testing.assert_allclose([e["score"] for e in result["classes"]], [e.score for e in wanted], rtol=1e-5)


@pytest.mark.parametrize(
    ("decoder", "rows", "transposed", "decoding"),
    [
        ("yolov5", 64, False, {"normalized": True, "score_threshold": 0.4}),
        ("yolov8", 96, True, {"normalized": True, "iou_threshold": 0.2}),
        ("yolov8", 96, False, {"normalized": True, "activation": "sigmoid", "class_agnostic": True}),
        ("yolov8", 96, False, {"normalized": True, "score_threshold": 0.6, "iou_threshold": 1.0, "max_detections": 7}),
        ("yolox", 64, False, {"strides": [2], "score_threshold": 0.35}),
        ("yolox", 64, True, {"strides": [2], "activation": "sigmoid"}),
        ("yolox", 48, False, {"strides": [4, 4, 4], "iou_threshold": 0.1, "score_threshold": 0.2}),
    ],
)
def test_decoders_on_rows_of_noise(on_openvino, make_rows, tmp_path, decoder, rows, transposed, decoding):
    artifact = adopt(
        make_rows(16, 16, rows, transposed), tmp_path / "net", task="detection", decoder=decoder, decoding=decoding,
        layout="NCHW", preprocessing=Preprocessing(16, 16, resize="letterbox", std=(255.0,)),
    )  # fmt: skip
    project = linux_project(artifact, tmp_path, name="cam")
    frames = [encode_frame(noise(20, 30, seed), "rgb888") for seed in range(6)]
    assert same_boxes(on_openvino, artifact, project, frames, tmp_path, "openvino") > 10


def same_boxes(built, artifact, project, frames, folder, runtime, absolute=1e-3):
    """The same objects in the same order; returns how many there were."""
    results = built.frames(project.path, frames, folder)
    count = 0
    with Detector(artifact, runtime=runtime) as model:
        for seq, (frame, result) in enumerate(zip(frames, results, strict=True), 1):
            outputs, _ = model.outputs(frame.to_rgb())
            for place, wanted in enumerate(outputs):
                got = built.read(folder, seq, f"output.{place}", wanted)
                np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-3)
            found = model(frame.to_rgb())
            assert [entry["index"] for entry in result["boxes"]] == found.classes.tolist()
            if len(found):
                np.testing.assert_allclose([entry["box"] for entry in result["boxes"]], found.boxes, atol=absolute)
                np.testing.assert_allclose([e["score"] for e in result["boxes"]], found.scores, rtol=1e-4)
            count += len(found)
    return count


@pytest.mark.parametrize("format_", ["nv12", "yuyv", "i420", "bgr888", "gray8"])
def test_yolox_on_a_real_clip(on_openvino, shared_data, video, tmp_path, format_):
    artifact = adopt(
        shared_data / "models/detection/yolox_nano_coco.onnx", tmp_path / "yolox", task="detection", decoder="yolox",
        layout="NCHW",
    )  # fmt: skip
    project = linux_project(artifact, tmp_path, name="yolox")
    frames = [encode_frame(image, format_, matrix="bt709", full_range=False) for image in video[:3]]
    assert same_boxes(on_openvino, artifact, project, frames, tmp_path, "openvino") >= 15


def test_detections_of_a_post_processing_operator(on_litert, shared_data, video, tmp_path):
    artifact = adopt(
        shared_data / "models/detection/ssd_mobilenet_v2_fpnlite_320_coco_dynrange.tflite", tmp_path / "ssd",
        task="detection", decoder="tflite_detection_postprocess",
    )  # fmt: skip
    project = linux_project(artifact, tmp_path, name="ssd")
    frames = [encode_frame(image, "nv12") for image in video[:2]]
    assert same_boxes(on_litert[1], artifact, project, frames, tmp_path, "tflite") >= 8


@pytest.mark.parametrize(
    ("classes", "count", "said"),
    [
        ((1, 2), 2, None),
        ((np.nan, 2), 2, "class: got nan; allowed: the first class, 1, or higher"),
        ((0, 2), 2, "class: got 0"),
        ((1e12, 2), 2, "class: got 99999"),
        ((1, 2), 3, "count: got 3"),
        ((1, 2), -1, "count: got -1"),
        ((1, 2), np.nan, "count: got nan"),
    ],
)
def test_post_processing_that_makes_no_sense_is_told(
    on_openvino, make_listed, replace_model, tmp_path, classes, count, said
):
    (tmp_path / "listed.onnx").write_bytes(make_listed((1, 2), 2))
    artifact = adopt(
        tmp_path / "listed.onnx", tmp_path / "listed", task="detection", layout="NCHW",
        decoder="tflite_detection_postprocess", decoding={"first_class": 1}, preprocessing=Preprocessing(8, 8),
    )  # fmt: skip
    project = linux_project(artifact, tmp_path, name="listed")
    replace_model(project.path, make_listed(classes, count))
    (tmp_path / "raw").write_bytes(bytes(192))
    words = ["--format", "rgb24", "--size", "8x8", project.path / "model", tmp_path / "raw"]
    done = on_openvino.run("ev_file", *words, text=True)
    if said is None:
        assert [box["index"] for box in json.loads(done.stdout)["boxes"]] == [0, 1], done.stderr
    else:
        assert done.returncode == 1 and said in done.stderr


def test_an_int8_model_on_litert(on_litert, tmp_path):
    project, built = on_litert
    frames = [encode_frame(noise(48, 64, seed) // np.uint8(1 + seed), "nv12") for seed in range(6)]
    same_inputs(built, project, frames, tmp_path)
    results = built.frames(project.path, frames, tmp_path)
    seen = set()
    with Classifier(project, runtime="tflite") as model:
        for seq, (frame, result) in enumerate(zip(frames, results, strict=True), 1):
            stored = model(frame.to_rgb())
            np.testing.assert_array_equal(built.read(tmp_path, seq, "output.0", stored), stored)
            wanted = classify(stored, model.output, project.manifest.labels, 5, "softmax")
            assert [entry["index"] for entry in result["classes"]] == [entry.index for entry in wanted]
            np.testing.assert_allclose([e["score"] for e in result["classes"]], [e.score for e in wanted], rtol=1e-6)
            seen.add(zlib.crc32(stored.tobytes()))
    assert len(seen) > 1, "every frame has the same answer: nothing was compared"
