"""Parts of the picture that nobody shall see: painted over before a frame leaves the process, or is recorded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgevision.errors import InputError
from edgevision.pipeline.rules.geometry import Point, polygon
from edgevision.tensors import Array


class PrivacyMask:
    """Polygons that are painted black. Nothing of what was below them is left, whatever is done to the picture.

    The polygons are in pixels of a frame of ``width`` × ``height``; on frames of another size they are scaled, so that
    a camera that changes its resolution uncovers nothing. Every pixel that a polygon touches is painted.

    Raises:
        ConfigError: No polygon.
    """

    def __init__(self, polygons: Sequence[Sequence[Point]], width: int, height: int) -> None:
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

    def _paint(self, width: int, height: int) -> Array:
        from PIL import Image, ImageDraw, ImageFilter

        picture = Image.new("L", (width, height))
        draw = ImageDraw.Draw(picture)
        scale = np.array([width / self._size[0], height / self._size[1]])
        for corners in self._polygons:
            draw.polygon([(float(x), float(y)) for x, y in corners * scale - 0.5], fill=255, outline=255)
        grown = picture.filter(ImageFilter.MaxFilter(3))  # whatever Pillow leaves out on the edge
        return np.asarray(grown) > 0
