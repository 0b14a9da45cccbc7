"""Image classification: the stored scores of a model to ranked classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from edgevision.errors import ConfigError, InferenceError, check_choice
from edgevision.tensors import Array, TensorSpec, dequantize

ACTIVATIONS = ("softmax", "sigmoid", "logits")
"""What the model's output is: probabilities over classes, one probability per class, or logits of the former."""


@dataclass(frozen=True)
class Prediction:
    """One class and how much the model believes in it.

    Attributes:
        label: Name of the class; None when the labels are unknown.
        index: Its place in the model's output.
        score: Its probability; the raw output when it is unknown what the output is.
    """

    label: str | None
    index: int
    score: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def classify(
    stored: Array,
    spec: TensorSpec,
    labels: Sequence[str] | None = None,
    top_k: int = 5,
    activation: str | None = None,
) -> list[Prediction]:
    """Rank the classes of one image, best first.

    Args:
        stored: The model's output as it is stored, of shape (C,), (1, C) or (1, …, C).
        spec: Specification of that output.
        labels: Names of the C classes.
        top_k: How many to return; fewer when there are fewer classes.
        activation: One of `ACTIVATIONS`, None when unknown.

    Raises:
        ConfigError: ``top_k`` under 1, an unknown activation, or another number of labels than of classes.
        InferenceError: The output is not one row of scores, or has NaN in it.
    """
    rows = score_rows(stored, spec)
    if len(rows) != 1:
        raise InferenceError(f"output {spec.name}: scores of one image", got=f"shape {list(np.shape(stored))}")
    if top_k < 1:
        raise ConfigError("top_k", got=top_k, allowed="1 or more")
    if labels is not None and len(labels) != rows.shape[1]:
        raise ConfigError("labels", got=f"{len(labels)} labels", allowed=f"{rows.shape[1]}, one per class of the model")
    order = rank(rows, spec)[0, :top_k]
    scores = probabilities(rows, spec, activation)[0]
    names = [None if labels is None else labels[index] for index in order]
    return [Prediction(name, int(i), float(scores[i])) for name, i in zip(names, order, strict=True)]


def score_rows(stored: Array, spec: TensorSpec) -> Array:
    """Return stored scores as (N, C); raises InferenceError for other shapes and for NaN."""
    values = np.asarray(stored)
    shape = values.shape
    if not shape or not shape[-1] or any(length != 1 for length in shape[1:-1]):
        raise InferenceError(f"output {spec.name}: not scores of classes", got=f"shape {list(shape)}", allowed="[N, C]")
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise InferenceError(f"output {spec.name}: scores are NaN")
    return values.reshape(-1, shape[-1])


def rank(stored: Array, spec: TensorSpec) -> Array:
    """Return class indices (N, C), best first, of stored scores (N, C); of equal scores the lower index first.

    Stored values are compared as they are: dequantizing them would not change the order.
    """
    wide = _comparable(score_rows(stored, spec), spec)
    return np.argsort(-wide, axis=1, kind="stable")


def top1(stored: Array, spec: TensorSpec) -> Array:
    """Return the best class (N,), int64, of stored scores (N, C); of equal scores the lowest index."""
    best: Array = _comparable(score_rows(stored, spec), spec).argmax(axis=1).astype(np.int64)
    return best


def probabilities(stored: Array, spec: TensorSpec, activation: str | None = None) -> Array:
    """Return real scores (N, C), float64: dequantized, and passed through softmax when they are logits.

    Raises:
        ConfigError: An unknown activation, or integer scores without scale and zero point.
    """
    if activation is not None:
        check_choice("activation", activation, ACTIVATIONS)
    rows = dequantize(score_rows(stored, spec), _flat(spec)).astype(np.float64)
    return softmax(rows) if activation == "logits" else rows


def softmax(logits: Array) -> Array:
    """Return exp(x) / Σ exp(x) along the last axis, float64, without overflow."""
    wide = np.asarray(logits, dtype=np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _flat(spec: TensorSpec) -> TensorSpec:
    """The spec of (N, C) rows: per-channel parameters, if any, run along their last axis."""
    quant = spec.quant
    if quant is not None and quant.axis is not None:
        quant = replace(quant, axis=1)
    return TensorSpec(spec.name, (None, None), spec.dtype, "NC", quant)


def _comparable(rows: Array, spec: TensorSpec) -> Array:
    if spec.quant is not None and spec.quant.axis is not None:
        return dequantize(rows, _flat(spec))
    return rows.astype(np.int64 if rows.dtype.kind in "iub" else np.float64)
