"""From an image of any size to the pixels that a model sees, and the way back for what the model finds.

Filters, each defined to the last bit:

* ``bilinear``: Pillow's ``BILINEAR`` (a triangle as wide as the reduction, so antialiased; 8-bit between passes).
* ``area``: Pillow's ``BOX`` (the mean of the covered pixels).
* ``nearest``: source index ``(2i + 1) · n_in // (2 · n_out)``.
* ``linear_fixed``: two taps, integers only, no antialiasing: what firmware computes. For output index ``i`` along
  an axis of ``n_in`` source pixels, the position in 1/256 pixels, from half-pixel centres, is
  ``p = clip((256 · ((2i + 1) · n_in - n_out) + n_out) // (2 · n_out), 0, 256 · (n_in - 1))``
  (floor division); its taps are ``p >> 8`` and the next index (the last one repeats), the weight of the second
  is ``f = p & 255``. With taps ``a b`` above ``c d`` the result is
  ``((a · (256 - fx) + b · fx) · (256 - fy) + (c · (256 - fx) + d · fx) · fy + 32768) >> 16``.
  32 bits are enough up to 65535 pixels where the position is stepped from one index to the next with its remainder.

Sizes that keep proportions (`scaled`) are integers too, so that firmware crops and pads where this module does.
An image that already has the size is returned as it is, whatever the filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from edgevision.tensors import Array

RESIZES = ("stretch", "letterbox", "letterbox_top_left", "center_crop")
FILTERS = ("bilinear", "area", "linear_fixed", "nearest")

_PILLOW = {"bilinear": Image.Resampling.BILINEAR, "area": Image.Resampling.BOX}


@dataclass(frozen=True)
class Geometry:
    """Where the pixels that a model saw lie in the source image: ``target = source · scale + offset``.

    Coordinates are continuous, in pixels, from the outer corner of the top left pixel; pairs are (y, x).

    Attributes:
        source: Height and width of the source image.
        target: Height and width of the model's image.
        scale: Target pixels per source pixel.
        offset: Where the source image's corner lies in the target; negative when it was cropped.
    """

    source: tuple[int, int]
    target: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]

    def to_source(self, boxes: Array) -> Array:
        """Map boxes (N, 4) of x1, y1, x2, y2 from target to source pixels, clipped to the image; float64."""
        scale, offset = np.array(self.scale[::-1] * 2), np.array(self.offset[::-1] * 2)
        limit = np.array(self.source[::-1] * 2, dtype=np.float64)
        mapped: Array = np.clip((np.asarray(boxes, dtype=np.float64) - offset) / scale, 0.0, limit)
        return mapped

    def points_to_source(self, points: Array) -> Array:
        """Map points (…, 2) of x, y from target to source pixels, not clipped; float64."""
        mapped: Array = (np.asarray(points, dtype=np.float64) - self.offset[::-1]) / self.scale[::-1]
        return mapped

    def to_target(self, boxes: Array) -> Array:
        """Map boxes (N, 4) of x1, y1, x2, y2 from source to target pixels, not clipped; float64."""
        scale, offset = np.array(self.scale[::-1] * 2), np.array(self.offset[::-1] * 2)
        mapped: Array = np.asarray(boxes, dtype=np.float64) * scale + offset
        return mapped


@dataclass(frozen=True)
class Placement:
    """What `fit` does with an image of one size, before any pixel is touched; pairs are (y, x), pixels.

    Attributes:
        corner: Upper left corner of the part of the source image that is used.
        part: Height and width of that part.
        size: What the part is resampled to.
        at: Where its upper left corner lies in the target.
        geometry: Where the target's pixels lie in the source image.
    """

    corner: tuple[int, int]
    part: tuple[int, int]
    size: tuple[int, int]
    at: tuple[int, int]
    geometry: Geometry

    @property
    def fills(self) -> bool:
        """Whether the part covers the whole target, so that nothing is padded."""
        return self.size == self.geometry.target


def placed(source: tuple[int, int], target: tuple[int, int], how: str) -> Placement:
    """Return what is done with an image of a size to bring it to another one.

    Args:
        source: Height and width of the image.
        target: Wanted height and width.
        how: One of `RESIZES`, as in `fit`.
    """
    if source == target:
        return Placement((0, 0), source, target, (0, 0), Geometry(source, target, (1.0, 1.0), (0.0, 0.0)))
    if how.startswith("letterbox"):
        return _letterbox(source, target, centred=how == "letterbox")
    if how == "center_crop":
        return _center_crop(source, target)
    scale = (target[0] / source[0], target[1] / source[1])
    return Placement((0, 0), source, target, (0, 0), Geometry(source, target, scale, (0.0, 0.0)))


def fit(image: Array, height: int, width: int, how: str, filter_: str, pad_value: int = 0) -> tuple[Array, Geometry]:
    """Bring an image to a size.

    Args:
        image: uint8 HWC.
        height: Wanted height.
        width: Wanted width.
        how: ``stretch`` (each axis by itself), ``letterbox`` (the whole image, its proportions kept, centred on
            ``pad_value``), ``letterbox_top_left`` (the same in the upper left corner) or ``center_crop`` (the largest
            centred part with the wanted proportions).
        filter_: One of ``FILTERS``.
        pad_value: Grey level around a letterboxed image, 0 to 255.

    Returns:
        The pixels, uint8 (height, width, C), and the geometry. The pixels are ``image`` itself when it had the size.
    """
    plan = placed((image.shape[0], image.shape[1]), (height, width), how)
    (top, left), (rows, columns) = plan.corner, plan.part
    pixels = resample(image[top : top + rows, left : left + columns], *plan.size, filter_)
    if plan.fills:
        return (image if plan.geometry.source == plan.geometry.target else pixels), plan.geometry
    canvas = np.full((height, width, image.shape[2]), pad_value, dtype=np.uint8)
    canvas[plan.at[0] : plan.at[0] + plan.size[0], plan.at[1] : plan.at[1] + plan.size[1]] = pixels
    return canvas, plan.geometry


def _letterbox(source: tuple[int, int], target: tuple[int, int], *, centred: bool) -> Placement:
    if target[0] * source[1] <= target[1] * source[0]:
        height, width = target[0], max(1, scaled(source[1], target[0], source[0]))
    else:
        height, width = max(1, scaled(source[0], target[1], source[1])), target[1]
    top, left = ((target[0] - height) // 2, (target[1] - width) // 2) if centred else (0, 0)
    scale = (height / source[0], width / source[1])
    geometry = Geometry(source, target, scale, (float(top), float(left)))
    return Placement((0, 0), source, (height, width), (top, left), geometry)


def _center_crop(source: tuple[int, int], target: tuple[int, int]) -> Placement:
    if target[0] * source[1] >= target[1] * source[0]:
        height, width = source[0], max(1, scaled(target[1], source[0], target[0]))
    else:
        height, width = max(1, scaled(target[0], source[1], target[1])), source[1]
    top, left = (source[0] - height) // 2, (source[1] - width) // 2
    scale = (target[0] / height, target[1] / width)
    geometry = Geometry(source, target, scale, (-top * scale[0], -left * scale[1]))
    return Placement((top, left), (height, width), target, (0, 0), geometry)


def scaled(length: int, to: int, of: int) -> int:
    """Return ``length · to / of`` to the nearest integer, of two equally near ones the even one; exact."""
    whole, rest = divmod(length * to, of)
    return whole + (2 * rest > of or (2 * rest == of and whole % 2 == 1))


def resample(image: Array, height: int, width: int, filter_: str) -> Array:
    """Resample a uint8 image (H, W, C), or one plane of it (H, W); the same array when it has that size already."""
    if image.shape[:2] == (height, width):
        return image
    if filter_ == "linear_fixed":
        return _linear_fixed(image, height, width)
    if filter_ == "nearest":
        rows, columns = (_nearest_index(n, m) for n, m in ((image.shape[0], height), (image.shape[1], width)))
        return np.ascontiguousarray(image[rows[:, None], columns])
    resized = Image.fromarray(np.ascontiguousarray(image)).resize((width, height), _PILLOW[filter_])
    return np.asarray(resized)


def _nearest_index(n_in: int, n_out: int) -> Array:
    return (2 * np.arange(n_out, dtype=np.int64) + 1) * n_in // (2 * n_out)


@lru_cache(maxsize=64)  # frames of a camera have one size, and these take a third of the time of a plane
def _taps(n_in: int, n_out: int) -> tuple[Array, Array, Array]:
    centres = (2 * np.arange(n_out, dtype=np.int64) + 1) * n_in - n_out
    position = np.clip((256 * centres + n_out) // (2 * n_out), 0, 256 * (n_in - 1))
    first = position >> 8
    return first, np.minimum(first + 1, n_in - 1), (position & 255).astype(np.uint32)


def _linear_fixed(image: Array, height: int, width: int) -> Array:
    """Down first, then across: nothing is rounded in between, so the order does not matter, and 16 bits hold it."""
    upper, lower, fy = _taps(image.shape[0], height)
    left, right, fx = _taps(image.shape[1], width)
    rows, down = image.reshape(image.shape[0], -1), fy.astype(np.uint16)[:, None]
    tall = rows[upper] * (256 - down)
    tall += rows[lower] * down
    columns = tall if image.ndim == 2 else _pixels(tall.reshape(height, image.shape[1], -1))
    across = fx if image.ndim == 2 else np.repeat(fx, columns.shape[2])
    total = _columns(columns, left).reshape(height, -1) * (256 - across)
    total += _columns(columns, right).reshape(height, -1) * across
    total += 32768
    total >>= 16
    if image.ndim == 3:
        total = total.reshape(height, width, -1)[..., : image.shape[2]]
    result: Array = total.astype(np.uint8)
    return result


def _pixels(values: Array) -> Array:
    """Return uint16 (H, W, C) with three channels filled up to four: a pixel is then one word of 64 bits."""
    if values.shape[2] != 3:
        return values
    filled = np.zeros((*values.shape[:2], 4), np.uint16)
    filled[..., :3] = values
    return filled


def _columns(pixels: Array, index: Array) -> Array:
    """Return columns of uint16 (H, W[, C]), by words of 64 bits where a pixel is one: that is several times faster."""
    if pixels.ndim == 2 or pixels.shape[2] != 4:
        return pixels.take(index, axis=1)
    return pixels.view(np.uint64)[..., 0].take(index, axis=1).view(np.uint16).reshape(len(pixels), len(index), 4)
