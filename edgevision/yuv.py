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

_BAND = 64
"""Rows at a time, an even number."""
MATRICES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
"""Name -> luma weights of red and blue."""


def yuv444_to_rgb(y: Array, u: Array, v: Array, *, matrix: str, full_range: bool) -> Array:
    """Convert three uint8 planes (H, W) to uint8 RGB (H, W, 3).

    Args:
        y: Luma.
        u: Blue difference (Cb), 128 for none.
        v: Red difference (Cr), 128 for none.
        matrix: ``bt601`` or ``bt709``.
        full_range: Whether luma covers 0 to 255 (JPEG, most USB cameras), else 16 to 235.

    Raises:
        InputError: The planes are not uint8, or differ in shape.
        ConfigError: An unknown matrix.
    """
    for plane in (y, u, v):
        if plane.dtype != np.uint8 or plane.ndim != 2 or plane.shape != y.shape:
            raise InputError("YUV plane", got=f"{plane.dtype} {list(plane.shape)}", allowed=f"uint8 {list(y.shape)}")
    return _to_rgb(y, u, v, matrix, full_range, 1, 1)


def nv12_to_rgb(y: Array, uv: Array, *, matrix: str, full_range: bool) -> Array:
    """Convert NV12, luma (H, W) and chroma (⌈H/2⌉, ⌈W/2⌉, 2) as Cb, Cr, to uint8 RGB (H, W, 3)."""
    if uv.ndim != 3 or uv.shape[2] != 2:
        raise InputError("NV12 chroma", got=list(uv.shape), allowed="[H/2, W/2, 2]")
    return i420_to_rgb(y, uv[..., 0], uv[..., 1], matrix=matrix, full_range=full_range)


def i420_to_rgb(y: Array, u: Array, v: Array, *, matrix: str, full_range: bool) -> Array:
    """Convert I420, luma (H, W), Cb and Cr (⌈H/2⌉, ⌈W/2⌉), to uint8 RGB (H, W, 3)."""
    _check_planes(y, u, v, 2, 2)
    return _to_rgb(y, u, v, matrix, full_range, 2, 2)


def yuyv_to_rgb(packed: Array, *, matrix: str, full_range: bool) -> Array:
    """Convert YUYV (YUY2), uint8 (H, W, 2) with W even, bytes Y0 Cb Y1 Cr, to uint8 RGB (H, W, 3)."""
    if packed.dtype != np.uint8 or packed.ndim != 3 or packed.shape[2] != 2 or packed.shape[1] % 2:
        raise InputError("YUYV frame", got=f"{packed.dtype} {list(packed.shape)}", allowed="uint8 [H, even W, 2]")
    return _to_rgb(packed[..., 0], packed[:, 0::2, 1], packed[:, 1::2, 1], matrix, full_range, 1, 2)


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


def _to_rgb(y: Array, u: Array, v: Array, matrix: str, full_range: bool, down: int, across: int) -> Array:
    """Convert planes of which each chroma sample covers so many rows and columns, a band of rows at a time.

    Products come from tables, those of chroma before its samples are repeated, and a band stays in the cache.
    """
    fixed = coefficients(matrix, full_range)
    levels = np.arange(256, dtype=np.int32)
    luma, chroma = fixed.luma * (levels - fixed.black) + (1 << 15), levels - 128
    height, width = y.shape
    rgb = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _BAND):
        rows = slice(top, min(top + _BAND, height))
        cb, cr = (plane[rows.start // down : -(-rows.stop // down)] for plane in (u, v))
        bright = luma[y[rows]]
        parts = (
            (fixed.red_cr * chroma)[cr],
            (-fixed.green_cr * chroma)[cr] + (-fixed.green_cb * chroma)[cb],
            (fixed.blue_cb * chroma)[cb],
        )
        for channel, part in enumerate(parts):
            wide = part if across == 1 else np.repeat(part, across, axis=1)[:, :width]
            value = bright + (wide if down == 1 else np.repeat(wide, down, axis=0)[: len(bright)])
            value >>= 16
            rgb[rows, :, channel] = np.clip(value, 0, 255, out=value)
    return rgb


def _fixed(value: float) -> int:
    return round(value * 65536)
