"""Single-shot detectors: with the post-processing in the graph, and with raw offsets to anchors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.errors import ConfigError, InferenceError
from edgevision.tasks.decoders.anchors import scaled_anchors
from edgevision.tasks.decoders.base import Candidates, Decoder, Size, above, from_centres, unlike
from edgevision.tasks.outputs import Output, sigmoid
from edgevision.tensors import Array

ACTIVATIONS = ("none", "sigmoid", "softmax")
_CLIP = 100.0
_POST_PROCESS = "tflite_detection_postprocess"


@dataclass(frozen=True, kw_only=True)
class DetectionPostProcess(Decoder):
    """Outputs of the operator TFLite_Detection_PostProcess: boxes (1, N, 4), classes and scores (1, N), a count (1).

    Boxes are y1, x1, y2, x2 as shares of the input; they were suppressed in the graph.

    Attributes:
        outputs: Places of boxes, classes, scores and count among the model's outputs.
        first_class: Number that the first label has in the output.
    """

    preprocessing = {"mean": [127.5], "std": [127.5]}  # noqa: RUF012

    iou_threshold: float = 1.0
    outputs: tuple[int, ...] = (0, 1, 2, 3)
    first_class: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.outputs)) != 4 or not all(isinstance(place, int) and place >= 0 for place in self.outputs):
            raise ConfigError(
                "decoding: outputs", got=list(self.outputs), allowed="places of boxes, classes, scores, count"
            )

    def decode(self, outputs: Sequence[Output], size: Size, least: float) -> Candidates:
        """Return candidates; see `Decoder.decode`."""
        if max(self.outputs) >= len(outputs):
            raise unlike(_POST_PROCESS, outputs, size, f"outputs {list(self.outputs)}")
        boxes, classes, scores, count = (outputs[p].real(outputs[p].stored) for p in self.outputs)
        slots = boxes.shape[1] if boxes.ndim == 3 else -1
        if boxes.shape != (1, slots, 4) or not classes.shape == scores.shape == (1, slots) or count.size != 1:
            raise unlike(_POST_PROCESS, outputs, size, "[1, N, 4], [1, N], [1, N] and [1]")
        if not 0 <= count.item() <= slots:
            raise InferenceError(f"decoder {_POST_PROCESS}: count", got=count.item(), allowed=f"0 to {slots}")
        index = above(scores[0, : int(count.item())], least, _POST_PROCESS)
        scale = np.array([size[1], size[0]] * 2, np.float32)
        numbers = np.rint(classes[0, index]) - self.first_class
        if not (numbers >= 0).all():  # NaN is not
            raise InferenceError(
                f"decoder {_POST_PROCESS}: a class before the first one",
                got=classes[0, index].min(), allowed=f"first_class, {self.first_class}, or higher",
                next_step="declare the number of the first label: --decoding first_class=… of edgevision adopt",
            )  # fmt: skip
        return Candidates(boxes[0, index][:, [1, 0, 3, 2]] * scale, scores[0, index], numbers.astype(np.int64))


@dataclass(frozen=True, kw_only=True)
class AnchorDecoder(Decoder):
    """Offsets (1, N, 4 or more) to N anchors, and scores (1, N, C).

    Centre = offset / scale · anchor side + anchor centre, sides = exp(offset / scale) · anchor side.

    Attributes:
        outputs: Places of offsets and scores among the model's outputs.
        scales: What offsets of y, x, height and width are divided by.
        x_first: Whether an offset row is x, y, w, h, not y, x, h, w.
        background: Whether the first class means that there is nothing.
        activation: What is to be done to scores, ``none``, ``sigmoid`` or ``softmax``.
        decoded: Whether the first output has final corners x1, y1, x2, y2, or y1, x1, y2, x2 unless ``x_first``, as
            shares of the input.
    """

    CHOICES = {"activation": ACTIVATIONS}  # noqa: RUF012

    outputs: tuple[int, ...] = (0, 1)
    scales: tuple[float, ...] = (10.0, 10.0, 5.0, 5.0)
    x_first: bool = False
    background: bool = True
    activation: str = "none"
    decoded: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if sorted(self.outputs) != [0, 1]:
            raise ConfigError("decoding: outputs", got=list(self.outputs), allowed="0 and 1, offsets before scores")
        if len(self.scales) != 4 or min(self.scales) <= 0:
            raise ConfigError("decoding: scales", got=list(self.scales), allowed="four positive numbers")

    @property
    def _name(self) -> str:
        return type(self).__name__.lower()

    @abstractmethod
    def anchors(self, size: Size) -> Array:
        """Return the anchors, float32 (N, 4) of centre x, centre y, width, height, shares of the input."""

    def decode(self, outputs: Sequence[Output], size: Size, least: float) -> Candidates:
        """Return candidates; see `Decoder.decode`."""
        offsets, scores = self._both(outputs, size)
        shares = self._shares(scores.output_real())
        best = shares.max(axis=1)
        index = above(best, least, self._name)
        picked = offsets.output.real(offsets.rows[index])
        scale = np.array([size[1], size[0]], np.float32)
        if self.decoded:
            corners = picked[:, :4] if self.x_first else picked[:, [1, 0, 3, 2]]
            return Candidates(corners * np.tile(scale, 2), best[index], shares[index].argmax(axis=1))
        anchors = self.anchors(size)
        if len(anchors) != len(offsets.rows):
            raise InferenceError(
                f"decoder {self._name}: as many anchors as boxes",
                got=f"{len(offsets.rows)} boxes, {len(anchors)} anchors",
                next_step="declare the model's strides and anchor shapes: --decoding of edgevision adopt",
            )  # fmt: skip
        chosen = anchors[index]
        divisors = np.asarray(self.scales, np.float32)[[1, 0, 3, 2]]
        box = (picked[:, :4] if self.x_first else picked[:, [1, 0, 3, 2]]) / divisors
        centres = (box[:, :2] * chosen[:, 2:] + chosen[:, :2]) * scale
        sides = self._sides(box[:, 2:], chosen[:, 2:]) * scale
        points = self._points(picked[:, 4:], chosen, scale)
        return Candidates(from_centres(centres, sides), best[index], shares[index].argmax(axis=1), points)

    def class_count(self, outputs: Sequence[Output], size: Size) -> int:
        """Return how many classes have scores, without the background."""
        return self._both(outputs, size)[1].rows.shape[1] - self.background

    def _sides(self, offsets: Array, anchors: Array) -> Array:
        sides: Array = np.exp(np.minimum(offsets, 20.0)) * anchors
        return sides

    def _points(self, offsets: Array, anchors: Array, scale: Array) -> Array | None:
        return None

    def _both(self, outputs: Sequence[Output], size: Size) -> tuple[_Rows, _Rows]:
        wanted = f"offsets [1, N, {4 + 2 * self.keypoints}] and scores [1, N, classes], outputs={list(self.outputs)}"
        if len(outputs) != 2 or any(output.stored.ndim != 3 or len(output.stored) != 1 for output in outputs):
            raise unlike(self._name, outputs, size, wanted)
        offsets, scores = (_Rows(outputs[place], outputs[place].stored[0]) for place in self.outputs)
        fits = len(offsets.rows) == len(scores.rows) and offsets.rows.shape[1] == 4 + 2 * self.keypoints
        if not fits or scores.rows.shape[1] <= self.background:
            raise unlike(self._name, outputs, size, wanted)
        return offsets, scores

    def _shares(self, scores: Array) -> Array:
        """Return scores (N, classes), 0 to 1, without the background."""
        if self.activation == "softmax":
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores = powers / powers.sum(axis=1, keepdims=True)
        elif self.activation == "sigmoid":
            scores = sigmoid(np.clip(scores, -_CLIP, _CLIP))
        return scores[:, 1:] if self.background else scores


@dataclass(frozen=True, eq=False)
class _Rows:
    """One output as (N, D)."""

    output: Output
    rows: Array

    def output_real(self) -> Array:
        return self.output.real(self.rows)


@dataclass(frozen=True, kw_only=True)
class SSD(AnchorDecoder):
    """Raw heads of an SSD as TensorFlow's Object Detection API makes them, before its post-processing.

    Attributes:
        strides: Stride of each layer; layers of one stride that follow each other share their cells.
        min_scale: Anchor scale of the first layer, a share of the input.
        max_scale: Anchor scale of the last layer.
        aspect_ratios: Width over height of the anchors.
        between: Whether there is also a square anchor between a layer's scale and the next.
        reduce_lowest: Whether the first layer has only three anchors.
        fixed_anchors: Whether each anchor is as large as the input, and only its place counts.
    """

    preprocessing = {"mean": [127.5], "std": [127.5]}  # noqa: RUF012

    activation: str = "sigmoid"
    strides: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    min_scale: float = 0.2
    max_scale: float = 0.95
    aspect_ratios: tuple[float, ...] = (1.0, 2.0, 0.5, 3.0, 0.3333)
    between: bool = True
    reduce_lowest: bool = True
    fixed_anchors: bool = False

    def anchors(self, size: Size) -> Array:
        """Return the anchors; see `edgevision.tasks.decoders.anchors.scaled_anchors`."""
        return scaled_anchors(
            size, self.strides, self.min_scale, self.max_scale, self.aspect_ratios, self.between, self.reduce_lowest,
            self.fixed_anchors,
        )  # fmt: skip
