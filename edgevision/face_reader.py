"""Faces in images and what they look like to an embedding model: found, brought upright, and made vectors."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from edgevision.binding import BoundPreprocessing
from edgevision.detector import Detector
from edgevision.embedder import Embedder
from edgevision.errors import ConfigError, IncompatibleModelError, InputError
from edgevision.image_batches import ImageBatches
from edgevision.runtimes.base import CompiledModel
from edgevision.tasks.alignment import TEMPLATES, align_face
from edgevision.tasks.detection import detect
from edgevision.tasks.embedding import VectorSource, embedding
from edgevision.tensors import Array

MARGIN = 0.1
"""Of a face without landmarks so much more is cut out on each side, as a share of the box's longer side."""


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """One face, cut out.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the image, float32 (4,).
        score: How sure the detector is, 0 to 1; 1 where there is none.
        pixels: The face as the embedding model gets it, uint8 RGB HWC.
    """

    box: Array
    score: float
    pixels: Array

    @property
    def side(self) -> float:
        """Shorter side of the box, pixels."""
        return float(min(self.box[2] - self.box[0], self.box[3] - self.box[1]))


class FaceReader:
    """Finds faces with a detector, and makes vectors of them; a context manager.

    Without a detector an image is one face, or whatever else the model tells apart.

    Attributes:
        source: What the vectors are made by, for a `edgevision.tasks.embedding.Gallery`.
    """

    def __init__(
        self, embedder: Embedder, detector: Detector | None = None, batches: ImageBatches | None = None
    ) -> None:
        """Put it together of what is loaded; all of it is closed with this.

        Args:
            embedder: Makes vectors.
            detector: Finds faces.
            batches: The embedder, for several images at a time; None for one by one.

        Raises:
            IncompatibleModelError: The detector finds more than faces.
        """
        if detector is not None and (labels := detector.artifact.manifest.labels) is not None and len(labels) != 1:
            raise IncompatibleModelError(
                f"{detector.artifact.path}: not a detector of faces alone", got=f"{len(labels)} classes",
                next_step="adopt one with --decoder yunet, blazeface or ultraface",
            )  # fmt: skip
        self._embedder, self._detector = embedder, detector
        self._bound = None if detector is None else _unstretched(detector)
        self._batches = batches or ImageBatches(embedder, 1)
        manifest = embedder.artifact.manifest
        assert manifest.preprocessing is not None  # ImageModel saw to it
        self._size = max(manifest.preprocessing.height, manifest.preprocessing.width)
        points = getattr(detector.decoder, "keypoints", 0) if detector is not None else 0
        self._aligned = points in TEMPLATES
        crop = "whole" if detector is None else "landmarks" if self._aligned else "box"
        self.source = VectorSource(manifest.name, embedder.artifact.sha256, manifest.preprocessing.hash, crop)

    def find(self, image: Array) -> list[FaceCrop]:
        """Return the faces in an image, uint8 RGB HWC, best first; one whose landmarks are in no place is none."""
        if self._detector is None or self._bound is None:
            height, width = image.shape[:2]
            return [FaceCrop(np.array([0, 0, width, height], np.float32), 1.0, image)]
        detector, (tensor, geometry) = self._detector, self._bound(image)
        found = detect(detector.model.infer((tensor,)), detector.model.outputs, detector.decoder, geometry)
        crops = []
        for place, (box, score) in enumerate(zip(found.boxes, found.scores.tolist(), strict=True)):
            if self._aligned and found.keypoints is not None:
                with suppress(InputError):
                    crops.append(FaceCrop(box, score, align_face(image, found.keypoints[place], self._size)))
            else:
                crops.append(FaceCrop(box, score, square(image, box)))
        return crops

    def vectors(self, faces: Sequence[Array]) -> Array:
        """Return the unit vectors (N, D), float32, of faces as `find` cuts them out."""
        if not faces:
            raise ConfigError("vectors: no faces", allowed="one or more")
        output = self._embedder.model.outputs[0]
        return np.stack([embedding(stored, output) for stored in self._batches(faces)])

    @property
    def models(self) -> tuple[CompiledModel, ...]:
        """What was loaded."""
        return (*self._batches.models, *(() if self._detector is None else (self._detector.model,)))

    def close(self) -> None:
        """Let go of the models."""
        for model in self.models:
            model.close()

    def __enter__(self) -> FaceReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _unstretched(detector: Detector) -> BoundPreprocessing:
    """What makes a detector's input of an image, with black at its right or below, so that faces keep their shape.

    The crop of a person is three times as high as wide, and some detectors stretch what they get.
    """
    preprocessing = detector.artifact.manifest.preprocessing
    assert preprocessing is not None  # ImageModel saw to it
    if preprocessing.resize == "stretch":
        preprocessing = replace(preprocessing, resize="letterbox_top_left", pad_value=0)
    return preprocessing.bind(detector.model.inputs[0])


def square(image: Array, box: Array) -> Array:
    """Return the square around a box with a margin, uint8 RGB, moved or cut off where the image ends."""
    height, width = image.shape[:2]
    side = min(max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * MARGIN), height, width)
    side = max(1, round(float(side)))
    left = round(float((box[0] + box[2]) / 2 - side / 2))
    top = round(float((box[1] + box[3]) / 2 - side / 2))
    left, top = min(max(left, 0), width - side), min(max(top, 0), height - side)
    return np.ascontiguousarray(image[top : top + side, left : left + side])
