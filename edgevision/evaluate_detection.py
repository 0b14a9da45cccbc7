"""How good a detector is on images with boxes, on any runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.data.detection import DetectionDataset, Objects
from edgevision.detector import Detector
from edgevision.errors import DatasetError
from edgevision.evaluated import Evaluated
from edgevision.image_model import Progress
from edgevision.metrics.detection import DetectionMetrics, detection_metrics
from edgevision.tasks.detection import with_thresholds
from edgevision.tasks.detections import Detections
from edgevision.tensors import Array

LEAST_SCORE = 0.01
"""Average precision counts detections from this score up, whatever the artifact's own threshold."""
MOST_DETECTIONS = 300
"""And so many of an image at least."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionSummary(Evaluated):
    """What an artifact found in a dataset, without what there is for each image.

    Attributes:
        detection: Average precision; precision, recall and F1 at the artifact's own threshold.
    """

    metrics_field = "detection"

    detection: DetectionMetrics

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DetectionSummary:
        """Read the JSON form; raises ConfigError."""
        known = cls.known(data)
        return DetectionSummary(**{**known, "detection": DetectionMetrics.from_dict(known["detection"])})


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionEvaluation(DetectionSummary):
    """What an artifact found in a dataset.

    Attributes:
        found: Detections in each image, from `LEAST_SCORE` up; classes are those of the dataset.
        truths: What is in each image.
    """

    found: tuple[Detections, ...]
    truths: tuple[Objects, ...]


def evaluate_detection(
    artifact: Artifact,
    dataset: DetectionDataset,
    *,
    runtime: str | None = None,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> DetectionEvaluation:
    """Run a detector over a dataset, one image at a time, and compare with the truth.

    Classes are matched by name, or by position where the artifact's labels are unknown; what a model finds of classes
    that the dataset does not have is left out.

    Args:
        artifact: A detection model whose preprocessing is known.
        dataset: Images with boxes.
        runtime: What runs the model; None for the first one here that can.
        device: Where it runs.
        options: Options of the runtime, ``{"threads": 4}``.
        progress: Called about a hundred times in all.

    Raises:
        ArtifactError: The preprocessing or the task is unknown.
        DatasetError: The dataset has classes that the model does not know.
        IncompatibleModelError: It is no detector of single images.
    """
    place = _places(dataset.labels, artifact.manifest.labels)
    count, found, truths = len(dataset), [], []
    every = max(1, count // 100)
    with Detector(artifact, runtime=runtime, device=device, options=options) as detector:
        own = detector.decoder
        detector.decoder = with_thresholds(
            own,
            score_threshold=min(LEAST_SCORE, own.score_threshold),
            max_detections=max(MOST_DETECTIONS, own.max_detections),
        )
        for index in range(count):
            image, truth = dataset.labelled(index)
            found.append(_renamed(detector(image), place))
            truths.append(truth)
            if progress and ((index + 1) % every == 0 or index + 1 == count):
                progress(index + 1, count)
        facts = dict(detector.model.facts)
    return DetectionEvaluation(
        detection=detection_metrics(truths, found, dataset.labels, score_threshold=own.score_threshold),
        found=tuple(found),
        truths=tuple(truths),
        runtime=runtime or str(facts.get("package", "unknown")),
        device=device,
        facts=facts,
    )


def _places(wanted: tuple[str, ...], labels: tuple[str, ...] | None) -> Array:
    """Place of each of the model's classes among the dataset's, -1 where it has none: int64 (C,)."""
    if labels is None:
        return np.arange(len(wanted))
    unknown = [name for name in wanted if name not in labels]
    if unknown:
        raise DatasetError("a class that the model does not know", got=unknown[0], allowed=labels)
    return np.array([wanted.index(name) if name in wanted else -1 for name in labels], np.int64)


def _renamed(found: Detections, place: Array) -> Detections:
    known = found.take(found.classes < len(place))
    renamed = Detections(known.boxes, known.scores, place[known.classes], known.keypoints)
    return renamed.take(renamed.classes >= 0)
