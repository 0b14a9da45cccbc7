"""Results drawn on images, with Pillow alone."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edgevision.preprocessing import check_image
from edgevision.tasks.classification import Prediction
from edgevision.tasks.detections import Detections
from edgevision.tasks.segmentation import Segmentation
from edgevision.tensors import Array

Color = tuple[int, int, int]
_GOLDEN = 0.6180339887498949
_OPACITY = 0.5


def color_of(index: int) -> Color:
    """Return the colour of a class: neighbours differ, and each class has always the same.

    >>> color_of(0) != color_of(1) and color_of(7) == color_of(7)
    True
    """
    red, green, blue = colorsys.hsv_to_rgb((0.08 + index * _GOLDEN) % 1.0, 0.85, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_detections(
    image: Array,
    found: Detections,
    labels: Sequence[str] | None = None,
    *,
    texts: Sequence[str] | None = None,
    colors: Sequence[Color] | None = None,
) -> Array:
    """Return a copy of an image with boxes, labels, scores and landmarks on it.

    Args:
        image: uint8 RGB HWC.
        found: What to draw, in its pixels.
        labels: Names of the classes.
        texts: What to write at each box instead of label and score: names, track numbers.
        colors: Colour of each box, instead of that of its class.

    Raises:
        InputError: ``image`` is not such an array.
    """
    canvas, pen, font, width = _canvas(image)
    for place in reversed(range(len(found))):  # the best on top
        box = found.boxes[place].tolist()
        color = color_of(int(found.classes[place])) if colors is None else colors[place]
        pen.rectangle(box, outline=color, width=width)
        if found.keypoints is not None:
            for x, y in found.keypoints[place].tolist():
                pen.ellipse([x - width, y - width, x + width, y + width], fill=color)
        text = texts[place] if texts is not None else _caption(found, place, labels)
        _write(pen, font, text, (box[0], box[1]), color, canvas.size)
    return np.asarray(canvas)


def draw_segmentation(image: Array, found: Segmentation, labels: Sequence[str] | None = None) -> Array:
    """Return a copy of an image tinted by class, class 0 left as it is, with a legend of what occurs.

    Raises:
        InputError: ``image`` is not uint8 RGB HWC.
    """
    check_image(image)
    shares = [index for index in found.shares() if index]
    tinted = image.astype(np.float32)
    for index in shares:
        where = found.classes == index
        tinted[where] += _OPACITY * (np.array(color_of(index), np.float32) - tinted[where])
    canvas, pen, font, width = _canvas(tinted.round().astype(np.uint8))
    top = float(width)
    for index in shares:
        text = labels[index] if labels is not None and index < len(labels) else f"class {index}"
        top = _write(pen, font, text, (width, top), color_of(index), canvas.size, below=True)
    return np.asarray(canvas)


def draw_classes(image: Array, found: Sequence[Prediction]) -> Array:
    """Return a copy of an image with its classes and scores in the corner; raises InputError as `draw_detections`."""
    canvas, pen, font, width = _canvas(image)
    top = float(width)
    for one in found:
        text = f"{one.label if one.label is not None else f'class {one.index}'} {one.score:.2f}"
        top = _write(pen, font, text, (width, top), color_of(one.index), canvas.size, below=True)
    return np.asarray(canvas)


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _canvas(image: Array) -> tuple[Image.Image, ImageDraw.ImageDraw, Font, int]:
    """A copy to draw on, and lines and letters that fit its size."""
    check_image(image)
    canvas = Image.fromarray(np.ascontiguousarray(image)).copy()
    side = min(canvas.size)
    return canvas, ImageDraw.Draw(canvas), ImageFont.load_default(max(10, round(side / 32))), max(1, round(side / 240))


def _caption(found: Detections, place: int, labels: Sequence[str] | None) -> str:
    index = int(found.classes[place])
    name = labels[index] if labels is not None and index < len(labels) else f"class {index}"
    return f"{name} {found.scores[place]:.2f}"


def _write(
    pen: ImageDraw.ImageDraw, font: Font, text: str, corner: tuple[float, float], color: Color, size: tuple[int, int],
    *, below: bool = False,
) -> float:  # fmt: skip
    """Write on a plate above a corner (below it where there is no room), inside the image; return its lower edge."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 4, bottom - top + 4
    x = min(max(corner[0], 0), max(size[0] - width, 0))
    y = corner[1] if below or corner[1] < height else corner[1] - height
    pen.rectangle([x, y, x + width, y + height], fill=color)
    dark = sum(part * weight for part, weight in zip(color, (299, 587, 114), strict=True)) < 140000
    pen.text((x + 2 - left, y + 2 - top), text, font=font, fill=(255, 255, 255) if dark else (0, 0, 0))
    return y + height
