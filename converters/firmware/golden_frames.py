"""Golden images of the selftest: the artifact's own as vectors, and small as a frame in each format."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.artifact import Artifact
from edgevision.converters.firmware.frames import ENCODINGS, FrameInput
from edgevision.converters.firmware.pieces import piece
from edgevision.converters.firmware.source import Names, array
from edgevision.frames import Frame, encode_frame
from edgevision.golden import synthetic_images
from edgevision.resize import resample, scaled
from edgevision.tasks.classification import top1
from edgevision.tensors import Array, TensorSpec

WIDTH, HEIGHT = 64, 48
"""The most that a frame of the selftest has: it lies in flash."""
_PADDING = 3
_SEED = 0


@dataclass(frozen=True, eq=False)
class GoldenFrame:
    """A frame, and the input that Python makes of it: int8, with the input's shape."""

    frame: Frame
    tensor: Array


def golden_images(source: Artifact, count: int) -> tuple[Array, ...]:
    """Return images of the artifact, uint8 RGB HWC; synthetic ones where it has none."""
    golden = source.golden()
    return golden.samples[:count] if golden is not None else synthetic_images(count, HEIGHT, WIDTH, _SEED)


def golden_frames(made: FrameInput, images: Sequence[Array]) -> list[GoldenFrame]:
    """Return a small frame in each format, the images in turn; YUV in the four encodings in turn."""
    found = []
    for index, format_ in enumerate(made.formats):
        matrix, full_range = ENCODINGS[index % len(ENCODINGS)]
        small = _small(images[index % len(images)])
        frame = encode_frame(small, format_, matrix=matrix, full_range=full_range, padding=_PADDING)
        found.append(GoldenFrame(frame, made.bound(frame.to_rgb())[0]))
    return found


def _small(image: Array) -> Array:
    """The image in `WIDTH` x `HEIGHT`, its proportions kept but for a width that is even."""
    height, width = image.shape[:2]
    if height * WIDTH >= width * HEIGHT:
        size = (HEIGHT, scaled(width, HEIGHT, height))
    else:
        size = (scaled(height, WIDTH, width), WIDTH)
    return resample(image, max(1, size[0]), max(2, size[1] // 2 * 2), "linear_fixed")


def frames_selftest(golden: Sequence[GoldenFrame], scores: Sequence[Array], spec: TensorSpec, names: Names) -> str:
    """Return the part of the selftest with the frames: ``scores`` has the output 0 that each is to have, int8."""
    parts = [f"#define FRAMES {len(golden)}U"]
    rows = []
    for index, item in enumerate(golden):
        frame = item.frame
        parts += [array(f"frame_{index}_plane_{k}", plane) for k, plane in enumerate(frame.planes)]
        rows.append(_row(index, frame, names))
    best = [int(top1(score.reshape(1, -1), spec)[0]) for score in scores]
    parts.append(f"static const {names.name}_frame frames[FRAMES] = {{\n" + "\n".join(rows) + "\n};")
    sums = ", ".join(f"0x{zlib.crc32(item.tensor.tobytes()):08X}U" for item in golden)
    parts.append(f"static const uint32_t frame_inputs[FRAMES] = {{{sums}}};")
    parts.append(array("frame_classes", np.array(best, np.int32)))
    stored = [int(score.reshape(-1)[index]) for score, index in zip(scores, best, strict=True)]
    parts.append(array("frame_scores", np.array(stored, np.int32)))
    return piece("selftest_frames.c", names, {"FRAME_CONSTANTS": "\n\n".join(parts)})


def _row(index: int, frame: Frame, names: Names) -> str:
    encoding = "ENCODING_NONE"
    if frame.matrix is not None:
        encoding = f"{frame.matrix.upper()}_{'FULL' if frame.full_range else 'LIMITED'}"
    planes = [
        f"{{frame_{index}_plane_{k}, {plane.size}U, {stride}U}}"
        for k, (plane, stride) in enumerate(zip(frame.planes, frame.strides, strict=True))
    ]
    planes += ["{NULL, 0U, 0U}"] * (2 - len(planes))
    head = f"{names.upper}_{frame.format.upper()}, {names.upper}_{encoding}, {frame.width}U, {frame.height}U"
    return f"    {{{head}, {{{', '.join(planes)}}}}},"
