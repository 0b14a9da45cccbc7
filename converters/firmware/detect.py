"""``<name>_detect``: boxes from a detector's int8 outputs, as C in integers, by the decoding of the manifest.

Scores are products of table entries of 2^30, exact to 60 bits; corners are rounded to 1/16 pixel of the input before
they are compared. Suppression is the greedy one, exactly, in the memory of the boxes that stay: the best row that no
kept box suppresses is looked for again and again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.converters.firmware.pieces import piece
from edgevision.converters.firmware.source import Names, array
from edgevision.errors import ConfigError, IncompatibleModelError
from edgevision.tensors import Array, TensorSpec, dequantize

DETECTORS = ("yolox", "yolov8", "yolov5")
"""Decoders that firmware has: YOLOX's grids, and the final rows of YOLOv8 and YOLOv5."""
CELL = 4096
_ONE = 1 << 30
MAX_SIDE = 16384
"""Pixels of the input, at most: corners of boxes then fit 32 bits in 1/8192 pixel."""
_CENTRE_LIMIT, _SIDE_LIMIT = CELL * MAX_SIDE, 2 * CELL * MAX_SIDE


@dataclass(frozen=True)
class DetectionHead:
    """What a detector's outputs mean: fields of ``decoding`` in the manifest.

    Attributes:
        decoder: One of `DETECTORS`. Each has rows of x, y, width, height of a box about its centre, then class scores.
            ``yolox``: centre = (cell + (x, y)) · stride, sides = exp(w, h) · stride, objectness before the classes.
            ``yolov5``, ``yolov8``: pixels of the input, with and without an objectness.
        score_threshold: Boxes with a lower score are left out.
        iou_threshold: A box that overlaps a better one by more is left out.
        class_agnostic: Whether boxes suppress those of other classes too.
        max_detections: At most so many boxes are kept.
        strides: Strides of the grids, in the order of the rows.
        activation: What is still to be done to scores: ``none`` or ``sigmoid``.
        normalized: Whether boxes are shares of the input, not pixels.
    """

    decoder: str
    score_threshold: float = 0.3
    iou_threshold: float = 0.5
    class_agnostic: bool = False
    max_detections: int = 100
    strides: tuple[int, ...] = (8, 16, 32)
    activation: str = "none"
    normalized: bool = False

    @property
    def gridded(self) -> bool:
        """Whether boxes are relative to the cells of grids."""
        return self.decoder == "yolox"

    @property
    def objectness(self) -> bool:
        """Whether there is a score for "an object is here"."""
        return self.decoder != "yolov8"

    @property
    def first_score(self) -> int:
        """The column of the first class score."""
        return 5 if self.objectness else 4

    @classmethod
    def from_decoding(cls, decoding: Mapping[str, Any]) -> DetectionHead | None:
        """Read ``decoding`` of a manifest; None for a decoder that firmware does not have.

        Raises:
            ConfigError: Parameters that make no sense.
        """
        if decoding.get("decoder") not in DETECTORS or decoding.get("anchors"):
            return None
        known = {name: decoding[name] for name in cls.__dataclass_fields__ if name in decoding}
        try:
            head = cls(**{**known, "strides": tuple(int(stride) for stride in known.get("strides", cls.strides))})
            sound = (
                0 <= head.score_threshold <= 1
                and 0 <= head.iou_threshold <= 1
                and 1 <= head.max_detections <= 65535
                and min(head.strides) >= 1
                and head.activation in ("none", "sigmoid")
            )
        except (TypeError, ValueError) as exc:
            raise ConfigError(f"decoding: {exc}", got=dict(decoding)) from exc
        if not sound:
            raise ConfigError("decoding: parameters out of their range", got=dict(decoding))
        return head


@dataclass(frozen=True)
class _Level:
    """Where rows of one grid lie in an output, in elements."""

    output: int
    first: int
    row_step: int
    column_step: int
    rows: int
    columns: int
    grid_width: int
    stride: int


@dataclass(frozen=True)
class Detection:
    """A head with the outputs of one model.

    Attributes:
        head: What they mean.
        outputs: The outputs.
        size: Height and width of the input, pixels.
    """

    head: DetectionHead
    outputs: tuple[TensorSpec, ...]
    size: tuple[int, int]

    @property
    def classes(self) -> int:
        """How many the model tells apart."""
        return self.levels[0].columns - self.head.first_score

    @property
    def levels(self) -> tuple[_Level, ...]:
        """The rows, grid by grid; raises IncompatibleModelError for outputs of another kind of model."""
        found = self._grids() if self.head.gridded else self._final()
        if not found or max(self.size) > MAX_SIDE or any(level.columns <= self.head.first_score for level in found):
            raise IncompatibleModelError(
                f"decoder {self.head.decoder}: outputs of another kind of model",
                got=", ".join(str(list(spec.shape)) for spec in self.outputs),
                allowed=f"rows of {self.head.first_score} numbers and the classes for an input of "
                f"{self.size[0]}x{self.size[1]}",
                next_step="name the right decoder in the artifact's decoding, or none",
            )
        return found

    def _final(self) -> tuple[_Level, ...]:
        shape = self.outputs[0].shape
        if len(self.outputs) != 1 or len(shape) != 3 or shape[0] != 1:
            return ()
        rows, columns = int(shape[1] or 1), int(shape[2] or 1)
        if rows >= columns:
            return (_Level(0, 0, columns, 1, rows, columns, 0, 1),)
        return (_Level(0, 0, 1, columns, columns, rows, 0, 1),)

    def _grids(self) -> tuple[_Level, ...]:
        grids = [(-(-self.size[0] // stride), -(-self.size[1] // stride)) for stride in self.head.strides]
        counts = [height * width for height, width in grids]
        if len(self.outputs) == 1:
            return self._joined(grids, counts)
        found = []
        for stride, grid, count in zip(self.head.strides, grids, counts, strict=True):
            fitting = [(i, _rows(spec.shape, grid)) for i, spec in enumerate(self.outputs)]
            found += [
                _Level(i, 0, *steps, count, columns, grid[1], stride)
                for i, place in fitting
                if place is not None
                for steps, columns in (place,)
            ]
        return tuple(found) if [level.stride for level in found] == list(self.head.strides) else ()

    def _joined(self, grids: Sequence[tuple[int, int]], counts: Sequence[int]) -> tuple[_Level, ...]:
        total = sum(counts)
        place = _rows(self.outputs[0].shape, grids[0] if len(grids) == 1 else (total, 1))
        if place is None:
            return ()
        steps, columns = place
        starts = [sum(counts[:i]) * steps[0] for i in range(len(counts))]
        return tuple(
            _Level(0, start, *steps, count, columns, grid[1], stride)
            for start, count, grid, stride in zip(starts, counts, grids, self.head.strides, strict=True)
        )

    def tables(self, output: int, stride: int) -> dict[str, Array]:
        """Return what each stored value of an output means: score, across, down, width and height, int32 (256,) each.

        Entry ``i`` is that of the stored value ``i - 128``.
        """
        spec, head = self.outputs[output], self.head
        flat = TensorSpec(spec.name, (256,), "int8", "", spec.quant)
        real = dequantize(np.arange(-128, 128).astype(np.int8), flat).astype(np.float64)
        shares = 1 / (1 + np.exp(-real)) if head.activation == "sigmoid" else real
        if head.gridded:
            places = {"across": real, "down": real}
            sides = np.exp(np.minimum(real, 20.0))
            lengths = {"width": sides, "height": sides}
        else:
            across, down = (real * side if head.normalized else real for side in self.size[::-1])
            places, lengths = {"across": across, "down": down}, {"width": across, "height": down}
        found = {"score": np.rint(np.clip(shares, 0, 1) * _ONE).astype(np.int32)}
        for limit, columns in ((_CENTRE_LIMIT, places), (_SIDE_LIMIT, lengths)):
            for name, values in columns.items():
                low = 0 if columns is lengths else -(limit // stride)
                found[name] = np.clip(np.rint(values * CELL), low, limit // stride).astype(np.int32)
        return found

    def distinct_tables(self) -> dict[bytes, Array]:
        """Return the tables of all levels, each once, by a key that says which one it is."""
        found = (table for level in self.levels for table in self.tables(level.output, level.stride).values())
        return {_key(table): table for table in found}


def _rows(shape: tuple[int | None, ...], grid: tuple[int, int]) -> tuple[tuple[int, int], int] | None:
    """Return (elements to the next row, to the next column), columns of an output with a row for each cell."""
    sizes = [int(size or 1) for size in shape]
    count = grid[0] * grid[1]
    if len(sizes) > 2 and sizes[0] == 1:
        sizes = sizes[1:]
    if len(sizes) == 3 and tuple(sizes[:2]) == grid:
        sizes = [count, sizes[2]]
    elif len(sizes) == 3 and tuple(sizes[1:]) == grid:
        sizes = [sizes[0], count]
    if len(sizes) != 2:
        return None
    if sizes[0] == count:
        return (sizes[1], 1), sizes[1]
    return ((1, sizes[1]), sizes[0]) if sizes[1] == count else None


def detection_code(made: Detection, names: Names) -> str:
    """Return the part of ``<name>_io.c`` that finds boxes."""
    objectness = made.head.objectness
    marks = {
        "OBJECTNESS_NOTE": " objectness," if objectness else "",
        "OBJECTNESS": "(uint64_t)level->score[index_of(row[4U * step])]" if objectness else "0x40000000U",
        "DETECT_CONSTANTS": _constants(made),
    }
    return piece("detect.c", names, marks)


def detection_header(made: Detection, names: Names) -> str:
    """Return the part of ``<name>_io.h`` that declares it."""
    head = made.head
    marks = {
        "MAX_DETECTIONS": str(head.max_detections),
        "DECODER": head.decoder,
        "SCORE_TEXT": str(head.score_threshold),
        "IOU_TEXT": str(head.iou_threshold),
    }
    return piece("detect.h", names, marks)


def _constants(made: Detection) -> str:
    head = made.head
    levels = made.levels
    lines = [
        f"#define LEVELS {len(levels)}U",
        f"#define CLASSES {made.classes}U",
        f"#define FIRST_SCORE {head.first_score}U",
        f"#define MAX_DETECTIONS {head.max_detections}U",
        f"#define CLASS_AGNOSTIC {int(head.class_agnostic)}",
        f"#define SCORE_THRESHOLD UINT64_C({max(1, round(head.score_threshold * (1 << 60)))})",
        f"#define IOU_THRESHOLD UINT64_C({round(head.iou_threshold * (1 << 20))})",
    ]
    distinct = made.distinct_tables()
    names = {key: f"table_{index}" for index, key in enumerate(distinct)}
    lines += [array(names[key], table) for key, table in distinct.items()]
    rows = []
    for level in levels:
        used = [names[_key(table)] for table in made.tables(level.output, level.stride).values()]
        place = [level.output, level.first, level.row_step, level.column_step, level.rows, level.grid_width]
        rows.append(f"    {{{', '.join([*(f'{number}U' for number in place), str(level.stride), *used])}}},")
    lines.append("static const struct level levels[LEVELS] = {\n" + "\n".join(rows) + "\n};")
    return "\n".join(lines)


def _key(table: Array) -> bytes:
    return table.tobytes()
