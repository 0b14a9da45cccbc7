"""FastestDet (github.com/dog-qiuqiu/FastestDet): one grid, whose boxes are shares of the whole image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.errors import ConfigError
from edgevision.tasks.decoders.base import Candidates, Decoder, Size, above, from_centres
from edgevision.tasks.decoders.levels import Level, levels
from edgevision.tasks.outputs import Output, sigmoid


@dataclass(frozen=True, kw_only=True)
class FastestDet(Decoder):
    """One output, (1, 5 + classes, H, W): objectness, x, y, w, h, class probabilities.

    Centre = (cell + tanh(x, y)) · stride, sides = σ(w, h) · input, score = objectness^0.6 · class^0.4.

    Attributes:
        strides: Stride of the one grid.
        objectness_power: Power of the objectness in the score; that of the class score is 1 less this.
    """

    preprocessing = {"color": "BGR", "std": [255.0]}  # noqa: RUF012

    strides: tuple[int, ...] = (16,)
    objectness_power: float = 0.6

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.objectness_power <= 1:
            raise ConfigError("decoding: objectness_power", got=self.objectness_power, allowed="0 to 1")

    def decode(self, outputs: Sequence[Output], size: Size, least: float) -> Candidates:
        """Return candidates; see `Decoder.decode`."""
        level = self._grid(outputs, size)
        stored = level.rows[:, 5:]
        objectness, best = level.real(slice(None), 0), level.output.real(stored.max(axis=1))
        power = self.objectness_power
        scores = np.maximum(objectness, 0) ** power * np.maximum(best, 0) ** (1 - power)
        index = above(scores, least, "fastestdet")
        box = level.real(index, slice(1, 5))
        centres = (level.cells(index) + np.tanh(box[:, :2])) * level.stride
        sides = sigmoid(box[:, 2:]) * np.array([size[1], size[0]], np.float32)
        return Candidates(from_centres(centres, sides), scores[index], stored[index].argmax(axis=1))

    def class_count(self, outputs: Sequence[Output], size: Size) -> int:
        """Return how many numbers a cell has beside its box and objectness."""
        return self._grid(outputs, size).rows.shape[1] - 5

    def _grid(self, outputs: Sequence[Output], size: Size) -> Level:
        return levels(outputs, size, self.strides, "fastestdet", 6)[0]
