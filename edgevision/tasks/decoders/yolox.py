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
        scores = np.concatenate([activated(level.real(slice(None), 4), self.activation) for level in found])
        index = above(scores, least, "yolox")  # a class score is 1 at most, so the product is not higher
        parts, end = [], 0
        for level in found:
            begin, end = end, end + len(level.rows)
            part = index[(index >= begin) & (index < end)]
            if len(part):
                parts.append(self._level(level, part - begin, scores[part], least))
        return joined(parts)

    def class_count(self, outputs: Sequence[Output], size: Size) -> int:
        """Return how many scores a row has beside box and objectness."""
        return levels(outputs, size, self.strides, "yolox", 6)[0].rows.shape[1] - 5

    def _level(self, level: Level, index: Array, objectness: Array, least: float) -> Candidates:
        """Candidates among some rows of a grid whose objectness is known."""
        stored = level.rows[index, 5:]
        best = activated(level.output.real(stored.max(axis=1)), self.activation)
        scores = objectness * best
        chosen = above(scores, least, "yolox")
        box = level.real(index[chosen], slice(4))
        centres = (level.cells(index[chosen]) + box[:, :2]) * level.stride
        sides = np.exp(np.minimum(box[:, 2:], 20.0)) * level.stride
        return Candidates(from_centres(centres, sides), scores[chosen], stored[chosen].argmax(axis=1))
