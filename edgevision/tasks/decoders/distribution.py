"""Heads that say each side's distance as a distribution over bins (X. Li et al., arXiv:2006.04388): NanoDet, YOLOv8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.errors import ConfigError, InferenceError
from edgevision.tasks.decoders.base import ACTIVATIONS, Candidates, Decoder, Size, above, activated, joined
from edgevision.tasks.decoders.levels import Level, levels
from edgevision.tasks.outputs import Output
from edgevision.tensors import Array

ORDERS = ("scores_first", "distances_first")


@dataclass(frozen=True, kw_only=True)
class NanoDet(Decoder):
    """Rows of class scores and of 4 · bins logits for the distances to the left, upper, right and lower side.

    A distance is the mean bin number under the softmax of its logits, times the stride, from the point
    ``(cell + centre) · stride``.

    Attributes:
        strides: Strides of the grids, in the order of the rows.
        bins: Bins of one distance: the largest distance is ``bins - 1`` strides.
        centre: Where in its cell the point lies: 0 for NanoDet-Plus, 0.5 for NanoDet and YOLOv8.
        order: Whether a row has its scores first or its distances first.
        activation: What is to be done to class scores, ``none`` or ``sigmoid``.
    """

    preprocessing = {"color": "BGR", "mean": [103.53, 116.28, 123.675], "std": [57.375, 57.12, 58.395]}  # noqa: RUF012
    CHOICES = {"activation": ACTIVATIONS, "order": ORDERS}  # noqa: RUF012

    strides: tuple[int, ...] = (8, 16, 32, 64)
    bins: int = 8
    centre: float = 0.0
    order: str = "scores_first"
    activation: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bins < 2:
            raise ConfigError("decoding: bins", got=self.bins, allowed="2 or more")

    def decode(self, outputs: Sequence[Output], size: Size, least: float) -> Candidates:
        """Return candidates; see `Decoder.decode`."""
        return joined([self._level(level, least) for level in levels(outputs, size, self.strides, "nanodet")])

    def class_count(self, outputs: Sequence[Output], size: Size) -> int:
        """Return how many numbers a row has beside its distances."""
        return self._classes(levels(outputs, size, self.strides, "nanodet")[0])

    def _classes(self, level: Level) -> int:
        classes = level.rows.shape[1] - 4 * self.bins
        if classes < 1:
            raise InferenceError(
                "decoder nanodet: rows too short", got=level.rows.shape[1], allowed=f"more than 4 · {self.bins} bins"
            )
        return classes

    def _level(self, level: Level, least: float) -> Candidates:
        classes = self._classes(level)
        ahead = self.order == "scores_first"
        stored = level.rows[:, :classes] if ahead else level.rows[:, 4 * self.bins :]
        scores = activated(level.output.real(stored.max(axis=1)), self.activation)
        index = above(scores, least, "nanodet")
        columns = slice(classes, None) if ahead else slice(4 * self.bins)
        sides = _mean_bins(level.real(index, columns).reshape(-1, 4, self.bins)) * level.stride
        points = (level.cells(index) + self.centre) * level.stride
        boxes = np.concatenate([points - sides[:, :2], points + sides[:, 2:]], axis=1)
        return Candidates(boxes, scores[index], stored[index].argmax(axis=1))


@dataclass(frozen=True, kw_only=True)
class YOLOv8Raw(NanoDet):
    """The same of YOLOv8's raw head: distances first, 16 bins, class logits."""

    preprocessing = {"resize": "letterbox", "pad_value": 114, "std": [255.0]}  # noqa: RUF012

    strides: tuple[int, ...] = (8, 16, 32)
    bins: int = 16
    centre: float = 0.5
    order: str = "distances_first"
    activation: str = "sigmoid"


def _mean_bins(logits: Array) -> Array:
    """Return the mean bin number under the softmax of the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    bins = np.arange(logits.shape[-1], dtype=np.float32)
    means: Array = (powers @ bins) / powers.sum(axis=-1)
    return means
