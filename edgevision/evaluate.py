"""How good an artifact is on labelled images, on any runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from edgevision.artifact import Artifact
from edgevision.classifier import Classifier
from edgevision.data.classes import match_targets
from edgevision.data.dataset import ImageDataset
from edgevision.data.detection import DetectionDataset
from edgevision.errors import DatasetError
from edgevision.evaluate_detection import DetectionEvaluation, DetectionSummary, evaluate_detection
from edgevision.evaluated import Evaluated
from edgevision.image_model import Progress
from edgevision.metrics.classification import ClassificationMetrics, classification_metrics
from edgevision.tasks.classification import probabilities, top1
from edgevision.tensors import Array, TensorSpec


@dataclass(frozen=True, eq=False, kw_only=True)
class EvaluationSummary(Evaluated):
    """What an artifact made of a dataset, without what there is for each image.

    Attributes:
        classification: Accuracy with its interval, precision, recall, F1, confusion, calibration.
    """

    metrics_field = "classification"

    classification: ClassificationMetrics

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EvaluationSummary:
        """Read the JSON form; raises ConfigError."""
        known = cls.known(data)
        return EvaluationSummary(
            **{**known, "classification": ClassificationMetrics.from_dict(known["classification"])}
        )


def read_summary(data: Mapping[str, Any]) -> EvaluationSummary | DetectionSummary:
    """Read the JSON form of either kind of evaluation; raises ConfigError."""
    return DetectionSummary.from_dict(data) if "detection" in data else EvaluationSummary.from_dict(data)


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation(EvaluationSummary):
    """What an artifact made of a dataset.

    Attributes:
        scores: The model's first output for each image, float32 (N, classes); integers are dequantized where the
            model says how.
        predicted: The best class of each image: int64 (N,).
        targets: The true class of each image, in the model's order: int64 (N,).
    """

    scores: Array
    predicted: Array
    targets: Array


@overload
def evaluate(
    artifact: Artifact,
    dataset: ImageDataset,
    *,
    runtime: str | None = None,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Evaluation: ...


@overload
def evaluate(
    artifact: Artifact,
    dataset: DetectionDataset,
    *,
    runtime: str | None = None,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> DetectionEvaluation: ...


def evaluate(
    artifact: Artifact,
    dataset: ImageDataset | DetectionDataset,
    *,
    runtime: str | None = None,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Evaluation | DetectionEvaluation:
    """Run an artifact over a dataset, one image at a time, and compare with the truth.

    The best class is taken from the stored scores, before they are dequantized. Classes are matched by name where
    the artifact's labels are known, by position where they are not. For images with boxes see
    `edgevision.evaluate_detection.evaluate_detection`.

    Args:
        artifact: A model whose preprocessing is known: a classifier, or a detector if the images have boxes.
        dataset: Labelled images.
        runtime: What runs the model; None for the first one here that can.
        device: Where it runs.
        options: Options of the runtime, ``{"threads": 4}``.
        progress: Called about a hundred times in all.

    Raises:
        ArtifactError: The preprocessing or the task is unknown.
        DatasetError: The dataset is empty, or has classes that the model does not know.
        IncompatibleModelError: It does not classify single images.
    """
    if isinstance(dataset, DetectionDataset):
        return evaluate_detection(artifact, dataset, runtime=runtime, device=device, options=options, progress=progress)
    count = len(dataset)
    if count == 0:
        raise DatasetError("the dataset is empty", next_step="name a dataset with images")
    with Classifier(artifact, runtime=runtime, device=device, options=options) as classifier:
        targets = match_targets(dataset, artifact.manifest.labels, classifier.classes)
        stored = np.empty((count, classifier.classes), dtype=classifier.output.dtype)
        every = max(1, count // 100)
        for index in range(count):
            stored[index] = classifier(dataset.image(index)).reshape(-1)
            if progress and ((index + 1) % every == 0 or index + 1 == count):
                progress(index + 1, count)
        output, facts = classifier.output, dict(classifier.model.facts)
    predicted = top1(stored, output)
    labels = artifact.manifest.labels or dataset.labels
    shares = _probabilities(stored, output, artifact.manifest.decoding.get("activation"))
    return Evaluation(
        classification=classification_metrics(targets, predicted, labels, shares),
        scores=_real(stored, output),
        predicted=predicted,
        targets=targets,
        runtime=runtime or str(facts.get("package", "unknown")),
        device=device,
        facts=facts,
    )


def _real(stored: Array, output: TensorSpec) -> Array:
    if output.is_integer and output.quant is None:
        return stored.astype(np.float32)
    return probabilities(stored, output).astype(np.float32)


def _probabilities(stored: Array, output: TensorSpec, activation: str | None) -> Array | None:
    """Probabilities (N, classes), or None where it is unknown what the output is."""
    if activation is None:
        return None
    return np.clip(probabilities(stored, output, activation), 0.0, 1.0)
