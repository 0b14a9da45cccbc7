"""Figures of merit of a detector: COCO's mean average precision, and precision, recall and F1 at one threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from edgevision.data.detection import Objects
from edgevision.documents import check_fields
from edgevision.errors import ConfigError, InputError
from edgevision.metrics.intervals import Proportion, proportion
from edgevision.metrics.matching import Matches, match, overlaps
from edgevision.tasks.boxes import box_area
from edgevision.tasks.detections import Detections
from edgevision.tensors import Array

OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""Least overlaps of COCO's mean: 0.5, 0.55, … 0.95."""
RECALLS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = (1, 10, 100)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Size range -> least and largest area, square pixels."""


@dataclass(frozen=True)
class ClassDetection:
    """How the objects of one class fared.

    Attributes:
        label: Name of the class.
        support: Objects of it, crowds left out.
        ap: Average precision over the overlaps 0.5 to 0.95, 0 to 1; None where there is no object.
        ap50: That at overlap 0.5.
        precision: Share of the detections with at least the threshold's score that are right at overlap 0.5.
        recall: Share of the objects that these found.
        f1: 2·TP / (2·TP + FP + FN); None where there is neither an object nor a detection.
    """

    label: str
    support: int
    ap: float | None
    ap50: float | None
    precision: Proportion
    recall: Proportion
    f1: float | None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassDetection:
        """Read the JSON form; raises ConfigError."""
        known = check_fields("detection of a class", data, required=[item.name for item in fields(cls)])
        shares = {name: Proportion.from_dict(known[name]) for name in ("precision", "recall")}
        return cls(**{**known, **shares})


@dataclass(frozen=True)
class DetectionMetrics:
    """How a detector fared on labelled images. Means are over the classes that have objects, None without any.

    Attributes:
        count: Images.
        objects: Objects in them, crowds left out.
        map: Mean average precision over overlaps 0.5 to 0.95: COCO's AP.
        map50: That at overlap 0.5.
        map75: That at overlap 0.75.
        map_small: ``map`` of objects under 32² square pixels.
        map_medium: Of those from 32² to 96².
        map_large: Of those above.
        ar1: Mean recall over overlaps 0.5 to 0.95 of the best detection of each class in an image: COCO's AR.
        ar10: That of the ten best.
        ar100: That of the hundred best.
        score_threshold: The threshold of precision, recall and F1.
        precision: Share of the detections with at least that score that are right at overlap 0.5.
        recall: Share of the objects that these found.
        f1: 2·TP / (2·TP + FP + FN) of these, over all classes.
        best_f1: The highest F1 of any one threshold.
        best_threshold: That threshold; None where nothing was found.
        per_class: One entry per class, in the order of the labels.
    """

    count: int
    objects: int
    map: float | None
    map50: float | None
    map75: float | None
    map_small: float | None
    map_medium: float | None
    map_large: float | None
    ar1: float | None
    ar10: float | None
    ar100: float | None
    score_threshold: float
    precision: Proportion
    recall: Proportion
    f1: float | None
    best_f1: float
    best_threshold: float | None
    per_class: tuple[ClassDetection, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        document: dict[str, Any] = asdict(self)
        document["per_class"] = list(document["per_class"])
        return document

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DetectionMetrics:
        """Read the JSON form; raises ConfigError."""
        known = check_fields("detection metrics", data, required=[item.name for item in fields(cls)])
        shares = {name: Proportion.from_dict(known[name]) for name in ("precision", "recall")}
        per_class = tuple(ClassDetection.from_dict(entry) for entry in known["per_class"])
        return cls(**{**known, **shares, "per_class": per_class})


def detection_metrics(
    truths: Sequence[Objects], found: Sequence[Detections], labels: Sequence[str], *, score_threshold: float = 0.3
) -> DetectionMetrics:
    """Compare detections with the truth, as COCO's evaluation does (cocodataset.org/#detection-eval).

    Average precision is the mean of the precision, made monotonous, at 101 recalls. For a true figure the detections
    have to go down to low scores; the hundred best of an image and class count.

    Args:
        truths: What is in each image; a crowd counts neither as found nor as missed.
        found: What was found in it; classes are places among ``labels``, as those of the truths.
        labels: Names of the classes.
        score_threshold: For precision, recall and F1, 0 to 1.

    Raises:
        InputError: No images, lengths that differ, or classes outside the labels.
        ConfigError: A threshold that is no share.
    """
    if not 0 <= score_threshold <= 1:
        raise ConfigError("score_threshold", got=score_threshold, allowed="0 to 1")
    if not truths or len(truths) != len(found):
        raise InputError("metrics: as many detections as truths, at least one", got=f"{len(found)} and {len(truths)}")
    for classes in (*(truth.classes for truth in truths), *(one.classes for one in found)):
        if classes.size and not 0 <= classes.min() <= classes.max() < len(labels):
            raise InputError(
                "metrics: classes", got=f"{classes.min()} to {classes.max()}", allowed=f"0 to {len(labels) - 1}"
            )
    tables = [_Class(truths, found, place) for place in range(len(labels))]
    wholes = [table.ranked("all") for table in tables]
    first = [_operating(whole, score_threshold) for whole in wholes]
    best_f1, best_threshold = _best(wholes)
    hits, called, objects = (sum(entry[part] for entry in first) for part in range(3))
    return DetectionMetrics(
        count=len(truths),
        objects=objects,
        map=_mean([table.precision("all") for table in tables]),
        map50=_mean([table.precision("all", 0.5) for table in tables]),
        map75=_mean([table.precision("all", 0.75) for table in tables]),
        map_small=_mean([table.precision("small") for table in tables]),
        map_medium=_mean([table.precision("medium") for table in tables]),
        map_large=_mean([table.precision("large") for table in tables]),
        ar1=_mean([table.recall(1) for table in tables]),
        ar10=_mean([table.recall(10) for table in tables]),
        ar100=_mean([table.recall(100) for table in tables]),
        score_threshold=score_threshold,
        precision=proportion(hits, called),
        recall=proportion(hits, objects),
        f1=_f1(hits, called, objects),
        best_f1=best_f1,
        best_threshold=best_threshold,
        per_class=tuple(
            ClassDetection(
                label, counts[2], table.precision("all"), table.precision("all", 0.5), proportion(counts[0], counts[1]),
                proportion(counts[0], counts[2]), _f1(*counts),
            )
            for label, table, counts in zip(labels, tables, first, strict=True)
        ),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Ranked:
    """The detections of one class over all images, best first.

    Attributes:
        scores: (D,), those that are ignored left out per overlap by ``counts``.
        hits: bool (T, D).
        misses: Detections that found nothing, bool (T, D).
        objects: Objects that count.
    """

    scores: Array
    hits: Array
    misses: Array
    objects: int


class _Class:
    """One class of a data set: matched once for each size range."""

    def __init__(self, truths: Sequence[Objects], found: Sequence[Detections], place: int) -> None:
        self._images = [
            _image(truth, one, place)
            for truth, one in zip(truths, found, strict=True)
            if (truth.classes == place).any() or (one.classes == place).any()
        ]
        self._known: dict[tuple[str, int], Ranked] = {}
        self._matches: dict[str, list[Matches]] = {}

    def ranked(self, area: str, limit: int = MAX_DETECTIONS[-1]) -> Ranked:
        """Return the detections of all images, of each the ``limit`` best."""
        if (area, limit) not in self._known:
            if area not in self._matches:
                self._matches[area] = [_matched(*image, AREAS[area]) for image in self._images]
            self._known[area, limit] = _joined(self._matches[area], limit)
        return self._known[area, limit]

    def precision(self, area: str, overlap: float | None = None) -> float | None:
        """Return the average precision, at one overlap or as the mean over all; None where there are no objects."""
        ranked = self.ranked(area)
        if not ranked.objects:
            return None
        levels = range(len(OVERLAPS)) if overlap is None else [OVERLAPS.index(overlap)]
        return float(np.mean([_average_precision(ranked, level) for level in levels]))

    def recall(self, limit: int) -> float | None:
        """Return the mean recall over the overlaps; None where there are no objects."""
        ranked = self.ranked("all", limit)
        return float((ranked.hits.sum(axis=1) / ranked.objects).mean()) if ranked.objects else None


_Image = tuple[Array, Array, Array, Array, Array]


def _image(truth: Objects, one: Detections, place: int) -> _Image:
    """Scores and areas of an image's detections of a class; their overlaps with its objects, crowds and areas."""
    which = np.flatnonzero(one.classes == place)
    which = which[np.argsort(-one.scores[which], kind="stable")][: MAX_DETECTIONS[-1]]
    mine = truth.classes == place
    boxes, crowd = one.boxes[which].astype(np.float64), truth.crowd[mine]
    iou = overlaps(boxes, truth.boxes[mine], crowd)
    return one.scores[which], box_area(boxes), iou, crowd, truth.areas[mine]


def _matched(
    scores: Array, sizes: Array, iou: Array, crowd: Array, areas: Array, limits: tuple[float, float]
) -> Matches:
    passed_over = crowd | (areas < limits[0]) | (areas > limits[1])
    outside = (sizes < limits[0]) | (sizes > limits[1])
    return match(scores, iou, crowd, passed_over, outside, np.array(OVERLAPS))


def _joined(matches: Sequence[Matches], limit: int) -> Ranked:
    if not matches:
        nothing = np.zeros((len(OVERLAPS), 0), bool)
        return Ranked(np.zeros(0), nothing, nothing, 0)
    scores = np.concatenate([one.scores[:limit] for one in matches])
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([one.hits[:, :limit] for one in matches], axis=1)[:, order]
    ignored = np.concatenate([one.ignored[:, :limit] for one in matches], axis=1)[:, order]
    return Ranked(scores[order], hits, ~hits & ~ignored, sum(one.count for one in matches))


def _average_precision(ranked: Ranked, level: int) -> float:
    hits, misses = ranked.hits[level].cumsum(), ranked.misses[level].cumsum()
    if not len(hits):
        return 0.0
    precision = np.divide(hits, hits + misses, out=np.zeros(len(hits)), where=hits + misses > 0)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(hits / ranked.objects, RECALLS, side="left")
    return float(np.where(places < len(hits), envelope[np.minimum(places, len(hits) - 1)], 0.0).mean())


def _operating(ranked: Ranked, threshold: float) -> tuple[int, int, int]:
    """Right detections, detections and objects at overlap 0.5 and a threshold."""
    chosen = ranked.scores >= threshold
    hits, misses = (int(np.count_nonzero(part[0] & chosen)) for part in (ranked.hits, ranked.misses))
    return hits, hits + misses, ranked.objects


def _best(wholes: Sequence[Ranked]) -> tuple[float, float | None]:
    """The highest F1 over all classes at overlap 0.5, and its threshold."""
    scores = np.concatenate([whole.scores for whole in wholes]) if wholes else np.zeros(0)
    if not len(scores):
        return 0.0, None
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([whole.hits[0] for whole in wholes])[order].cumsum()
    misses = np.concatenate([whole.misses[0] for whole in wholes])[order].cumsum()
    f1 = 2 * hits / np.maximum(hits + misses + sum(whole.objects for whole in wholes), 1)
    last = np.append(np.diff(scores[order]) != 0, True)  # a threshold takes all detections of one score
    place = int(np.where(last, f1, -1.0).argmax())
    return float(f1[place]), float(scores[order][place])


def _f1(hits: int, called: int, objects: int) -> float | None:
    return 2 * hits / (called + objects) if called + objects else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
