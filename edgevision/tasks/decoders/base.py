"""What the decoders of detectors have in common: parameters that are data, and candidates before suppression."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

import numpy as np

from edgevision.documents import check_fields
from edgevision.errors import ConfigError, InferenceError, check_choice
from edgevision.tasks.outputs import Output, sigmoid
from edgevision.tensors import Array

Size = tuple[int, int]
"""Height and width of the model's input, pixels."""

ACTIVATIONS = ("none", "sigmoid")
"""What is still to be done to scores: nothing, they are 0 to 1; or a sigmoid, they are logits."""

D = TypeVar("D", bound="Decoder")


@dataclass(frozen=True, eq=False)
class Candidates:
    """Boxes that a model proposes, before suppression, in no order.

    Attributes:
        boxes: x1, y1, x2, y2 in pixels of the model's input, not clipped: float32 (N, 4).
        scores: 0 to 1, float32 (N,).
        classes: int64 (N,).
        keypoints: x, y in the same pixels, float32 (N, K, 2); None where the model has none.
    """

    boxes: Array
    scores: Array
    classes: Array
    keypoints: Array | None = None


@dataclass(frozen=True, kw_only=True)
class Decoder(ABC):
    """How the outputs of one kind of detector become boxes. Its fields are what ``decoding`` in the manifest says.

    Attributes:
        score_threshold: Boxes with a lower score are left out, 0 to 1.
        iou_threshold: A box that overlaps a better one by more is left out; 1 for no suppression.
        class_agnostic: Whether boxes suppress those of other classes too.
        max_detections: At most so many boxes are kept, the best.
    """

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Field -> the words that it may be."""
    keypoints: ClassVar[int] = 0
    """Landmarks for each box."""
    labels: ClassVar[tuple[str, ...] | None] = None
    """Class names, where such models have always the same."""
    preprocessing: ClassVar[Mapping[str, Any]] = {}
    """What the authors' own models want: fields of `Preprocessing`; empty where there is no convention."""

    score_threshold: float = 0.3
    iou_threshold: float = 0.5
    class_agnostic: bool = False
    max_detections: int = 100

    def __post_init__(self) -> None:
        for field in fields(self):
            given = getattr(self, field.name)
            object.__setattr__(self, field.name, _like(f"decoding: {field.name}", given, field.default))
        for name, allowed in self.CHOICES.items():
            check_choice(f"decoding: {name}", getattr(self, name), allowed)
        for name in ("score_threshold", "iou_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"decoding: {name}", got=getattr(self, name), allowed="0 to 1")
        if self.max_detections < 1:
            raise ConfigError("decoding: max_detections", got=self.max_detections, allowed="1 or more")
        strides = getattr(self, "strides", (1,))
        if not strides or min(strides) < 1:
            raise ConfigError("decoding: strides", got=list(strides), allowed="whole numbers from 1 up, at least one")

    @abstractmethod
    def decode(self, outputs: Sequence[Output], size: Size, least: float) -> Candidates:
        """Return the boxes of one image with a score of ``least`` or more.

        Args:
            outputs: The model's outputs, in order, for one image.
            size: Height and width of the model's input, pixels.
            least: Lowest score of interest.

        Raises:
            InferenceError: The outputs are not those of such a model, or are NaN.
        """

    def class_count(self, outputs: Sequence[Output], size: Size) -> int | None:
        """Return how many classes the model tells apart, by the shapes of its outputs; None where they do not say."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters in their JSON form."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls: type[D], data: Mapping[str, Any]) -> D:
        """Read the parameters; those left out take their defaults; raises ConfigError."""
        return cls(**check_fields("decoding", data, required=(), optional=[field.name for field in fields(cls)]))


def unlike(what: str, outputs: Sequence[Output], size: Size, wanted: str) -> InferenceError:
    """Return the error for outputs that are not what a decoder takes."""
    return InferenceError(
        f"decoder {what}: outputs of another kind of model",
        got=", ".join(str(list(output.stored.shape)) for output in outputs),
        allowed=f"{wanted}, for an input of {size[0]}×{size[1]}",
        next_step="name the right decoder, or its parameters: --decoder, --decoding of edgevision adopt",
    )


def activated(values: Array, activation: str) -> Array:
    """Return scores, 0 to 1: the values themselves, or their sigmoid."""
    return sigmoid(values) if activation == "sigmoid" else values


def above(scores: Array, least: float, what: str) -> Array:
    """Return indices of scores (N,) of at least ``least``; raises InferenceError where one is NaN."""
    if np.isnan(scores).any():
        raise InferenceError(f"decoder {what}: scores are NaN")
    return np.flatnonzero(scores >= least)


def from_centres(centres: Array, sides: Array) -> Array:
    """Return boxes x1, y1, x2, y2 from centres x, y (N, 2) and widths and heights (N, 2)."""
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Return the candidates of several grids as one; none for no grids."""
    if not parts:
        return Candidates(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    points = [part.keypoints for part in parts if part.keypoints is not None]
    return Candidates(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate(points) if points else None,
    )


def _like(what: str, value: Any, default: Any) -> Any:
    """Return a parameter as the kind that its default is: a list is a tuple, a whole number may be a float."""
    if isinstance(default, tuple):
        if not isinstance(value, (list, tuple)):
            raise ConfigError(what, got=repr(value), allowed="a list of numbers")
        return tuple(_tuple_item(what, item) for item in value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default) or (isinstance(value, float) and not math.isfinite(value)):
        raise ConfigError(what, got=repr(value), allowed=_KINDS[type(default)])
    return value


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def _tuple_item(what: str, item: Any) -> Any:
    if isinstance(item, (list, tuple)):
        return tuple(_tuple_item(what, inner) for inner in item)
    if isinstance(item, bool) or not isinstance(item, (int, float)) or not math.isfinite(item):
        raise ConfigError(what, got=repr(item), allowed="numbers")
    return item


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
