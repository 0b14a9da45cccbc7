"""adopt, predict, evaluate and verify of detectors that others made, on every runtime that loads them."""

import json

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.artifact import Artifact
from edgevision.data.detection import Objects
from edgevision.data.label_sets import COCO, LABEL_SETS
from edgevision.data.locate_boxes import open_detection_dataset
from edgevision.detector import Detector
from edgevision.evaluate import evaluate
from edgevision.metrics.detection import detection_metrics
from edgevision.predict import predict
from edgevision.runtimes import available_runtimes
from edgevision.tasks.detection import with_thresholds


@pytest.fixture(scope="module")
def models(shared_data):
    return shared_data / "models"


@pytest.fixture(scope="module")
def yolox(models, tmp_path_factory):
    out = tmp_path_factory.mktemp("adopted") / "yolox"
    return adopt(models / "detection/yolox_nano_coco.onnx", out, decoder="yolox", labels=COCO, layout="NCHW")


def test_adopt_says_what_the_boxes_mean(run, models, tmp_path):
    done = run(
        "adopt", models / "detection/yolox_nano_coco.onnx", "--out", tmp_path / "m", "--task", "detection",
        "--decoder", "yolox", "--labels", "coco", "--layout", "NCHW", "--decoding", "score_threshold=0.4",
        "--decoding", "strides=8,16,32",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "decoding       yolox, " in done.stdout and "416×416 BGR, letterbox_top_left (linear_fixed)" in done.stdout
    manifest = Artifact.open(tmp_path / "m").manifest
    assert manifest.task == "detection" and len(manifest.labels) == 80
    assert manifest.decoding == {
        "decoder": "yolox", "score_threshold": 0.4, "iou_threshold": 0.5, "class_agnostic": False,
        "max_detections": 100, "strides": [8, 16, 32], "activation": "none",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--decoder", "yolo"], "did you mean yolox?"),
        (["--decoder", "fastestdet"], "decoder fastestdet: outputs of another kind of model: got [1, 3549, 85]"),
        (["--decoder", "yolox", "--decoding", "strides=8,16"], "outputs of another kind of model"),
        (["--decoder", "ultraface"], "decoder ultraface: outputs of another kind of model: got [1, 3549, 85]"),
        (["--decoder", "yolox", "--decoding", "stride=8"], "unknown key: got stride"),
        (["--decoder", "yolox", "--decoding", "strides"], "--decoding: got strides; allowed: KEY=VALUE"),
        (["--decoder", "yolox", "--labels", "cat,dog"], "labels: got 2 labels; allowed: 80, one per class"),
        (["--decoder", "yolox", "--activation", "softmax"], "the outputs of a detector need a decoder"),
        (["--task", "detection"], "the outputs of a detector need a decoder"),
        (["--decoding", "strides=8"], "decoding: no decoder"),
        (["--decoder", "yolox", "--task", "classification"], "a decoder is for detectors"),
    ],
)
def test_declarations_that_make_no_sense(run, models, tmp_path, options, says):
    model = models / "detection/yolox_nano_coco.onnx"
    done = run("adopt", model, "--out", tmp_path / "m", "--layout", "NCHW", *options)
    assert done.exit_code == 2 and says in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_predict_gives_boxes_in_pixels_of_the_image(run, yolox, shared_data):
    image = shared_data / "images/pets.jpg"
    lines = [line.split() for line in run("predict", yolox.path, image).stdout.splitlines()]
    assert lines[0] == ["image", "label", "score", "x1", "y1", "x2", "y2"]
    assert [line[-6] for line in lines[1:]] == ["dog", "dog"]
    document = json.loads(run("predict", yolox.path, image, "--json", "--score-threshold", 0.9).stdout)
    (dog,) = document["images"][0]["detections"]
    assert (dog["label"], dog["index"]) == ("dog", 16)
    np.testing.assert_allclose(dog["box"], [108, 31, 256.5, 297], atol=6)


def test_an_image_without_objects_says_so(run, yolox, tmp_path):
    from PIL import Image

    Image.new("RGB", (50, 40), (90, 90, 90)).save(tmp_path / "grey.png")
    assert run("predict", yolox.path, tmp_path / "grey.png").stdout.splitlines()[1].split()[-1] == "nothing"


def test_a_threshold_is_for_detectors(run, artifact, images):
    done = run("predict", artifact.path, images, "--score-threshold", 0.5)
    assert done.exit_code == 2 and "score_threshold" in done.stderr


@pytest.mark.slow
def test_yolox_is_as_good_as_published_on_every_runtime(yolox, shared_data):
    """An independent evaluation of the file had 0.503."""
    names = available_runtimes(yolox)
    assert {"onnxruntime", "openvino"} <= set(names)
    dataset = open_detection_dataset(shared_data / "coco128_train.zip")
    results = [evaluate(yolox, dataset, runtime=name).detection.map50 for name in names]
    assert min(results) >= 0.49
    assert max(results) - min(results) < 0.005


@pytest.mark.slow
def test_people_in_a_video(yolox, shared_data):
    cv2 = pytest.importorskip("cv2", reason="vtest.avi is decoded by OpenCV (extra camera)")
    videos = shared_data / "video"
    rows = np.loadtxt(videos / "vtest_gt_frames1-69.txt", delimiter=",")
    video = cv2.VideoCapture(str(videos / "vtest.avi"))
    truths, found = [], []
    with Detector(yolox) as detector:
        detector.decoder = with_thresholds(detector.decoder, score_threshold=0.01)
        for frame in range(1, 70):
            boxes = rows[rows[:, 0] == frame, 2:6]
            truths.append(Objects.of(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1), len(boxes) * [0]))
            one = detector(np.ascontiguousarray(video.read()[1][..., ::-1]))
            found.append(one.take(one.classes == 0))
    assert detection_metrics(truths, found, ["person"]).map50 >= 0.83


def test_evaluate_prints_and_checks(run, yolox, shared_data):
    data = shared_data / "coco128_train.zip"
    done = run("evaluate", yolox.path, "--data", data, "--count", 8, "--min-map50", 0.99)
    assert done.exit_code == 3 and "mAP50 0." in done.stderr
    assert "mAP50:95" in done.stdout and "person" in done.stdout
    document = json.loads(run("evaluate", yolox.path, "--data", data, "--count", 4, "--json").stdout)
    assert document["detection"]["count"] == 4 and 0 < document["detection"]["map50"] <= 1
    wrong = run("evaluate", yolox.path, "--data", "sample")
    assert wrong.exit_code == 1 and "no dataset at sample" in wrong.stderr


@pytest.mark.slow
def test_verify_seals_and_holds(run, yolox, shared_data):
    data = shared_data / "coco128_train.zip"
    sealed = run("verify", yolox.path, "--seal", "--data", data)
    assert sealed.exit_code == 0, sealed.stderr
    assert run("verify", yolox.path).exit_code == 0
    golden = Artifact.open(yolox.path).golden()
    assert golden.targets == (None,) * 8 and golden.provenance[0].startswith("images/")


def test_a_detector_with_its_post_processing_in_the_graph(models, tmp_path, shared_data):
    file = models / "detection/ssd_mobilenet_v2_fpnlite_320_coco_dynrange.tflite"
    ssd = adopt(file, tmp_path / "ssd", decoder="tflite_detection_postprocess", labels=LABEL_SETS["coco90"])
    assert ssd.manifest.decoding["outputs"] == [0, 1, 2, 3]
    found = predict(ssd, shared_data / "images/pets.jpg").images[0]
    assert [entry["label"] for entry in found.detections.to_list(found.labels)] == ["dog", "dog"]


def test_fastestdet(models, tmp_path, shared_data):
    file = models / "detection/FastestDet_coco.onnx"
    one = adopt(file, tmp_path / "f", decoder="fastestdet", labels=COCO, layout="NCHW")
    found = predict(one, shared_data / "images/pets.jpg", score_threshold=0.6).images[0]
    assert [entry["label"] for entry in found.detections.to_list(found.labels)] == ["dog", "dog"]


FACES = {
    "blazeface": ("blazeface_short_range.tflite", None, {"score_threshold": 0.3}),
    "ultraface": ("ultralight_RFB-320_without_postprocessing.tflite", None, {}),
    "ultraface-decoded": ("ultralight_RFB-320.onnx", "NCHW", {"decoded": True, "outputs": [1, 0]}),
}
PEOPLE = {"face.jpg": [(480, 150), (303, 115), (180, 145), (30, 125)], "astronaut.png": [(224, 120)],
          "grace_hopper.bmp": [(268, 230)]}  # fmt: skip


@pytest.mark.parametrize("kind", FACES)
def test_face_detectors_find_every_face(models, tmp_path, shared_data, kind):
    """As many boxes as faces, and a box around the middle of each."""
    file, layout, decoding = FACES[kind]
    model = adopt(models / "face" / file, tmp_path / "m", decoder=kind.split("-")[0], decoding=decoding, layout=layout)
    assert model.manifest.labels == ("face",)
    for name in available_runtimes(model):
        result = predict(model, [shared_data / "images" / image for image in PEOPLE], runtime=name)
        for entry, faces in zip(result.images, PEOPLE.values(), strict=True):
            boxes = entry.detections.boxes
            assert len(boxes) == len(faces)
            for x, y in faces:
                assert ((boxes[:, 0] < x) & (x < boxes[:, 2]) & (boxes[:, 1] < y) & (y < boxes[:, 3])).sum() == 1
    if kind == "blazeface":
        eyes_and_nose = result.images[1].detections.keypoints[0][:3]
        right, left, nose = eyes_and_nose
        assert right[0] < nose[0] < left[0] and nose[1] > max(right[1], left[1])
