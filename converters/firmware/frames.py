"""The C code that computes the manifest's preprocessing of camera frames: in integers, bit for bit as Python does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from edgevision.binding import BoundPreprocessing
from edgevision.converters.firmware.detect import Detection, DetectionHead, detection_code, detection_header
from edgevision.converters.firmware.pieces import piece
from edgevision.converters.firmware.source import Names, array
from edgevision.errors import ConfigError, IncompatibleModelError, check_choice
from edgevision.frames import is_yuv
from edgevision.manifest import Manifest
from edgevision.preprocessing import Preprocessing
from edgevision.tensors import Array, TensorSpec
from edgevision.yuv import coefficients

CAMERA_FORMATS = ("gray8", "rgb565", "rgb888", "yuyv", "nv12")
"""Of `edgevision.frames.FRAME_FORMATS` those that firmware takes, in the order of the C enumeration (from 1)."""
FRAME_FILTERS = ("linear_fixed", "nearest")
"""Filters of `edgevision.resize` that need integers and no memory."""
ENCODINGS = (("bt601", False), ("bt601", True), ("bt709", False), ("bt709", True))
"""Matrix and range of a YUV frame, in the order of the C enumeration, which begins at 1."""

_CENTRED = """    found.out_left = (OUT_WIDTH - found.out_width) / 2;
    found.out_top = (OUT_HEIGHT - found.out_height) / 2;
"""
_TABLE_NAMES = ("FIRST_TABLE", "SECOND_TABLE", "THIRD_TABLE")
_PLANES = {
    "gray8": ["refusal_of_plane(&frame->planes[0], height, width)"],
    "rgb565": ["refusal_of_plane(&frame->planes[0], height, 2U * width)"],
    "rgb888": ["refusal_of_plane(&frame->planes[0], height, 3U * width)"],
    "yuyv": [
        "((width % 2U) == 0U) ? @NAME@_OK : @NAME@_ERROR_SIZE",
        "refusal_of_encoding(frame)",
        "refusal_of_plane(&frame->planes[0], height, 2U * width)",
    ],
    "nv12": [
        "refusal_of_encoding(frame)",
        "refusal_of_plane(&frame->planes[0], height, width)",
        "refusal_of_plane(&frame->planes[1], (height + 1U) / 2U, 2U * ((width + 1U) / 2U))",
    ],
}
"""What has to be OK, one after another, for a frame of each format."""
_CROPS = {
    "gray8": ("", ["move(&frame->planes[0], top, left);"]),
    "rgb565": ("", ["move(&frame->planes[0], top, 2U * (size_t)left);"]),
    "rgb888": ("", ["move(&frame->planes[0], top, 3U * (size_t)left);"]),
    "yuyv": ("((left % 2U) != 0U) || ((width % 2U) != 0U)", ["move(&frame->planes[0], top, 2U * (size_t)left);"]),
    "nv12": (
        "((left % 2U) != 0U) || ((top % 2U) != 0U)",
        ["move(&frame->planes[0], top, left);", "move(&frame->planes[1], top / 2U, left);"],
    ),
}
"""For each format: what a part must not be, and how planes begin later."""


@dataclass(frozen=True)
class FrameInput:
    """What `<name>_preprocess` is made for.

    Attributes:
        bound: The preprocessing, joined to the model's input.
        formats: Formats of frames, some of `CAMERA_FORMATS`.
        detection: How a detector's outputs become boxes; None for other models, and for decoders that firmware has not.
    """

    bound: BoundPreprocessing
    formats: tuple[str, ...]
    detection: Detection | None = None

    @property
    def table(self) -> Array:
        """The stored value of each pixel value, int8: one row where all channels have the same, else one for each."""
        table = self.bound.table
        return table[:1] if (table == table[0]).all() else table

    def report(self) -> dict[str, Any]:
        """Return what ``firmware.json`` says about it."""
        preprocessing = self.bound.preprocessing
        decoding = () if self.detection is None else self.detection.distinct_tables().values()
        return {
            "formats": list(self.formats),
            "preprocessing": preprocessing.to_dict(),
            "detection": None if self.detection is None else asdict(self.detection.head),
            "constant_bytes": sum(table.nbytes for table in (self.table, *decoding)),
        }


def frame_input(
    manifest: Manifest,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    frames: Sequence[str] | None,
    filter_: str | None,
) -> FrameInput | None:
    """Return what frames become, or None where there are to be none, or where nobody knows.

    Args:
        manifest: Of the model.
        inputs: The inputs of the firmware.
        outputs: Its outputs.
        frames: Formats; all where it is None and the preprocessing is known, none where it is empty.
        filter_: Taken instead of the preprocessing's filter.

    Raises:
        ConfigError: Formats or a filter that do not exist, or frames of a model whose preprocessing is unknown.
        IncompatibleModelError: Preprocessing that firmware does not compute.
    """
    for format_ in frames or ():
        check_choice("frames", format_, CAMERA_FORMATS)
    if filter_ is not None:
        check_choice("filter", filter_, FRAME_FILTERS)
    preprocessing = manifest.preprocessing
    if frames is not None and not frames:
        if filter_ is not None:
            raise ConfigError("a filter for frames, and no frames", got=filter_, next_step="leave one of them out")
        return None
    if preprocessing is None:
        if frames is None and filter_ is None:
            return None
        raise ConfigError(
            f"{manifest.name}: frames need the preprocessing, which is unknown",
            next_step="declare it: edgevision adopt MODEL --mean … --std … --filter linear_fixed",
        )
    preprocessing = replace(preprocessing, filter=filter_ or preprocessing.filter)
    _check_computable(manifest, preprocessing, inputs)
    chosen = CAMERA_FORMATS if frames is None else tuple(name for name in CAMERA_FORMATS if name in frames)
    size = (preprocessing.height, preprocessing.width)
    head = DetectionHead.from_decoding(manifest.decoding) if manifest.task == "detection" else None
    detection = None if head is None else Detection(head, tuple(outputs), size)
    return FrameInput(preprocessing.bind(inputs[0]), chosen, detection)


def _check_computable(manifest: Manifest, preprocessing: Preprocessing, inputs: Sequence[TensorSpec]) -> None:
    if preprocessing.filter not in FRAME_FILTERS:
        raise IncompatibleModelError(
            f"{manifest.name}: firmware does not resize frames with the filter of this artifact's preprocessing",
            got=preprocessing.filter,
            allowed=FRAME_FILTERS,
            next_step="declare another for the firmware and evaluate it (--filter linear_fixed), train or adopt the "
            "model with it, or leave frames to the caller (--frames none)",
        )
    if len(inputs) != 1 or (inputs[0].length("N") if "N" in inputs[0].layout else 1) not in (None, 1):
        raise IncompatibleModelError(
            f"{manifest.name}: a frame is the one input of a model, one at a time",
            got=", ".join(str(list(spec.shape)) for spec in inputs),
            next_step="leave frames to the caller (--frames none)",
        )


def frame_sources(made: FrameInput, names: Names) -> dict[str, str]:
    """Return the texts of ``<name>_io.c`` and ``<name>_io.h``."""
    preprocessing, formats = made.bound.preprocessing, made.formats
    letterbox = preprocessing.resize.startswith("letterbox")
    yuv = any(map(is_yuv, formats))
    pieces = [
        "head",
        *(["yuv"] if yuv else []),
        *formats,
        *(["yuv_status"] if yuv else []),
        "frame",
        *([] if preprocessing.resize == "stretch" else ["scaled"]),
        "letterbox" if letterbox else preprocessing.resize,
        "walk",
        preprocessing.filter,
        preprocessing.color.lower(),
        *(["pad"] if letterbox else []),
        "move",
        "preprocess",
    ]
    marks = _marks(made)
    code = [piece(f"{name}.c", names, marks) for name in pieces]
    declared = ""
    if made.detection is not None:
        code.append(detection_code(made.detection, names))
        declared = detection_header(made.detection, names)
    header = piece("io.h", names, {**marks, "DETECT_HEADER": declared})
    return {f"{names.name}_io.c": "\n".join(code), f"{names.name}_io.h": header}


def _marks(made: FrameInput) -> dict[str, str]:
    preprocessing, spec = made.bound.preprocessing, made.bound.spec
    sizes = {"N": 1, "H": preprocessing.height, "W": preprocessing.width, "C": preprocessing.channels}
    steps = {axis: int(np.prod([sizes[later] for later in spec.layout[i + 1 :]])) for i, axis in enumerate(spec.layout)}
    table = made.table
    rows = ["{" + array("", row).split("{", 1)[1].rsplit(";", 1)[0] for row in table]
    tables = "\n".join(f"#define {name} {min(i, len(table) - 1)}" for i, name in enumerate(_TABLE_NAMES[: sizes["C"]]))
    return {
        "FORMATS": ", ".join(made.formats).upper(),
        "STEPS": _steps(preprocessing),
        "OUT_WIDTH": str(preprocessing.width),
        "OUT_HEIGHT": str(preprocessing.height),
        "ROW_STEP": str(steps["H"]),
        "COLUMN_STEP": str(steps["W"]),
        "CHANNEL_STEPS": f"#define CHANNEL_STEP {steps['C']}\n{tables}" if sizes["C"] > 1 else tables,
        "TABLE_NOTE": "the same for all channels" if len(table) == 1 else "for each channel",
        "TABLE": f"static const int8_t stored_values[{len(table)}][256] = {{\n" + ",\n".join(rows) + "\n};",
        "PAD_VALUE": str(preprocessing.pad_value),
        "PAD": "    pad(input);\n" if preprocessing.resize.startswith("letterbox") else "",
        "PLACE": _CENTRED if preprocessing.resize == "letterbox" else "",
        "CORNER": "in the middle" if preprocessing.resize == "letterbox" else "in the upper left corner",
        "ENCODINGS": ",\n".join(f"    {{{', '.join(map(str, _coefficients(*row)))}}}" for row in ENCODINGS),
        "READERS": "\n".join(_case(name, [f"found = {name}(frame, x, y);"]) for name in made.formats),
        "PLANES": "\n".join(_case(name, _checks(_PLANES[name])) for name in made.formats),
        "CROPS": "\n".join(_case(name, _narrowing(*_CROPS[name])) for name in made.formats),
    }


def _coefficients(matrix: str, full_range: bool) -> list[int]:
    return list(asdict(coefficients(matrix, full_range)).values())


def _steps(preprocessing: Preprocessing) -> str:
    return (
        f"{preprocessing.resize} to {preprocessing.height}x{preprocessing.width} with {preprocessing.filter}, "
        f"{preprocessing.color}, normalized and quantized"
    )


def _case(format_: str, lines: Sequence[str]) -> str:
    body = "\n".join(f"        {line}" for line in lines)
    return f"    case @NAME@_{format_.upper()}:\n{body}\n        break;"


def _checks(conditions: Sequence[str]) -> list[str]:
    lines = [f"status = {conditions[0]};"]
    for condition in conditions[1:]:
        lines += ["if (status == @NAME@_OK) {", f"    status = {condition};", "}"]
    return lines


def _narrowing(forbidden: str, moves: Sequence[str]) -> list[str]:
    refusal = [f"if ({forbidden}) {{", "    return @NAME@_ERROR_ARGUMENT;", "}"] if forbidden else []
    return [*refusal, *moves]
