"""Tracks on a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgevision.pipeline.rules import Attribute, Attributes
from edgevision.pipeline.tracking import Tracks
from edgevision.tasks.detections import Detections
from edgevision.tasks.drawing import color_of, draw_detections
from edgevision.tensors import Array


def draw_tracks(picture: Array, tracks: Tracks, labels: Sequence[str], attributes: Attributes | None = None) -> Array:
    """Return a copy of a picture with each track's box, class, number, and what second stages say of it.

    Each track has a colour of its own, whatever its class.

    Args:
        picture: uint8 RGB (height, width, 3).
        tracks: The tracks.
        labels: Names of the classes.
        attributes: What second stages say.
    """
    texts = [
        " ".join([_text(number, kind, labels), *_known((attributes or {}).get(number, {}))])
        for number, kind in zip(tracks.ids.tolist(), tracks.class_ids.tolist(), strict=True)
    ]
    found = Detections(tracks.boxes, tracks.scores, tracks.class_ids)
    return draw_detections(picture, found, texts=texts, colors=[color_of(number) for number in tracks.ids.tolist()])


def _text(number: int, kind: int, labels: Sequence[str]) -> str:
    return f"{labels[kind] if 0 <= kind < len(labels) else f'class {kind}'} {number}"


def _known(found: Mapping[str, Attribute]) -> list[str]:
    return [f"{stage}: {one.label or 'unknown'} {one.score:.2f}" for stage, one in found.items()]
