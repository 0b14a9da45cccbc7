"""Was a picture as good as this one captured before?"""

from __future__ import annotations

from collections import deque

import numpy as np

from edgevision.tasks.boxes import box_iou
from edgevision.tasks.detections import Detections
from edgevision.tensors import Array

REMEMBERED = 64
"""So many of the last pictures are compared with."""
SAME_BITS = 6
"""Pictures that differ in at most so many of 64 bits show the same scene."""
SAME_PLACE = 0.6
"""Objects of one class that overlap by so much (IoU) are in the same place."""


def fingerprint(luma: Array) -> int:
    """Return 64 bits that say of which of two neighbouring cells is the brighter: a difference hash.

    Near-identical pictures differ in few bits, whatever their size, brightness or noise (N. Krawetz, "Kind of Like
    That", 2013).

    Args:
        luma: Brightness, uint8 (height, width).
    """
    from PIL import Image

    step = max(1, min(luma.shape) // 64)  # every so many-th pixel tells the mean of a cell well enough
    cells = np.asarray(Image.fromarray(np.ascontiguousarray(luma[::step, ::step])).resize((9, 8), Image.Resampling.BOX))
    bits = cells[:, 1:].astype(np.int16) > cells[:, :-1]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


class Likeness:
    """The last pictures that were captured: their scenes, and where which objects were.

    A camera that stands still sees the same scene always, by its bits; what is in it tells one frame from another.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[int, Detections]] = deque(maxlen=REMEMBERED)

    def knows(self, bits: int, objects: Detections) -> bool:
        """Say whether the same scene with the same objects in the same places is among them."""
        return any(
            (bits ^ before).bit_count() <= SAME_BITS and _alike(objects, known)
            for before, known in reversed(self._seen)
        )

    def remember(self, bits: int, objects: Detections) -> None:
        """Take one in."""
        self._seen.append((bits, objects))


def _alike(first: Detections, second: Detections) -> bool:
    if len(first) != len(second):
        return False
    near = box_iou(first.boxes, second.boxes) >= SAME_PLACE
    near &= np.equal.outer(first.classes, second.classes)
    return bool(near.any(axis=0).all() and near.any(axis=1).all())
