"""Frames of the project's selftest, with the input that each has to become and, of a sealed artifact, the outputs."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from edgevision.converters.firmware.frames import ENCODINGS, FrameInput
from edgevision.converters.firmware.golden_frames import golden_frames, golden_images
from edgevision.converters.linux.model import SEALED_ON, Model
from edgevision.frames import FRAME_FORMATS, Frame, encode_frame
from edgevision.tensors import Array, TensorSpec, integer_range

C_FORMATS = ("gray8", "rgb565", "rgb888", "bgr888", "yuyv", "nv12", "i420")
"""Names of `edgevision.frames` in the order of ``ev_format``, which begins at 1."""
CASES = "cases.txt"
_IMAGES = 4
_FLOAT_SHARE = 1e-3
"""What a float output may differ where the manifest has no tolerance of its own, as a share of the largest value."""


def selftest(model: Model) -> dict[str, bytes]:
    """Return the files of the selftest: ``cases.txt``, frames, and expected outputs."""
    files: dict[str, bytes] = {}
    lines: list[str] = []
    for name, frame, outputs in _cases(model):
        files[f"{name}.frame"] = b"".join(
            _padded(plane, stride, rows)
            for plane, stride, rows in zip(frame.planes, frame.strides, _heights(frame), strict=True)
        )
        lines.append(_frame_line(frame, f"{name}.frame"))
        lines.append(f"input {zlib.crc32(model.bound(frame.to_rgb())[0].tobytes()):08x}")
        for place, (expected, tolerance) in enumerate(outputs):
            files[f"{name}.output.{place}"] = expected.astype(expected.dtype.newbyteorder("<")).tobytes()
            lines.append(f"output {place} {tolerance!r} {name}.output.{place}")
    return {CASES: "".join(line + "\n" for line in lines).encode(), **files}


def _cases(model: Model) -> Iterator[tuple[str, Frame, list[tuple[Array, float]]]]:
    """(Name, frame, expected outputs and tolerances): golden images as they are, then a small frame per format."""
    images = golden_images(model.source, len(FRAME_FORMATS))
    for index, image in enumerate(images[:_IMAGES]):
        yield f"image_{index}", encode_frame(image, "rgb888"), _expected(model, index)
    for item in golden_frames(FrameInput(model.bound, FRAME_FORMATS), images):
        yield item.frame.format, item.frame, []


def _expected(model: Model, index: int) -> list[tuple[Array, float]]:
    golden, name = model.source.golden(), SEALED_ON[model.source.manifest.format]
    if golden is None or name not in golden.expected:
        return []
    parity = (model.source.manifest.runtimes.get(name) or {}).get("parity") or {}
    measured = parity.get("outputs") or []
    return [
        (stored[index], _tolerance(spec, stored, measured[place] if place < len(measured) else {}))
        for place, (spec, stored) in enumerate(zip(model.outputs, golden.expected[name], strict=True))
    ]


def _tolerance(spec: TensorSpec, stored: Array, measured: dict[str, dict[str, float | None]]) -> float:
    """The most that a stored value may differ: what the seal allows under other conditions."""
    allowance = measured.get("allowance") or {}
    if spec.is_integer:
        steps = allowance.get("max_lsb")
        low, high = integer_range(spec.dtype)
        return float(min(max(steps or 0, 1), high - low))
    largest = float(np.abs(stored).max(initial=0))
    return max(float(allowance.get("max_abs_error") or 0.0), _FLOAT_SHARE * largest)


def _frame_line(frame: Frame, file: str) -> str:
    encoding = 0 if frame.matrix is None else 1 + ENCODINGS.index((frame.matrix, bool(frame.full_range)))
    strides = [*frame.strides, 0, 0][:3]
    number = 1 + C_FORMATS.index(frame.format)
    return f"frame {number} {encoding} {frame.width} {frame.height} {' '.join(map(str, strides))} {file}"


def _heights(frame: Frame) -> list[int]:
    return [frame.height, *[(frame.height + 1) // 2] * (len(frame.planes) - 1)]


def _padded(plane: Array, stride: int, rows: int) -> bytes:
    """The plane with what is behind its last row, so that every row has the stride."""
    return plane.tobytes().ljust(stride * rows, b"\0")
