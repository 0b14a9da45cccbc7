"""Figures of merit of a classifier: accuracy, precision, recall, F1, confusion, calibration error, log loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from edgevision.documents import check_fields
from edgevision.errors import ConfigError, InputError
from edgevision.metrics.intervals import Proportion, proportion
from edgevision.tensors import Array

BINS = 15
LEAST_PROBABILITY = 1e-7
"""Probabilities are not taken for smaller than this in the log loss, so that one certain mistake is not infinite."""


@dataclass(frozen=True)
class ClassMetrics:
    """How one class fared.

    Attributes:
        label: Name of the class.
        support: Samples that are of this class.
        precision: Share of the samples called this class that are.
        recall: Share of the samples of this class that were called so.
        f1: 2·TP / (2·TP + FP + FN), 0 to 1; None when the class neither occurs nor was predicted.
    """

    label: str
    support: int
    precision: Proportion
    recall: Proportion
    f1: float | None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassMetrics:
        """Read the JSON form; raises ConfigError."""
        known = check_fields("metrics of a class", data, required=[item.name for item in fields(cls)])
        shares = {name: Proportion.from_dict(known[name]) for name in ("precision", "recall")}
        return cls(**{**known, **shares})


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of similar confidence, low < confidence ≤ high.

    Attributes:
        low: Lower edge, 0 to 1.
        high: Upper edge.
        count: Predictions in it.
        confidence: Their mean confidence; None when there are none.
        accuracy: Share of them that are right; None when there are none.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ReliabilityBin:
        """Read the JSON form; raises ConfigError."""
        return cls(**check_fields("reliability bin", data, required=[item.name for item in fields(cls)]))


@dataclass(frozen=True)
class ClassificationMetrics:
    """How a classifier fared on labelled samples.

    Attributes:
        count: Samples.
        accuracy: Share of samples whose best class is the true one.
        per_class: One entry per class, in the order of the labels.
        macro_precision: Mean over the classes that occur or were predicted; an undefined precision counts as 0.
        macro_recall: Likewise.
        macro_f1: Likewise.
        confusion: Samples by true class (row) and predicted class (column).
        ece: Expected calibration error in `BINS` equal bins, 0 to 1; None without probabilities.
        log_loss: Mean of -ln(probability of the true class), nats; None without probabilities.
        reliability: The bins behind ``ece``; empty without probabilities.
    """

    count: int
    accuracy: Proportion
    per_class: tuple[ClassMetrics, ...]
    macro_precision: float
    macro_recall: float
    macro_f1: float
    confusion: tuple[tuple[int, ...], ...]
    ece: float | None
    log_loss: float | None
    reliability: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        document: dict[str, Any] = asdict(self)
        document["confusion"] = [list(row) for row in self.confusion]
        document["per_class"] = list(document["per_class"])
        document["reliability"] = list(document["reliability"])
        return document

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassificationMetrics:
        """Read the JSON form; raises ConfigError."""
        known = check_fields("classification metrics", data, required=[item.name for item in fields(cls)])
        return cls(
            **{
                **known,
                "accuracy": Proportion.from_dict(known["accuracy"]),
                "per_class": tuple(ClassMetrics.from_dict(entry) for entry in known["per_class"]),
                "confusion": tuple(tuple(row) for row in known["confusion"]),
                "reliability": tuple(ReliabilityBin.from_dict(entry) for entry in known["reliability"]),
            }
        )


def classification_metrics(
    targets: Array, predicted: Array, labels: Sequence[str], probabilities: Array | None = None
) -> ClassificationMetrics:
    """Compare predictions with the truth.

    Args:
        targets: True classes (N,), integers.
        predicted: Best class of each sample (N,), integers.
        labels: Names of the C classes.
        probabilities: Probability of each class (N, C); without them there is no ``ece`` and no ``log_loss``.

    Raises:
        InputError: No samples, lengths that differ, or classes outside 0 to C - 1.
    """
    truth, guess = _classes("targets", targets, len(labels)), _classes("predicted", predicted, len(labels))
    if len(truth) == 0 or len(truth) != len(guess):
        raise InputError("metrics: as many predictions as targets, at least one", got=f"{len(truth)} and {len(guess)}")
    confusion = confusion_matrix(truth, guess, len(labels))
    per_class = tuple(_class_metrics(label, confusion, index) for index, label in enumerate(labels))
    seen = [entry for entry in per_class if entry.f1 is not None]
    ece: float | None = None
    loss: float | None = None
    bins: tuple[ReliabilityBin, ...] = ()
    if probabilities is not None:
        shares = _probabilities(probabilities, len(truth), len(labels))
        ece, bins = calibration_error(shares[np.arange(len(guess)), guess], truth == guess)
        loss = log_loss(truth, shares)
    return ClassificationMetrics(
        count=len(truth),
        accuracy=proportion(int(np.trace(confusion)), len(truth)),
        per_class=per_class,
        macro_precision=float(np.mean([entry.precision.value or 0.0 for entry in seen])),
        macro_recall=float(np.mean([entry.recall.value or 0.0 for entry in seen])),
        macro_f1=float(np.mean([entry.f1 or 0.0 for entry in seen])),
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        ece=ece,
        log_loss=loss,
        reliability=bins,
    )


def confusion_matrix(targets: Array, predicted: Array, classes: int) -> Array:
    """Return how many samples of each true class (row) were called each class (column): int64 (C, C)."""
    counts = np.bincount(np.asarray(targets) * classes + np.asarray(predicted), minlength=classes * classes)
    return counts.reshape(classes, classes)


def calibration_error(confidence: Array, correct: Array, bins: int = BINS) -> tuple[float, tuple[ReliabilityBin, ...]]:
    """Return the expected calibration error and its bins (C. Guo et al., ICML 2017, equation 3).

    The mean over samples of |accuracy - confidence| of the equal-width bin that the sample is in.

    Args:
        confidence: Probability of the predicted class (N,), 0 to 1.
        correct: Whether the prediction is right (N,), bool.
        bins: Number of bins over (0, 1]; a confidence of 0 belongs to the first.

    Raises:
        ConfigError: Fewer than one bin.
    """
    if bins < 1:
        raise ConfigError("calibration error: bins", got=bins, allowed="1 or more")
    place = np.clip(np.ceil(np.asarray(confidence, dtype=np.float64) * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    certain = np.bincount(place, weights=confidence, minlength=bins)
    right = np.bincount(place, weights=np.asarray(correct, dtype=np.float64), minlength=bins)
    rows = []
    for k in range(bins):
        means = (float(certain[k] / counts[k]), float(right[k] / counts[k])) if counts[k] else (None, None)
        rows.append(ReliabilityBin(k / bins, (k + 1) / bins, int(counts[k]), *means))
    return float(np.abs(right - certain).sum() / counts.sum()), tuple(rows)


def log_loss(targets: Array, probabilities: Array) -> float:
    """Return the mean of -ln(probability of the true class) in nats, probabilities at least `LEAST_PROBABILITY`."""
    chosen = np.asarray(probabilities, dtype=np.float64)[np.arange(len(targets)), targets]
    return float(-np.log(np.clip(chosen, LEAST_PROBABILITY, 1.0)).mean())


def _class_metrics(label: str, confusion: Array, index: int) -> ClassMetrics:
    hits = int(confusion[index, index])
    support, called = int(confusion[index].sum()), int(confusion[:, index].sum())
    f1 = 2 * hits / (support + called) if support + called else None
    return ClassMetrics(label, support, proportion(hits, called), proportion(hits, support), f1)


def _classes(name: str, values: Array, classes: int) -> Array:
    indices = np.asarray(values)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise InputError(f"metrics: {name}", got=f"{indices.dtype} {list(indices.shape)}", allowed="integers [N]")
    if indices.size and (indices.min() < 0 or indices.max() >= classes):
        raise InputError(
            f"metrics: {name}", got=f"classes {indices.min()} to {indices.max()}", allowed=f"0 to {classes - 1}"
        )
    return indices.astype(np.int64)


def _probabilities(values: Array, count: int, classes: int) -> Array:
    shares = np.asarray(values, dtype=np.float64)
    if shares.shape != (count, classes):
        raise InputError("metrics: probabilities", got=list(shares.shape), allowed=f"{[count, classes]}")
    if not (np.isfinite(shares).all() and shares.min() >= -1e-6 and shares.max() <= 1 + 1e-6):
        raise InputError("metrics: probabilities", got=f"{shares.min()} to {shares.max()}", allowed="0 to 1")
    return shares
