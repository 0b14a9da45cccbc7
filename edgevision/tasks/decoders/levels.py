"""Answers that belong to grids over the image: which output is of which grid, and where its channels are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from edgevision.tasks.decoders.base import Size, unlike
from edgevision.tasks.outputs import Output
from edgevision.tensors import Array


@dataclass(frozen=True, eq=False)
class Level:
    """The part of a model's answer that belongs to one grid over the image.

    Attributes:
        rows: Stored values, one row per box, row by row of the grid: (cells · anchors, D).
        output: The output that they are from.
        stride: Pixels of the model's input from one cell to the next.
        width: Cells of a row of the grid.
        count: Cells of the grid; with several anchors those of the first come first.
    """

    rows: Array
    output: Output
    stride: int
    width: int
    count: int

    def real(self, index: Array | slice, columns: int | slice) -> Array:
        """Return real values of some rows and columns, float32."""
        return self.output.real(self.rows[index, columns])

    def cells(self, index: Array) -> Array:
        """Return x, y of the cells of some rows, in cells: float32 (N, 2)."""
        cell = index % self.count
        places: Array = np.stack([cell % self.width, cell // self.width], axis=1).astype(np.float32)
        return places


def levels(
    outputs: Sequence[Output],
    size: Size,
    strides: Sequence[int],
    what: str,
    narrowest: int = 1,
    beside: Sequence[Output] = (),
) -> list[Level]:
    """Return a model's answer grid by grid.

    One output may have all grids after one another, (1, N, D) or (1, D, N); or there is one output for each grid, in
    any order, (1, cells, D), (1, D, cells), (1, D, H, W) or (1, H, W, D).

    Args:
        outputs: The outputs.
        size: Height and width of the model's input.
        strides: Stride of each grid.
        what: The decoder's name, for errors.
        narrowest: Fewest numbers of a row.
        beside: More outputs of the model: where one has as many channels as rows and columns, others tell its layout.

    Raises:
        InferenceError: The shapes fit neither, do not tell where channels are, or rows are too short.
    """
    found = _levels(outputs, size, strides, what, beside)
    if any(level.rows.shape[1] < narrowest for level in found):
        raise unlike(what, outputs, size, f"{narrowest} numbers or more to a box")
    return found


def _levels(
    outputs: Sequence[Output], size: Size, strides: Sequence[int], what: str, beside: Sequence[Output]
) -> list[Level]:
    grids = [(-(-size[0] // stride), -(-size[1] // stride)) for stride in strides]
    first = _channels_first([*outputs, *beside], grids)
    if first is None:
        raise unlike(what, outputs, size, "shapes that tell channels from rows and columns")
    if len(outputs) == 1:
        counts = [height * width for height, width in grids]
        rows = _rows(outputs[0], sum(counts), grids[0] if len(grids) == 1 else None, first)
        if rows is not None:
            ends = accumulate(counts)
            return [
                Level(rows[end - count : end], outputs[0], stride, grid[1], count)
                for end, stride, grid, count in zip(ends, strides, grids, counts, strict=True)
            ]
    found: list[Level] = []
    for stride, grid in zip(strides, grids, strict=True):
        fitting = [(output, _rows(output, grid[0] * grid[1], grid, first)) for output in outputs]
        found += [
            Level(rows, output, stride, grid[1], grid[0] * grid[1]) for output, rows in fitting if rows is not None
        ]
    if len(outputs) != len(strides) or [level.stride for level in found] != list(strides):
        raise unlike(what, outputs, size, f"grids of {grids} for strides {list(strides)}")
    return found


def _channels_first(outputs: Sequence[Output], grids: Sequence[Size]) -> bool | None:
    """Whether outputs of three axes have their channels first; None where they are cubes, and none of them tells."""
    cubes = False
    for stored in map(_whole, outputs):
        last, first = stored.shape[:2] in grids, stored.shape[1:] in grids
        if stored.ndim == 3 and last != first:
            return first
        cubes |= stored.ndim == 3 and last
    return None if cubes else False


def _whole(output: Output) -> Array:
    """The stored values without an axis for one image."""
    stored = output.stored
    return stored[0] if stored.ndim > 2 and stored.shape[0] == 1 else stored


def _rows(output: Output, count: int, grid: Size | None, channels_first: bool) -> Array | None:
    """The output as (count, D), a view where possible; None where its shape does not fit."""
    stored = _whole(output)
    if stored.ndim == 2:
        return stored if stored.shape[0] == count else stored.T if stored.shape[1] == count else None
    if stored.ndim == 3 and grid is not None:
        if channels_first and stored.shape[1:] == grid:
            return stored.reshape(-1, count).T
        if not channels_first and stored.shape[:2] == grid:
            return stored.reshape(count, -1)
    return None
