"""Semantic segmentation: a model's stored output to the class of each pixel of the source image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from edgevision.documents import check_fields
from edgevision.errors import ConfigError, InferenceError, check_choice
from edgevision.resize import Geometry
from edgevision.tasks.outputs import Output, sigmoid
from edgevision.tensors import Array, TensorSpec

AXES = ("last", "first")
ACTIVATIONS = ("none", "sigmoid")
MOST_CLASSES = 65536


@dataclass(frozen=True)
class SegmentationDecoding:
    """How an output becomes classes; what ``decoding`` in the manifest says.

    An output is a map of class numbers, (1, H, W); or scores with four axes, of which the highest is the class; or
    with one score for each pixel, of class 1 against class 0.

    Attributes:
        classes_axis: Where scores have their classes: ``last``, (1, H, W, C), or ``first``, (1, C, H, W).
        threshold: Least score of class 1 where there is one score, 0 to 1.
        activation: What is to be done to the one score, ``none`` or ``sigmoid``.
    """

    classes_axis: str = "last"
    threshold: float = 0.5
    activation: str = "none"

    def __post_init__(self) -> None:
        check_choice("decoding: classes_axis", self.classes_axis, AXES)
        check_choice("decoding: activation", self.activation, ACTIVATIONS)
        if isinstance(self.threshold, bool) or not isinstance(self.threshold, (int, float)):
            raise ConfigError("decoding: threshold", got=repr(self.threshold), allowed="0 to 1")
        if not 0 <= self.threshold <= 1:
            raise ConfigError("decoding: threshold", got=self.threshold, allowed="0 to 1")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SegmentationDecoding:
        """Read the JSON form; raises ConfigError."""
        return cls(**check_fields("decoding", data, required=(), optional=[item.name for item in fields(cls)]))


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The class of each pixel.

    Attributes:
        classes: Places of classes among the labels, for each pixel of the source image: uint8 (H, W), or uint16 where
            there are more than 256.
    """

    classes: Array

    def shares(self) -> dict[int, float]:
        """Return the classes that occur, with their share of the image, 0 to 1, largest first."""
        numbers, counts = np.unique(self.classes, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {int(numbers[k]): float(counts[k] / self.classes.size) for k in order}

    def to_list(self, labels: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return the JSON form: an entry for each class that occurs, with its share."""
        return [
            {"label": labels[index] if labels is not None and index < len(labels) else None, "index": index,
             "share": share}
            for index, share in self.shares().items()
        ]  # fmt: skip


def segment(stored: Array, spec: TensorSpec, decoding: SegmentationDecoding, geometry: Geometry) -> Segmentation:
    """Take the best class of each place, and bring it to the source image: each pixel gets the nearest place's.

    Args:
        stored: The model's output for one image, as it is stored.
        spec: Its specification.
        decoding: What it means.
        geometry: Where the model's pixels lie in the source image.

    Raises:
        InferenceError: It is no such output, or NaN.
    """
    places = _classes(Output(stored, spec), decoding)
    rows, columns = (_places(geometry, axis, places.shape[axis]) for axis in (0, 1))
    return Segmentation(places[rows[:, None], columns])


def _classes(output: Output, decoding: SegmentationDecoding) -> Array:
    """The class of each place that the model knows: (h, w)."""
    stored = output.stored
    if stored.dtype.kind == "f" and np.isnan(stored).any():
        raise InferenceError(f"output {output.spec.name}: scores are NaN")
    if stored.ndim == 4 and stored.size and stored.shape[0] == 1:
        axis = 2 if decoding.classes_axis == "last" else 0
        scores = stored[0]
        if scores.shape[axis] > 1:  # stored values are in the order of the real ones
            return _small(scores.argmax(axis=axis), scores.shape[axis])
        one = output.real(np.take(scores, 0, axis=axis))
        return ((sigmoid(one) if decoding.activation == "sigmoid" else one) >= decoding.threshold).astype(np.uint8)
    if stored.ndim == 3 and stored.size and stored.shape[0] == 1 and stored.dtype.kind in "iuf":
        numbers = np.rint(output.real(stored[0]))
        if not 0 <= numbers.min() <= numbers.max() < MOST_CLASSES:
            got = f"{numbers.min()} to {numbers.max()}"
            raise InferenceError(f"output {output.spec.name}: classes", got=got, allowed=f"0 to {MOST_CLASSES - 1}")
        return _small(numbers, int(numbers.max()) + 1)
    raise InferenceError(
        f"output {output.spec.name}: no classes of pixels", got=list(stored.shape), allowed="[1, H, W] or four axes"
    )


def _small(numbers: Array, count: int) -> Array:
    return numbers.astype(np.uint8 if count <= 256 else np.uint16)


def _places(geometry: Geometry, axis: int, length: int) -> Array:
    """For each source pixel along an axis the place whose middle is nearest, int64."""
    target = (np.arange(geometry.source[axis]) + 0.5) * geometry.scale[axis] + geometry.offset[axis]
    return np.clip((target * length / geometry.target[axis]).astype(np.int64), 0, length - 1)
