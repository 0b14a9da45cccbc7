"""Image files to arrays. Orientation, alpha, grey, palettes and 16-bit files are dealt with here, once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from edgevision.errors import InputError, reason_of
from edgevision.tensors import Array

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""The formats that are opened; Pillow knows more, some of which start other programs (EPS)."""

_STEP = "give an image file: " + ", ".join(FORMATS)


def load_image(source: str | Path | bytes | BinaryIO) -> Array:
    """Read an image as uint8 RGB, shape (H, W, 3).

    EXIF orientation is applied; transparent parts show white; grey becomes three equal channels; 16-bit grey is
    cut to its high byte; of an animation the first picture is taken.

    Args:
        source: A path, the bytes of a file, or a binary file.

    Returns:
        A new array that the caller owns.

    Raises:
        InputError: There is no such file, it is not an image, or it is damaged.
    """
    name, file = _open(source)
    try:
        with Image.open(file, formats=FORMATS) as picture:
            return _to_rgb(picture, name)
    except InputError:
        raise
    except UnidentifiedImageError as exc:
        raise InputError(f"{name}: not an image that can be read", next_step=_STEP) from exc
    except Image.DecompressionBombError as exc:
        raise InputError(f"{name}: too many pixels to decode safely", next_step="reduce it first") from exc
    except Exception as exc:  # decoders raise almost anything on damaged files: OSError, SyntaxError, struct.error, …
        raise InputError(f"{name}: damaged image ({reason_of(exc)})") from exc


def _open(source: str | Path | bytes | BinaryIO) -> tuple[str, BinaryIO]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "image", io.BytesIO(source)
    if not isinstance(source, (str, Path)):
        return str(getattr(source, "name", "image")), source
    try:
        return str(source), io.BytesIO(Path(source).read_bytes())
    except FileNotFoundError as exc:
        raise InputError(f"{source}: no such file", next_step=_STEP) from exc
    except IsADirectoryError as exc:
        raise InputError(f"{source}: a directory, not an image", next_step=_STEP) from exc
    except (OSError, ValueError) as exc:
        raise InputError(f"{source}: cannot be read ({getattr(exc, 'strerror', None) or exc})") from exc


def _to_rgb(picture: Image.Image, name: str) -> Array:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode == "F":
        raise InputError(f"{name}: floating-point pixels have no known range", next_step="save it with 8 or 16 bits")
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        grey = np.clip(np.asarray(picture).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture)
    return np.array(picture.convert("RGB"))
