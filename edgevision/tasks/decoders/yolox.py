"""YOLOX (Z. Ge et al., arXiv:2107.08430): an anchor-free head with a score of its own for "an object is here"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.tasks.decoders.base import (
    ACTIVATIONS,
    Candidates,
    Decoder,
    Size,
    above,
    activated,
    from_centres,
    joined,
)
from edgevision.tasks.decoders.levels import Level, levels
from edgevision.tasks.outputs import Output
from edgevision.tensors import Array


@dataclass(frozen=True, kw_only=True)
class YOLOX(Decoder):
    """Rows of x, y, log w, log h, objectness, class scores.

    Centre = (cell + (x, y)) · stride, sides = exp(log w, log h) · stride, score = objectness · best class score.

    Attributes:
        strides: Strides of the grids, in the order of the rows.
        activation: What is to be done to objectness and class scores, ``none`` or ``sigmoid``.
    """

    preprocessing = {  # noqa: RUF012
        "color": "BGR",
        "resize": "letterbox_top_left",
        "filter": "linear_fixed",
        "pad_value": 114,
    }
    CHOICES = {"activation": ACTIVATIONS}  # noqa: RUF012

    strides: tuple[int, ...] = (8, 16, 32)
    activation: str = "none"

    def decode(self, outputs: Sequence[Output], size: Size, least: float) -> Candidates:
        """Return candidates; see `Decoder.decode`."""
        found = levels(outputs, size, self.strides, "yolox", 6)
        objectness = np.concatenate([activated(level.real(slice(None), 4), self.activation) for level in found])
        index = above(objectness, least, "yolox")  # a class score is 1 at most, so the product is not higher
        parts = _by_level(found, index)
        if not parts:
            return joined([])
        rows = [(level, level.rows[at]) for level, at in parts]
        best = np.concatenate([level.output.real(part[:, 5:].max(axis=1)) for level, part in rows])
        scores = objectness[index] * activated(best, self.activation)
        chosen = above(scores, least, "yolox")
        box = np.concatenate([level.output.real(part[:, :4]) for level, part in rows])[chosen]
        classes = np.concatenate([part[:, 5:].argmax(axis=1) for _, part in rows])[chosen]
        cells = np.concatenate([level.cells(at) for level, at in parts])[chosen]
        strides = np.concatenate([np.full((len(at), 1), level.stride, np.float32) for level, at in parts])[chosen]
        sides = np.exp(np.minimum(box[:, 2:], 20.0)) * strides
        return Candidates(from_centres((cells + box[:, :2]) * strides, sides), scores[chosen], classes)

    def class_count(self, outputs: Sequence[Output], size: Size) -> int:
        """Return how many scores a row has beside box and objectness."""
        return levels(outputs, size, self.strides, "yolox", 6)[0].rows.shape[1] - 5


def _by_level(found: Sequence[Level], index: Array) -> list[tuple[Level, Array]]:
    """Split indices into the rows of all grids, in rising order, into those into each grid that has some."""
    parts, end = [], 0
    for level in found:
        begin, end = end, end + len(level.rows)
        at = index[(index >= begin) & (index < end)] - begin
        if len(at):
            parts.append((level, at))
    return parts
