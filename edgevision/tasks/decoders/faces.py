"""Face detectors: BlazeFace, UltraFace, YuNet. There is one class; boxes may have landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.tasks.decoders.anchors import sized_anchors
from edgevision.tasks.decoders.base import Candidates, Decoder, Size, above, from_centres, joined, unlike
from edgevision.tasks.decoders.levels import Level, levels
from edgevision.tasks.decoders.ssd import SSD, AnchorDecoder
from edgevision.tasks.outputs import Output
from edgevision.tensors import Array


@dataclass(frozen=True, kw_only=True)
class BlazeFace(SSD):
    """BlazeFace (V. Bazarevsky et al., arXiv:1907.05047): (1, 896, 16) offsets and (1, 896, 1) logits.

    Offsets are pixels of the input from the middle of a cell: x, y, w, h, then x, y of right eye, left eye, nose,
    mouth, right and left ear.
    """

    keypoints = 6
    labels = ("face",)
    preprocessing = {"resize": "letterbox", "mean": [127.5], "std": [127.5]}  # noqa: RUF012

    score_threshold: float = 0.5
    iou_threshold: float = 0.3
    strides: tuple[int, ...] = (8, 16, 16, 16)
    min_scale: float = 0.1484375
    max_scale: float = 0.75
    aspect_ratios: tuple[float, ...] = (1.0,)
    reduce_lowest: bool = False
    fixed_anchors: bool = True
    scales: tuple[float, ...] = (128.0, 128.0, 128.0, 128.0)
    x_first: bool = True
    background: bool = False

    def _sides(self, offsets: Array, anchors: Array) -> Array:
        return offsets * anchors  # linear: there is no exponential

    def _points(self, offsets: Array, anchors: Array, scale: Array) -> Array:
        divisors = np.asarray(self.scales, np.float32)[[1, 0]]
        points = offsets.reshape(-1, self.keypoints, 2) / divisors * anchors[:, None, 2:] + anchors[:, None, :2]
        moved: Array = points * scale
        return moved


@dataclass(frozen=True, kw_only=True)
class UltraFace(AnchorDecoder):
    """UltraFace (github.com/Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB): scores of background and face.

    With its post-processing in the graph, boxes are final corners (``decoded``); without, offsets to anchors.

    Attributes:
        strides: Stride of each layer.
        sizes: Sides of each layer's anchors, pixels.
    """

    labels = ("face",)
    preprocessing = {"mean": [127.0], "std": [128.0]}  # noqa: RUF012

    score_threshold: float = 0.7
    iou_threshold: float = 0.3
    x_first: bool = True
    strides: tuple[int, ...] = (8, 16, 32, 64)
    sizes: tuple[tuple[float, ...], ...] = ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256))

    def anchors(self, size: Size) -> Array:
        """Return the anchors; see `edgevision.tasks.decoders.anchors.sized_anchors`."""
        return sized_anchors(size, self.strides, self.sizes)


@dataclass(frozen=True, kw_only=True)
class YuNet(Decoder):
    """YuNet (W. Wu et al., Machine Intelligence Research 2023): for each grid class, objectness, box and landmarks.

    Twelve outputs, in the order class × 3, objectness × 3, box × 3, landmarks × 3. Centre = (cell + (x, y)) · stride,
    sides = exp(w, h) · stride, score = √(class · objectness); landmarks are right eye, left eye, nose, right and left
    corner of the mouth.

    Attributes:
        strides: Strides of the grids, in the order of the outputs.
    """

    keypoints = 5
    labels = ("face",)
    preprocessing = {"color": "BGR", "resize": "letterbox_top_left"}  # noqa: RUF012

    score_threshold: float = 0.6
    iou_threshold: float = 0.3
    strides: tuple[int, ...] = (8, 16, 32)

    def decode(self, outputs: Sequence[Output], size: Size, least: float) -> Candidates:
        """Return candidates; see `Decoder.decode`."""
        grids = len(self.strides)
        if len(outputs) != 4 * grids:
            raise unlike("yunet", outputs, size, f"{4 * grids} of 1, 1, 4 and 10 numbers per cell")
        groups = [
            levels(outputs[start : start + grids], size, self.strides, "yunet") for start in range(0, 4 * grids, grids)
        ]
        for group, width in zip(groups, (1, 1, 4, 10), strict=True):
            if any(level.rows.shape[1] != width for level in group):
                raise unlike("yunet", outputs, size, f"{4 * grids} of 1, 1, 4 and 10 numbers per cell")
        return joined([_face(parts, least) for parts in zip(*groups, strict=True)])

    def class_count(self, outputs: Sequence[Output], size: Size) -> int:
        """Return 1: faces."""
        return 1


def _face(grid: Sequence[Level], least: float) -> Candidates:
    classes, objectness, boxes, points = grid
    shares = [np.clip(level.real(slice(None), 0), 0, 1) for level in (classes, objectness)]
    scores = np.sqrt(shares[0] * shares[1])
    index = above(scores, least, "yunet")
    cells, box = classes.cells(index), boxes.real(index, slice(4))
    centres = (cells + box[:, :2]) * boxes.stride
    sides = np.exp(np.minimum(box[:, 2:], 20.0)) * boxes.stride
    places = (points.real(index, slice(10)).reshape(-1, 5, 2) + cells[:, None]) * points.stride
    return Candidates(from_centres(centres, sides), scores[index], np.zeros(len(index), np.int64), places)
