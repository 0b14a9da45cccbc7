"""Camera frames as they lie in memory: their pixel formats, their planes with strides, to RGB and back.

* ``gray8``: one byte a pixel (V4L2 ``GREY``); red, green and blue are that byte.
* ``rgb565``: two bytes a pixel, the lower first (V4L2 ``RGBP``): red in bits 11 to 15, green in 5 to 10, blue below.
  A channel's upper bits are repeated below them: ``(r << 3) | (r >> 2)``, ``(g << 2) | (g >> 4)``.
* ``rgb888``: three bytes a pixel: red, green, blue (V4L2 ``RGB3``).
* ``yuyv``: four bytes for two pixels: Y0 Cb Y1 Cr (V4L2 ``YUYV``); the width is even.
* ``nv12``: a plane of luma, then one of Cb and Cr in turn, ⌈height/2⌉ rows of ⌈width/2⌉ pairs (V4L2 ``NV12``).
* ``bgr888``: three bytes a pixel: blue, green, red (V4L2 ``BGR3``).
* ``i420``: planes of luma, Cb and Cr, chroma of ⌈height/2⌉ rows of ⌈width/2⌉ (V4L2 ``YU12``).
* ``i422``: the same with chroma of height rows of ⌈width/2⌉ (``422P``); ``i444``: with chroma of the size of luma.

YUV becomes RGB as `edgevision.yuv` defines it. This is what the code that `edgevision.converters.firmware` and
`edgevision.converters.linux` write computes, bit for bit, of all but the last two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgevision.errors import ConfigError, InputError, check_choice
from edgevision.preprocessing import check_image, recolor
from edgevision.tensors import Array
from edgevision.yuv import rgb_to_yuv444, yuv_to_rgb

FRAME_FORMATS = ("gray8", "rgb565", "rgb888", "yuyv", "nv12", "bgr888", "i420")
"""What generated code takes too."""
FORMATS = (*FRAME_FORMATS, "i422", "i444")
MAX_SIDE = 65535

_PIXEL_BYTES = {"gray8": 1, "rgb565": 2, "rgb888": 3, "yuyv": 2, "bgr888": 3}
_CHROMA = {"yuyv": (1, 2), "nv12": (2, 2), "i420": (2, 2), "i422": (1, 2), "i444": (1, 1)}
"""Rows and columns of luma that a sample of chroma covers."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a camera.

    Attributes:
        format: One of `FORMATS`.
        width: Pixels of a row, 1 to 65535.
        height: Rows, 1 to 65535.
        planes: The bytes of each plane, uint8 (bytes,): two for ``nv12``, three for ``i420``, ``i422`` and ``i444``,
            else one.
        strides: Bytes from one row of a plane to the next, for each plane.
        matrix: ``bt601`` or ``bt709`` for YUV, as the camera states it; not read for the others.
        full_range: Whether luma covers 0 to 255, likewise.
    """

    format: str
    width: int
    height: int
    planes: tuple[Array, ...]
    strides: tuple[int, ...]
    matrix: str | None = None
    full_range: bool | None = None

    def __post_init__(self) -> None:
        check_choice("frame: format", self.format, FORMATS)
        if not (1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE):
            raise InputError("frame: size", got=f"{self.width}x{self.height}", allowed=f"1 to {MAX_SIDE} each")
        if self.format == "yuyv" and self.width % 2:
            raise InputError("frame: a YUYV frame has pairs of pixels", got=f"width {self.width}", allowed="even")
        if is_yuv(self.format) and (self.matrix is None or self.full_range is None):
            raise ConfigError(f"frame: {self.format} without matrix and range", next_step="ask the camera for them")
        shapes = plane_shapes(self.format, self.width, self.height)
        if len(self.planes) != len(shapes) or len(self.strides) != len(shapes):
            got = f"{len(self.planes)} planes, {len(self.strides)} strides"
            raise InputError(f"frame: planes of {self.format}", got=got, allowed=f"{len(shapes)}")
        for plane, stride, (rows, row_bytes) in zip(self.planes, self.strides, shapes, strict=True):
            _check_plane(plane, stride, rows, row_bytes)

    def to_rgb(self) -> Array:
        """Return the picture, uint8 RGB (height, width, 3), in an array of the caller's own."""
        if is_yuv(self.format):
            assert self.matrix is not None and self.full_range is not None  # __post_init__ saw to it
            y, u, v = self.yuv()
            down, across = _CHROMA[self.format]
            return yuv_to_rgb(y, u, v, matrix=self.matrix, full_range=self.full_range, down=down, across=across)
        (rows,) = self._planes()
        if self.format == "gray8":
            return np.repeat(rows[..., None], 3, axis=2)
        if self.format == "rgb565":
            return _rgb565_to_rgb(rows)
        pixels = rows.reshape(self.height, self.width, 3)
        return pixels.copy() if self.format == "rgb888" else np.ascontiguousarray(pixels[..., ::-1])

    def yuv(self) -> tuple[Array, Array, Array]:
        """Return luma (height, width), Cb and Cr as they lie in memory: views, uint8, chroma of its own size.

        Raises:
            InputError: The frame is not YUV.
        """
        if not is_yuv(self.format):
            raise InputError("frame: planes of luma and chroma", got=self.format, allowed=list(_CHROMA))
        first, *rest = self._planes()
        if self.format == "yuyv":
            return first[:, 0::2], first[:, 1::4], first[:, 3::4]
        return (first, rest[0][:, 0::2], rest[0][:, 1::2]) if self.format == "nv12" else (first, rest[0], rest[1])

    def luma(self) -> Array:
        """Return the brightness as the frame has it, uint8 (height, width): Y, grey, or the green channel.

        Not for models; a quick look that copies nothing where the frame is YUV or grey.
        """
        if is_yuv(self.format):
            return self.yuv()[0]
        rows = self._planes()[0]
        if self.format == "rgb565":
            return self.to_rgb()[..., 1]
        return rows if self.format == "gray8" else rows[:, 1::3]

    def _planes(self) -> list[Array]:
        """Each plane as its rows without what lies between them, (rows, bytes): views."""
        shapes = plane_shapes(self.format, self.width, self.height)
        return [
            _rows(plane, stride, *shape) for plane, stride, shape in zip(self.planes, self.strides, shapes, strict=True)
        ]


def is_yuv(format_: str) -> bool:
    """Whether a format has luma and chroma, whose meaning the camera has to state."""
    return format_ in _CHROMA


def chroma_of(format_: str) -> tuple[int, int]:
    """Return how many rows and columns of luma a sample of chroma covers, of a format that has some."""
    return _CHROMA[format_]


def plane_shapes(format_: str, width: int, height: int) -> tuple[tuple[int, int], ...]:
    """Return rows and bytes of a row for each plane of a frame."""
    if format_ in _PIXEL_BYTES:
        return ((height, _PIXEL_BYTES[format_] * width),)
    down, across = _CHROMA[format_]
    rows, columns = -(-height // down), -(-width // across)
    chroma = ((rows, 2 * columns),) if format_ == "nv12" else ((rows, columns),) * 2
    return ((height, width), *chroma)


def encode_frame(
    image: Array, format_: str, *, matrix: str = "bt601", full_range: bool = True, padding: int = 0
) -> Frame:
    """Return the frame that a camera of this format would have given for an image.

    Args:
        image: uint8 RGB (height, width, 3); the width is even for ``yuyv``.
        format_: One of `FORMATS`. ``gray8`` is the luma of `Preprocessing`'s GRAY.
        matrix: ``bt601`` or ``bt709``, for YUV.
        full_range: Whether luma covers 0 to 255, for YUV.
        padding: Bytes of 0xA5 behind each row but the last.

    Raises:
        ConfigError: An unknown format or matrix.
        InputError: Not such an image.
    """
    check_choice("frame: format", format_, FORMATS)
    check_image(image)
    height, width = image.shape[:2]
    planes = _encode(image, format_, matrix, full_range)
    padded = [np.pad(plane, ((0, 0), (0, padding)), constant_values=0xA5) for plane in planes]
    flat = tuple(plane.reshape(-1)[: plane.size - padding] for plane in padded)
    strides = tuple(plane.shape[1] for plane in padded)
    yuv = is_yuv(format_)
    return Frame(format_, width, height, flat, strides, matrix if yuv else None, full_range if yuv else None)


def _encode(image: Array, format_: str, matrix: str, full_range: bool) -> list[Array]:
    height, width = image.shape[:2]
    if format_ in ("rgb888", "bgr888"):
        return [(image if format_ == "rgb888" else image[..., ::-1]).reshape(height, -1)]
    if format_ == "gray8":
        return [recolor(image, "GRAY")[..., 0]]
    if format_ == "rgb565":
        red, green, blue = np.moveaxis(image.astype(np.uint16), -1, 0)
        words = (red >> 3 << 11) | (green >> 2 << 5) | (blue >> 3)
        return [words.astype("<u2").view(np.uint8)]
    y, u, v = rgb_to_yuv444(image, matrix=matrix, full_range=full_range)
    down, across = _CHROMA[format_]
    if format_ == "nv12":
        return [y, np.stack([u[::2, ::2], v[::2, ::2]], axis=-1).reshape((height + 1) // 2, -1)]
    if format_ != "yuyv":
        return [y, u[::down, ::across], v[::down, ::across]]
    if width % 2:
        raise InputError("frame: a YUYV frame has pairs of pixels", got=f"width {width}", allowed="even")
    chroma = np.stack([u[:, ::2], v[:, ::2]], axis=-1).reshape(height, width)
    return [np.stack([y, chroma], axis=-1).reshape(height, -1)]


def _check_plane(plane: Array, stride: int, rows: int, row_bytes: int) -> None:
    if not isinstance(plane, np.ndarray) or plane.dtype != np.uint8 or plane.ndim != 1:
        raise InputError("frame: a plane is a uint8 array (bytes,)", got=getattr(plane, "dtype", type(plane).__name__))
    if stride < row_bytes:
        raise InputError("frame: stride", got=stride, allowed=f"at least the {row_bytes} bytes of a row")
    needed = (rows - 1) * stride + row_bytes
    if plane.size < needed:
        raise InputError("frame: a plane that is too short", got=f"{plane.size} bytes", allowed=f"at least {needed}")


def _rows(plane: Array, stride: int, rows: int, row_bytes: int) -> Array:
    """The rows of a plane without what lies between them: a view (rows, row_bytes)."""
    view: Array = np.lib.stride_tricks.as_strided(plane, (rows, row_bytes), (stride * plane.strides[0], *plane.strides))
    return view


def _rgb565_to_rgb(rows: Array) -> Array:
    words = rows[:, 0::2].astype(np.uint16) | (rows[:, 1::2].astype(np.uint16) << 8)
    red, green, blue = words >> 11, (words >> 5) & 63, words & 31
    channels = [(red << 3) | (red >> 2), (green << 2) | (green >> 4), (blue << 3) | (blue >> 2)]
    rgb: Array = np.stack(channels, axis=-1).astype(np.uint8)
    return rgb
