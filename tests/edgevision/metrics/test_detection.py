"""COCO's metrics, against pycocotools on made-up scenes, and by hand."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edgevision.data.detection import Objects
from edgevision.errors import ConfigError, InputError
from edgevision.metrics.detection import DetectionMetrics, detection_metrics
from edgevision.tasks.detections import NOTHING, Detections

LABELS = ("person", "car", "kite")


def scene(seed, images=25):
    """Truths with crowds and areas of outlines, and detections that are near them, far off, doubled or missing."""
    rng = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(images):
        count = int(rng.integers(0, 9))
        corners = rng.uniform(0, 300, (count, 2))
        boxes = np.concatenate([corners, corners + np.exp(rng.uniform(1.5, 5.5, (count, 2)))], axis=1).round(1)
        classes = rng.integers(0, len(LABELS), count)
        areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) * rng.uniform(0.4, 1, count)
        truths.append(Objects.of(boxes, classes, rng.uniform(size=count) < 0.15, areas))
        near = np.repeat(boxes, 3, axis=0) + rng.normal(0, 6, (3 * count, 4))
        stray = rng.uniform(0, 300, (4, 2))
        near = np.concatenate([near, np.concatenate([stray, stray + rng.uniform(5, 200, (4, 2))], axis=1)])
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        names = np.concatenate([np.repeat(classes, 3), rng.integers(0, len(LABELS), 4)])
        kept = rng.uniform(size=len(near)) < 0.8
        scores = rng.uniform(0.01, 1, len(near)).round(2)  # some are equal
        order = np.argsort(-scores[kept], kind="stable")
        found.append(Detections(near[kept][order], scores[kept][order], names[kept][order]))
    return truths, found


def pycocotools(truths, found):
    """The twelve figures of COCOeval, and its precisions."""

    def wh(boxes):
        return [[float(b[0]), float(b[1]), float(b[2] - b[0]), float(b[3] - b[1])] for b in boxes.astype(np.float64)]

    annotations, results = [], []
    for image, truth in enumerate(truths):
        for box, label, crowd, area in zip(wh(truth.boxes), truth.classes, truth.crowd, truth.areas, strict=True):
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image, "category_id": int(label), "bbox": box,
                 "iscrowd": int(crowd), "area": float(area)}
            )  # fmt: skip
    for image, one in enumerate(found):
        for box, label, score in zip(wh(one.boxes), one.classes, one.scores, strict=True):
            results.append({"image_id": image, "category_id": int(label), "bbox": box, "score": float(score)})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": image} for image in range(len(truths))],
            "annotations": annotations,
            "categories": [{"id": place, "name": label} for place, label in enumerate(LABELS)],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats, evaluation.eval["precision"]


def coarse(seed, images=5):
    """Whole numbers on a grid, so that overlaps lie on thresholds exactly; crowds, empty boxes, many detections."""
    rng = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(images):
        count, many = int(rng.integers(0, 6)), int(rng.integers(1, 400))
        corners, others = (8.0 * rng.integers(0, 20, (length, 2)) for length in (count, many))
        boxes = np.concatenate([corners, corners + 16 * rng.integers(0, 8, (count, 2))], axis=1)
        crowd = rng.uniform(size=count) < 0.5
        truths.append(Objects.of(boxes, rng.integers(0, len(LABELS), count), crowd, np.prod(boxes[:, 2:] - corners, 1)))
        near = np.concatenate([others, others + 16 * rng.integers(1, 8, (many, 2))], axis=1)
        scores = -np.sort(-rng.uniform(0, 1, many).round(1))
        found.append(Detections(near, scores, rng.integers(0, len(LABELS), many)))
    return truths, found


@pytest.mark.parametrize("seed", range(19, 29))
def test_overlaps_on_the_threshold_are_those_of_pycocotools(seed):
    truths, found = coarse(seed)
    stats, _ = pycocotools(truths, found)
    got = detection_metrics(truths, found, LABELS)
    mine = [-1 if value is None else value for value in (got.map, got.map50, got.map75, got.ar1, got.ar10, got.ar100)]
    np.testing.assert_allclose(mine, stats[[0, 1, 2, 6, 7, 8]], atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_every_figure_is_that_of_pycocotools(seed):
    truths, found = scene(seed)
    stats, precision = pycocotools(truths, found)
    got = detection_metrics(truths, found, LABELS)
    names = ("map", "map50", "map75", "map_small", "map_medium", "map_large", "ar1", "ar10", "ar100")
    mine = [getattr(got, name) for name in names]
    np.testing.assert_allclose([-1 if value is None else value for value in mine], stats[:9], atol=1e-12)
    for place, entry in enumerate(got.per_class):
        np.testing.assert_allclose(entry.ap, precision[:, :, place, 0, 2].mean(), atol=1e-12)
        np.testing.assert_allclose(entry.ap50, precision[0, :, place, 0, 2].mean(), atol=1e-12)


def test_perfect_and_empty():
    truths, _ = scene(0)
    truths = [Objects.of(truth.boxes, truth.classes) for truth in truths]
    perfect = [Detections(truth.boxes, np.full(len(truth), 0.9), truth.classes) for truth in truths]
    got = detection_metrics(truths, perfect, LABELS)
    assert got.map == got.map50 == got.f1 == got.best_f1 == 1.0
    assert got.best_threshold == pytest.approx(0.9)
    nothing = detection_metrics(truths, [NOTHING] * len(truths), LABELS)
    assert nothing.map == 0.0 and nothing.precision.value is None and nothing.best_threshold is None
    blank = Objects.of(np.zeros((0, 4)), np.zeros(0))
    assert detection_metrics([blank], [NOTHING], LABELS).map is None


def test_precision_recall_and_f1_at_a_threshold():
    truth = Objects.of([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], [0, 0, 1])
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 8], [40, 0, 50, 10], [70, 0, 80, 10]]
    one = Detections(np.array(boxes), np.array([0.9, 0.8, 0.7, 0.6, 0.2]), np.array([0, 0, 0, 0, 0]))
    got = detection_metrics([truth], [one], LABELS, score_threshold=0.5)
    assert (got.precision.successes, got.precision.count) == (2, 4)
    assert (got.recall.successes, got.recall.count) == (2, 3)
    assert got.f1 == pytest.approx(4 / 7)
    assert got.best_f1 == pytest.approx(2 * 2 / (3 + 3)) and got.best_threshold == pytest.approx(0.7)
    person, car, kite = got.per_class
    assert (person.precision.count, car.support, car.recall.value, kite.f1) == (4, 1, 0.0, None)


def test_the_json_form_comes_back():
    truths, found = scene(1, images=4)
    got = detection_metrics(truths, found, LABELS)
    assert DetectionMetrics.from_dict(json.loads(json.dumps(got.to_dict()))) == got


def test_what_makes_no_sense():
    truths, found = scene(2, images=3)
    with pytest.raises(InputError, match="as many detections as truths"):
        detection_metrics(truths, found[:2], LABELS)
    with pytest.raises(InputError, match="allowed: 0 to 0"):
        detection_metrics(truths, found, LABELS[:1])
    with pytest.raises(ConfigError, match="score_threshold"):
        detection_metrics(truths, found, LABELS, score_threshold=3)
