"""Object detection: a model's stored outputs to boxes in the source image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgevision.errors import InferenceError
from edgevision.resize import Geometry
from edgevision.tasks.boxes import box_area, nms
from edgevision.tasks.decoders.base import Decoder
from edgevision.tasks.detections import Detections
from edgevision.tasks.outputs import outputs_of
from edgevision.tensors import Array, TensorSpec

_NUMBERS = "run it in float32, or verify the artifact on this runtime: edgevision verify"


def detect(stored: Sequence[Array], specs: Sequence[TensorSpec], decoder: Decoder, geometry: Geometry) -> Detections:
    """Decode, suppress, and map back to the source image.

    Args:
        stored: The model's outputs for one image, as they are stored.
        specs: Their specifications.
        decoder: What they mean; see `edgevision.tasks.decoders.read_decoding`.
        geometry: Where the model's pixels lie in the source image, from `Preprocessing.bind`.

    Returns:
        The objects, best first; boxes are clipped to the source image, and those wholly outside are left out.

    Raises:
        InferenceError: The outputs are not those of such a model, or are NaN or infinite.
    """
    found = decoder.decode(outputs_of(stored, specs), geometry.target, decoder.score_threshold)
    if not np.isfinite(found.boxes).all():
        raise InferenceError("detection: a box without a place", got="NaN or infinity", next_step=_NUMBERS)
    classes = None if decoder.class_agnostic else found.classes
    order = nms(
        found.boxes, found.scores, decoder.iou_threshold, classes=classes, max_detections=decoder.max_detections
    )
    points = None if found.keypoints is None else geometry.points_to_source(found.keypoints[order])
    boxes = geometry.to_source(found.boxes[order])
    detections = Detections(boxes, found.scores[order], found.classes[order], points)
    inside = box_area(detections.boxes) > 0
    return detections if inside.all() else detections.take(inside)


def with_thresholds(
    decoder: Decoder, *, score_threshold: float | None = None, max_detections: int | None = None
) -> Decoder:
    """Return a decoder with other thresholds; None leaves one as it is; raises ConfigError."""
    given: dict[str, Any] = {"score_threshold": score_threshold, "max_detections": max_detections}
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(decoder, **changes) if changes else decoder
