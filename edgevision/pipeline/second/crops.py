"""The part of a frame that a second stage gets: with a margin, without what is masked, and how good it is."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from edgevision.frames import Frame, plane_shapes
from edgevision.tensors import Array

SAMPLES = 48
"""Sharpness is measured at about so many places along a side: finer than that no second model looks."""
MOSTLY = 0.5
"""A box that is covered by a privacy mask to a larger share is not looked at."""


class Region(NamedTuple):
    """A rectangle of whole pixels, the last column and row excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def empty(self) -> bool:
        """Whether nothing of it is in the frame."""
        return self.right <= self.left or self.bottom <= self.top


def region(box: Array, margin: float, width: int, height: int) -> Region:
    """Return a box x1, y1, x2, y2 with a share of its sides as a margin, inside a frame.

    >>> region(np.array([10.0, 10, 30, 50]), 0.1, 100, 52)
    Region(left=8, top=6, right=32, bottom=52)
    """
    left, top, right, bottom = (float(value) for value in box)
    across, down = margin * (right - left), margin * (bottom - top)
    return Region(
        max(0, int(np.floor(left - across))), max(0, int(np.floor(top - down))),
        min(width, int(np.ceil(right + across))), min(height, int(np.ceil(bottom + down))),
    )  # fmt: skip


def sharpness(luma: Array) -> float:
    """Return how sharp a picture is, uint8 (H, W): the mean step between neighbours in grey levels.

    Neighbours are `SAMPLES` to a side at most, so that a large picture and a small one of the same thing compare.
    """
    step = max(1, min(luma.shape) // SAMPLES)
    few = luma[::step, ::step].astype(np.int16)
    if few.shape[0] < 2 or few.shape[1] < 2:
        return 0.0
    return float(np.abs(np.diff(few, axis=0)).mean() + np.abs(np.diff(few, axis=1)).mean()) / 2


def cut(frame: Frame, where: Region, covered: Array | None) -> Array:
    """Return a part of a frame, uint8 RGB (H, W, 3), of its own memory, with what is masked painted black.

    Only that part is converted to RGB; it is what the whole frame's conversion has there, bit for bit.
    """
    left, top = where.left // 2 * 2, where.top // 2 * 2  # where chroma begins
    right = min(frame.width, (where.right + 1) // 2 * 2)
    planes = []
    for plane, stride, (rows, row_bytes) in zip(
        frame.planes, frame.strides, plane_shapes(frame.format, 2, 2), strict=True
    ):
        planes.append(plane[top // 2 * rows * stride + left // 2 * row_bytes :])
    around = replace(frame, width=right - left, height=where.bottom - top, planes=tuple(planes))
    part = around.to_rgb()[where.top - top :, where.left - left : where.right - left].copy()
    if covered is not None:
        part[covered[where.slices]] = 0
    return part


def masked(where: Region, covered: Array | None) -> bool:
    """Whether a region is hidden for the most part."""
    return covered is not None and bool(covered[where.slices].mean() > MOSTLY)
