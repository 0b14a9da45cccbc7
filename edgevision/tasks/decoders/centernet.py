"""CenterNet (X. Zhou et al., arXiv:1904.07850): objects are peaks of a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.errors import ConfigError
from edgevision.tasks.decoders.base import (
    ACTIVATIONS,
    Candidates,
    Decoder,
    Size,
    above,
    activated,
    from_centres,
    unlike,
)
from edgevision.tasks.decoders.levels import Level, levels
from edgevision.tasks.outputs import Output
from edgevision.tensors import Array


@dataclass(frozen=True, kw_only=True)
class CenterNet(Decoder):
    """A heat map for each class, sizes, and offsets of the centres within their cells: (1, C, H, W) or (1, H, W, C).

    A cell is an object where no cell of the eight around it has a higher value of the same class; centre = (cell +
    offset) · stride, sides = size · stride. Peaks do not overlap, so there is no suppression by default.

    Attributes:
        strides: Stride of the one grid.
        outputs: Places of heat map, sizes and offsets among the model's outputs.
        activation: What is to be done to the heat map, ``none`` or ``sigmoid``.
        size_in_pixels: Whether sizes are pixels of the input, not cells.
    """

    CHOICES = {"activation": ACTIVATIONS}  # noqa: RUF012

    iou_threshold: float = 1.0
    strides: tuple[int, ...] = (4,)
    outputs: tuple[int, ...] = (0, 1, 2)
    activation: str = "none"
    size_in_pixels: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if sorted(self.outputs) != [0, 1, 2]:
            raise ConfigError("decoding: outputs", got=list(self.outputs), allowed="0, 1 and 2 in some order")

    def decode(self, outputs: Sequence[Output], size: Size, least: float) -> Candidates:
        """Return candidates; see `Decoder.decode`."""
        heat, sizes, offsets = self._grids(outputs, size)
        values = heat.output.real(heat.rows)
        scores = activated(values, self.activation)
        high = above(scores.ravel(), least, "centernet")
        # Peaks are sought before the sigmoid: after it high values are all 1.
        peaks = _peaks(values.reshape(-1, heat.width, values.shape[1])).ravel()
        flat = high[peaks[high]]
        cell, classes = np.divmod(flat, scores.shape[1])
        centres = (heat.cells(cell) + offsets.real(cell, slice(2))) * heat.stride
        sides = sizes.real(cell, slice(2)) * (1 if self.size_in_pixels else heat.stride)
        return Candidates(from_centres(centres, sides), scores.ravel()[flat], classes)

    def class_count(self, outputs: Sequence[Output], size: Size) -> int:
        """Return how many heat maps there are."""
        return self._grids(outputs, size)[0].rows.shape[1]

    def _grids(self, outputs: Sequence[Output], size: Size) -> list[Level]:
        if len(outputs) != 3:
            raise unlike("centernet", outputs, size, "heat map, sizes and offsets")
        both = zip(self.outputs, (1, 2, 2), strict=True)
        return [levels([outputs[at]], size, self.strides, "centernet", width, outputs)[0] for at, width in both]


def _peaks(heat: Array) -> Array:
    """Where a cell is as high as the highest of the nine around and with it: bool (H, W, C)."""
    padded = np.pad(heat, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    across = np.maximum(np.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    highest = np.maximum(np.maximum(across[:-2], across[1:-1]), across[2:])
    peaks: Array = heat >= highest
    return peaks
