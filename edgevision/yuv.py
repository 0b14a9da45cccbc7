"""Camera frames in YUV to RGB, and back.

Standard and range are stated by the source, never guessed: ITU-R BT.601-7 or BT.709-6; limited (luma 16 to 235) or full
(0 to 255). Each chroma sample is repeated over the pixels that it covers. The arithmetic is 16-bit fixed point, rounded
half up, and clipped, so that every implementation gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgevision.errors import InputError, check_choice
from edgevision.tensors import Array

_BAND = 1 << 15
"""Pixels at a time, about: few steps for a model's input, and what a large picture takes stays in the cache."""
MATRICES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
"""Name -> luma weights of red and blue."""


def yuv_to_rgb(
    y: Array,
    u: Array,
    v: Array,
    *,
    matrix: str,
    full_range: bool,
    down: int = 1,
    across: int = 1,
    out: Array | None = None,
) -> Array:
    """Convert planes of luma and chroma, uint8, to uint8 RGB (H, W, 3).

    Args:
        y: Luma (H, W).
        u: Blue difference (Cb), 128 for none: (⌈H/down⌉, ⌈W/across⌉).
        v: Red difference (Cr), likewise.
        matrix: ``bt601`` or ``bt709``.
        full_range: Whether luma covers 0 to 255 (JPEG, most USB cameras), else 16 to 235.
        down: Rows that a sample of chroma covers: 1, 2 or 4.
        across: Columns that it covers.
        out: Where the picture is written, uint8 (H, W, 3) in any order of memory; None: into a new array.

    Raises:
        InputError: The planes are not uint8, or their shapes do not fit.
        ConfigError: An unknown matrix.
    """
    _check_planes(y, u, v, down, across)
    picture = np.empty((*y.shape, 3), np.uint8) if out is None else out
    _to_rgb(y, u, v, coefficients(matrix, full_range), down, across, picture)
    return picture


def rgb_to_yuv444(image: Array, *, matrix: str, full_range: bool) -> tuple[Array, Array, Array]:
    """Convert uint8 RGB (H, W, 3) to three uint8 planes (H, W): Y, Cb, Cr, each the nearest to the real value.

    Raises:
        ConfigError: An unknown matrix.
    """
    check_choice("YUV matrix", matrix, MATRICES)
    red, blue = MATRICES[matrix]
    luma_gain, chroma_gain, black = (1.0, 1.0, 0) if full_range else (219 / 255, 224 / 255, 16)
    r, g, b = np.moveaxis(image.astype(np.float64), -1, 0)
    luma = red * r + (1.0 - red - blue) * g + blue * b
    real = (
        luma_gain * luma + black,
        chroma_gain * (b - luma) / (2 * (1 - blue)) + 128,
        chroma_gain * (r - luma) / (2 * (1 - red)) + 128,
    )
    y, u, v = (np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in real)
    return y, u, v


@dataclass(frozen=True)
class YuvCoefficients:
    """The integers of the conversion to RGB; all but ``black`` are 65536 times a real number.

    Attributes:
        black: Luma of black.
        luma: Per level of luma.
        red_cr: Red per level of Cr.
        green_cb: Green per level of Cb, subtracted.
        green_cr: Green per level of Cr, subtracted.
        blue_cb: Blue per level of Cb.
    """

    black: int
    luma: int
    red_cr: int
    green_cb: int
    green_cr: int
    blue_cb: int


def coefficients(matrix: str, full_range: bool) -> YuvCoefficients:
    """Return the integers of a matrix and range; raises ConfigError for an unknown matrix."""
    check_choice("YUV matrix", matrix, MATRICES)
    red, blue = MATRICES[matrix]
    green = 1.0 - red - blue
    luma_gain, chroma_gain, black = (1.0, 1.0, 0) if full_range else (255 / 219, 255 / 224, 16)
    return YuvCoefficients(
        black,
        _fixed(luma_gain),
        _fixed(2 * (1 - red) * chroma_gain),
        _fixed(2 * (1 - blue) * blue / green * chroma_gain),
        _fixed(2 * (1 - red) * red / green * chroma_gain),
        _fixed(2 * (1 - blue) * chroma_gain),
    )


def _check_planes(y: Array, u: Array, v: Array, down: int, across: int) -> None:
    """Raise InputError unless chroma covers luma, each sample so many rows and columns."""
    height, width = y.shape if y.ndim == 2 else (0, 0)
    chroma = (-(-height // down), -(-width // across))
    for plane, shape in ((y, (height, width)), (u, chroma), (v, chroma)):
        if plane.dtype != np.uint8 or plane.shape != shape or not plane.size:
            raise InputError("YUV plane", got=f"{plane.dtype} {list(plane.shape)}", allowed=f"uint8 {list(shape)}")


def _to_rgb(y: Array, u: Array, v: Array, fixed: YuvCoefficients, down: int, across: int, rgb: Array) -> None:
    """Write RGB, a band of rows at a time: one that stays in the cache. Chroma is multiplied before it is repeated."""
    band = max(1, _BAND // y.shape[1] // 4) * 4
    black = (1 << 15) - fixed.luma * fixed.black  # with half a level, for rounding
    for top in range(0, len(y), band):
        rows = slice(top, min(top + band, len(y)))
        bright = np.multiply(y[rows], fixed.luma, dtype=np.int32)
        cb, cr = (plane[top // down : -(-rows.stop // down)] for plane in (u, v))
        red = np.multiply(cr, fixed.red_cr, dtype=np.int32)
        red += black - 128 * fixed.red_cr
        green = np.multiply(cr, -fixed.green_cr, dtype=np.int32)
        green -= np.multiply(cb, fixed.green_cb, dtype=np.int32)
        green += black + 128 * (fixed.green_cr + fixed.green_cb)
        blue = np.multiply(cb, fixed.blue_cb, dtype=np.int32)
        blue += black - 128 * fixed.blue_cb
        for channel, part in enumerate((red, green, blue)):
            value = _repeated(part, bright.shape, down, across)
            value += bright
            value >>= 16
            np.clip(value, 0, 255, out=rgb[rows, :, channel], casting="unsafe")


def _repeated(part: Array, shape: tuple[int, ...], down: int, across: int) -> Array:
    """Each sample over the pixels that it covers, (H, W); ``part`` itself where that is one."""
    if down == across == 1:
        return part
    wide = np.empty(shape, part.dtype)
    for row in range(down):
        for column in range(across):
            place = wide[row::down, column::across]
            place[...] = part[: place.shape[0], : place.shape[1]]
    return wide


def _fixed(value: float) -> int:
    return round(value * 65536)
