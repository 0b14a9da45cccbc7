"""The heads of the YOLOv5 and YOLOv8 families, as their exporters write them and as accelerators want them."""

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
    joined,
    unlike,
)
from edgevision.tasks.decoders.levels import Level
from edgevision.tasks.outputs import Output, sigmoid
from edgevision.tensors import Array


@dataclass(frozen=True, kw_only=True)
class YOLOv5(Decoder):
    """Decoded rows of centre x, centre y, width, height, objectness, class scores; or raw heads with anchors.

    Without anchors there is one output, (1, N, 5 + classes) or transposed, whose numbers are final. With anchors there
    is one output for each grid, (1, A, H, W, 5 + classes), (1, A · (5 + classes), H, W) or (1, H, W, A · (5 +
    classes)), of logits: centre = (2σ - 0.5 + cell) · stride, sides = (2σ)² · anchor.

    Attributes:
        normalized: Whether boxes are shares of the input (TFLite exports), not pixels.
        anchors: For each grid, width and height of each anchor in pixels: [[[10, 13], …], …]; empty for decoded rows.
        strides: Strides of the grids; used with anchors only.
    """

    preprocessing = {"resize": "letterbox", "pad_value": 114, "std": [255.0]}  # noqa: RUF012

    normalized: bool = False
    anchors: tuple[tuple[tuple[float, float], ...], ...] = ()
    strides: tuple[int, ...] = (8, 16, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.anchors and len(self.anchors) != len(self.strides):
            raise ConfigError(
                "decoding: anchors", got=f"{len(self.anchors)} lists", allowed=f"{len(self.strides)}, one per stride"
            )
        if any(not isinstance(grid, tuple) or np.ndim(grid) != 2 or np.shape(grid)[1] != 2 for grid in self.anchors):
            raise ConfigError("decoding: anchors", got=self.anchors, allowed="lists of [width, height] for each grid")

    def decode(self, outputs: Sequence[Output], size: Size, least: float) -> Candidates:
        """Return candidates; see `Decoder.decode`."""
        if self.anchors:
            parts = zip(self._grids(outputs, size), self.anchors, strict=True)
            return joined([_anchored(level, np.asarray(anchors, np.float32), least) for level, anchors in parts])
        output, rows = _final_rows(outputs, size, "yolov5", 6)
        index = above(output.real(rows[:, 4]), least, "yolov5")
        stored = rows[index, 5:]
        scores = output.real(rows[index, 4]) * output.real(stored.max(axis=1))
        chosen = above(scores, least, "yolov5")
        boxes = _final_boxes(output.real(rows[index[chosen], :4]), self.normalized, size)
        return Candidates(boxes, scores[chosen], stored[chosen].argmax(axis=1))

    def class_count(self, outputs: Sequence[Output], size: Size) -> int:
        """Return how many scores a row has beside box and objectness."""
        if self.anchors:
            return self._grids(outputs, size)[0].rows.shape[1] - 5
        return _final_rows(outputs, size, "yolov5", 6)[1].shape[1] - 5

    def _grids(self, outputs: Sequence[Output], size: Size) -> list[Level]:
        """One level per grid, with rows of all cells of the first anchor, then of the next."""
        found = []
        for stride, anchors in zip(self.strides, self.anchors, strict=True):
            grid = (-(-size[0] // stride), -(-size[1] // stride))
            for output in outputs:
                stored = _anchor_rows(output.stored, grid, len(anchors))
                if stored is not None and stored.shape[1] > 5:
                    found.append(Level(stored, output, stride, grid[1], grid[0] * grid[1]))
        if [level.stride for level in found] != list(self.strides):
            raise unlike("yolov5", outputs, size, f"one per stride {list(self.strides)} and anchors of each")
        return found


def _anchor_rows(stored: Array, grid: Size, anchors: int) -> Array | None:
    """Return an output as (anchors · cells, 5 + classes); None where it is not of this grid."""
    part = stored[0] if stored.ndim > 3 else stored
    if part.ndim == 4 and part.shape[:3] == (anchors, *grid):
        return part.reshape(-1, part.shape[3])
    if part.ndim == 3 and part.shape[1:] == grid and part.shape[0] % anchors == 0:
        split = part.reshape(anchors, -1, grid[0] * grid[1])
        return split.transpose(0, 2, 1).reshape(-1, split.shape[1])
    if part.ndim == 3 and part.shape[:2] == grid and part.shape[2] % anchors == 0:
        split = part.reshape(grid[0] * grid[1], anchors, -1)
        return split.transpose(1, 0, 2).reshape(-1, split.shape[2])
    return None


def _anchored(level: Level, anchors: Array, least: float) -> Candidates:
    objectness = sigmoid(level.real(slice(None), 4))
    index = above(objectness, least, "yolov5")
    stored = level.rows[index, 5:]
    scores = objectness[index] * sigmoid(level.output.real(stored.max(axis=1)))
    chosen = above(scores, least, "yolov5")
    rows = index[chosen]
    box = 2 * sigmoid(level.real(rows, slice(4)))
    centres = (box[:, :2] - 0.5 + level.cells(rows)) * level.stride
    sides = box[:, 2:] ** 2 * anchors[rows // level.count]
    return Candidates(from_centres(centres, sides), scores[chosen], stored[chosen].argmax(axis=1))


@dataclass(frozen=True, kw_only=True)
class YOLOv8(Decoder):
    """One output, (1, 4 + classes, N) or transposed, of centre x, centre y, width, height, class scores.

    The score is the best class score; there is no objectness. For raw heads with distributions see ``yolov8_raw``.

    Attributes:
        normalized: Whether boxes are shares of the input (TFLite exports), not pixels.
        activation: What is to be done to class scores, ``none`` or ``sigmoid``.
    """

    preprocessing = {"resize": "letterbox", "pad_value": 114, "std": [255.0]}  # noqa: RUF012
    CHOICES = {"activation": ACTIVATIONS}  # noqa: RUF012

    normalized: bool = False
    activation: str = "none"

    def decode(self, outputs: Sequence[Output], size: Size, least: float) -> Candidates:
        """Return candidates; see `Decoder.decode`."""
        output, rows = _final_rows(outputs, size, "yolov8", 5)
        scores = activated(output.real(rows[:, 4:].max(axis=1)), self.activation)
        index = above(scores, least, "yolov8")
        boxes = _final_boxes(output.real(rows[index, :4]), self.normalized, size)
        return Candidates(boxes, scores[index], rows[index, 4:].argmax(axis=1))

    def class_count(self, outputs: Sequence[Output], size: Size) -> int:
        """Return how many scores a row has beside its box."""
        return _final_rows(outputs, size, "yolov8", 5)[1].shape[1] - 4


def _final_rows(outputs: Sequence[Output], size: Size, what: str, least: int) -> tuple[Output, Array]:
    """The one output, as (N, D): there are more boxes than numbers to each, where the shape alone has to tell."""
    stored = outputs[0].stored
    if len(outputs) != 1 or stored.ndim != 3 or stored.shape[0] != 1 or min(stored.shape[1:]) < least:
        raise unlike(what, outputs, size, f"one of [1, N, {least} or more]")
    rows = stored[0]
    return outputs[0], rows if rows.shape[0] >= rows.shape[1] else rows.T


def _final_boxes(centred: Array, normalized: bool, size: Size) -> Array:
    scale = np.array([size[1], size[0]], np.float32) if normalized else np.float32(1)
    return from_centres(centred[:, :2] * scale, centred[:, 2:] * scale)
