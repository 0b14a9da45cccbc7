"""Tracks on a picture."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

import numpy as np

from edgevision.pipeline.rules import Attribute, Attributes
from edgevision.pipeline.tracking import Tracks
from edgevision.tensors import Array


def draw_tracks(picture: Array, tracks: Tracks, labels: Sequence[str], attributes: Attributes | None = None) -> Array:
    """Return a copy of a picture with each track's box, class, number, and what second stages say of it.

    Args:
        picture: uint8 RGB (height, width, 3).
        tracks: The tracks.
        labels: Names of the classes.
        attributes: What second stages say.
    """
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for box, number, kind in zip(tracks.boxes.tolist(), tracks.ids.tolist(), tracks.class_ids.tolist(), strict=True):
        color = _color(number)
        draw.rectangle([*map(round, box)], outline=color, width=2)
        name = labels[kind] if 0 <= kind < len(labels) else str(kind)
        text = " ".join([f"{name} {number}", *_known((attributes or {}).get(number, {}))])
        place = (round(box[0]) + 2, max(0, round(box[1]) - 12))
        draw.rectangle(draw.textbbox(place, text), fill=color)
        draw.text(place, text, fill=(0, 0, 0))
    return np.asarray(image)


def _known(found: Mapping[str, Attribute]) -> list[str]:
    return [f"{stage}: {one.label or 'unknown'} {one.score:.2f}" for stage, one in found.items()]


def _color(number: int) -> tuple[int, int, int]:
    """A light colour for a number, far from those of its neighbours (golden ratio of the hue)."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1.0, 0.55, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
