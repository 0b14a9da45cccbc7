"""From a camera's frame to the pixels that a model sees: planes of YUV are resized, and converted once, at that size.

A frame of another kind is converted to RGB and goes the way of images. Of a YUV frame luma and chroma are resized each
by the filter of the definition, with the geometry that an image of its size would have. A sample of chroma lies in the
middle of the pixels that it covers; where the part of the picture that is used cuts such a sample in two (an odd size,
a crop at an odd place), chroma is repeated over its pixels first, so that nothing is shifted. A frame that already has
the model's size is converted as it is.

**Against converting first.** Resizing and converting are both weighted sums, so their order matters only through
rounding, through clipping (YUV has colours that RGB lacks: they are clipped after the mean is taken, not before) and
through chroma, which is interpolated between its samples and not between repetitions of them. Without clipping, and
with chroma as large as luma, the two differ by at most 4 levels, which is tested; what it comes to on video is in
docs/results.md.
"""

from __future__ import annotations

import numpy as np

from edgevision.frames import Frame, chroma_of, is_yuv
from edgevision.preprocessing import Preprocessing, recolor
from edgevision.resize import Geometry, Placement, placed, resample
from edgevision.tensors import Array
from edgevision.yuv import yuv_to_rgb


def frame_pixels(frame: Frame, preprocessing: Preprocessing, out: Array | None = None) -> tuple[Array, Geometry]:
    """Return what `Preprocessing.pixels` returns for an image.

    Args:
        frame: Any frame.
        preprocessing: What the model wants.
        out: Where they are written, (height, width, channels) of a type that holds 0 to 255, in any order of memory;
            None: into a new array.

    Returns:
        The pixels, (height, width, channels) in the model's colour order, uint8 or as ``out`` is, and the geometry.
    """
    if not is_yuv(frame.format):
        pixels, geometry = preprocessing.pixels(frame.to_rgb())
        return (pixels if out is None else _copied(pixels, out)), geometry
    assert frame.matrix is not None and frame.full_range is not None  # Frame saw to it
    size = (preprocessing.height, preprocessing.width)
    plan = placed((frame.height, frame.width), size, preprocessing.resize)
    grey = preprocessing.color == "GRAY"
    canvas = np.empty((*size, 3), np.uint8) if out is None or grey else out
    (top, left), (height, width) = plan.at, plan.size
    for around in (canvas[:top], canvas[top + height :], canvas[:, :left], canvas[:, left + width :]):
        around[...] = preprocessing.pad_value
    picture = canvas[top : top + height, left : left + width]
    y, u, v, down, across = _parts(frame, plan)
    if plan.size != plan.part:
        y, u, v = (resample(plane, height, width, preprocessing.filter) for plane in (y, u, v))
        down = across = 1
    yuv_to_rgb(
        y, u, v, matrix=frame.matrix, full_range=frame.full_range, down=down, across=across,
        out=picture[..., ::-1] if preprocessing.color == "BGR" else picture,
    )  # fmt: skip
    if grey:
        canvas = recolor(canvas, "GRAY") if out is None else _copied(recolor(canvas, "GRAY"), out)
    return canvas, plan.geometry


def _copied(pixels: Array, out: Array) -> Array:
    out[...] = pixels
    return out


def _parts(frame: Frame, plan: Placement) -> tuple[Array, Array, Array, int, int]:
    """The part of each plane that is used, and how many rows and columns of luma a sample of chroma covers in it."""
    y, *chroma = frame.yuv()
    down, across = chroma_of(frame.format)
    (top, left), (rows, columns) = plan.corner, plan.part
    luma = y[top : top + rows, left : left + columns]
    if top % down or rows % down or left % across or columns % across:
        chroma = [np.repeat(np.repeat(plane, down, axis=0), across, axis=1) for plane in chroma]
        down = across = 1
    u, v = (plane[top // down : (top + rows) // down, left // across : (left + columns) // across] for plane in chroma)
    return luma, u, v, down, across
