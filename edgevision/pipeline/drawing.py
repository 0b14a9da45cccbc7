"""Tracks on a picture."""

from __future__ import annotations

from collections.abc import Sequence

from edgevision.pipeline.tracking import Tracks
from edgevision.tasks.detections import Detections
from edgevision.tasks.drawing import color_of, draw_detections
from edgevision.tensors import Array


def draw_tracks(picture: Array, tracks: Tracks, labels: Sequence[str]) -> Array:
    """Return a copy of a picture, uint8 RGB (height, width, 3), with each track's box, class and number.

    Each track has a colour of its own, whatever its class.
    """
    texts = [
        _text(number, kind, labels) for number, kind in zip(tracks.ids.tolist(), tracks.class_ids.tolist(), strict=True)
    ]
    found = Detections(tracks.boxes, tracks.scores, tracks.class_ids)
    return draw_detections(picture, found, texts=texts, colors=[color_of(number) for number in tracks.ids.tolist()])


def _text(number: int, kind: int, labels: Sequence[str]) -> str:
    return f"{labels[kind] if 0 <= kind < len(labels) else f'class {kind}'} {number}"
