"""Tracks on a picture."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

from edgevision.pipeline.tracking import Tracks
from edgevision.tensors import Array


def draw_tracks(picture: Array, tracks: Tracks, labels: Sequence[str]) -> Array:
    """Return a copy of a picture, uint8 RGB (height, width, 3), with each track's box, class and number."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for box, number, kind in zip(tracks.boxes.tolist(), tracks.ids.tolist(), tracks.class_ids.tolist(), strict=True):
        color = _color(number)
        draw.rectangle([*map(round, box)], outline=color, width=2)
        name = labels[kind] if 0 <= kind < len(labels) else str(kind)
        text, place = f"{name} {number}", (round(box[0]) + 2, max(0, round(box[1]) - 12))
        draw.rectangle(draw.textbbox(place, text), fill=color)
        draw.text(place, text, fill=(0, 0, 0))
    return np.asarray(image)


def _color(number: int) -> tuple[int, int, int]:
    """A light colour for a number, far from those of its neighbours (golden ratio of the hue)."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1.0, 0.55, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
