"""Parts of the picture that nobody shall see: painted over before a frame leaves the process, or is recorded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgevision.errors import ConfigError, InputError
from edgevision.pipeline.rules.geometry import Point, polygon
from edgevision.tensors import Array

HIDDEN = 0.5
"""Of what a mask hides by more than this share of its box, nothing is shown or kept."""
_HALF_A_DIAGONAL = 0.7072  # of a pixel


class PrivacyMask:
    """Polygons that are painted black. Nothing of what was below them is left, whatever is done to the picture.

    The polygons are in pixels of a frame of ``width`` × ``height``; on frames of another size they are scaled, so that
    a camera that changes its resolution uncovers nothing. Every pixel that a polygon touches is painted.

    Raises:
        ConfigError: No polygon, one whose edges cross, or a picture without a size.
    """

    def __init__(self, polygons: Sequence[Sequence[Point]], width: int, height: int) -> None:
        if width < 1 or height < 1:
            raise ConfigError("privacy mask: width and height of its picture", got=f"{width} and {height}")
        self._polygons = [polygon("privacy mask", points) for points in polygons]
        self._size = (width, height)
        self._painted: dict[tuple[int, int], Array] = {}

    def apply(self, frame: Array) -> Array:
        """Return a copy of a frame (H, W, C) or (H, W), uint8, with the polygons painted over; raises InputError."""
        if frame.ndim not in (2, 3) or frame.dtype != np.uint8 or not frame.size:
            raise InputError(
                "privacy mask: frame", got=f"{frame.dtype} {list(frame.shape)}", allowed="uint8 [H, W, C] or [H, W]"
            )
        masked = frame.copy()
        masked[self.covered(frame.shape[1], frame.shape[0])] = 0
        return masked

    def covered(self, width: int, height: int) -> Array:
        """Return which pixels are painted over, (H, W) bool."""
        painted = self._painted.get((width, height))
        if painted is None:
            painted = self._paint(width, height)
            self._painted = {(width, height): painted}  # the last size alone; several threads may be here
        return painted

    def spares(self, boxes: Array, width: int, height: int) -> Array:
        """Return which boxes are not hidden by more than half, (N,) bool; those outside the frame are.

        Args:
            boxes: Left, top, right and bottom in pixels of a frame, (N, 4).
            width: Of that frame.
            height: Of it.
        """
        covered = self.covered(width, height)
        low, high = np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])
        ends = np.clip(np.concatenate([low, high], axis=1), 0, [width, height, width, height]).astype(int)
        parts = [covered[top:bottom, left:right] for left, top, right, bottom in ends.tolist()]
        return np.array([part.size > 0 and part.mean() <= HIDDEN for part in parts], bool)

    def _paint(self, width: int, height: int) -> Array:
        painted = np.zeros((height, width), bool)
        scale = np.array([width / self._size[0], height / self._size[1]])
        for corners in self._polygons:
            _cover(painted, corners * scale)
        return painted


def _cover(painted: Array, corners: Array) -> None:
    """Paint, (H, W) bool, the pixels whose middle is in a polygon (even-odd rule), and those that its edges touch."""
    height, width = painted.shape
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    inside = np.zeros_like(painted)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        rows = np.flatnonzero((start[1] > y) != (end[1] > y))
        meets = start[0] + (y[rows] - start[1]) * (end[0] - start[0]) / (end[1] - start[1])
        inside[rows] ^= x < meets[:, None]
        _draw(painted, start, end)
    painted |= inside


def _draw(painted: Array, start: Array, end: Array) -> None:
    """Paint each pixel whose middle is no farther from a line than its own corner."""
    size = np.array(painted.shape[::-1])
    left, top = np.clip(np.floor(np.minimum(start, end)) - 1, 0, size).astype(int)
    right, bottom = np.clip(np.ceil(np.maximum(start, end)) + 1, 0, size).astype(int)
    x, y = np.arange(left, right) + 0.5 - start[0], (np.arange(top, bottom) + 0.5 - start[1])[:, None]
    across, down = end - start
    along = np.clip((x * across + y * down) / max(across**2 + down**2, 1e-12), 0, 1)
    near = (x - along * across) ** 2 + (y - along * down) ** 2 <= _HALF_A_DIAGONAL**2
    painted[top:bottom, left:right] |= near
