"""What an artifact says about image files, folders of them, or arrays, as its task has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.classifier import Classifier
from edgevision.data.folders import SUFFIXES, image_files
from edgevision.data.images import load_image
from edgevision.detector import Detector
from edgevision.embedder import Embedder
from edgevision.errors import ConfigError, InputError
from edgevision.image_model import ImageModel, Progress, require_known
from edgevision.pictures import write_picture
from edgevision.segmenter import Segmenter
from edgevision.tasks.classification import Prediction, classify
from edgevision.tasks.detection import with_thresholds
from edgevision.tasks.detections import Detections
from edgevision.tasks.drawing import draw_classes, draw_detections, draw_segmentation
from edgevision.tasks.segmentation import Segmentation
from edgevision.tensors import Array

Image = str | Path | bytes | Array


@dataclass(frozen=True)
class ImagePrediction:
    """What a model says about one image.

    Attributes:
        image: Path of the image; "image N" for the N-th one that has no path.
        classes: The likeliest classes, best first; empty where the model is no classifier.
        detections: The objects, best first; None where the model is no detector.
        segmentation: The class of each pixel; None where the model is for something else.
        embedding: The unit vector, float32 (D,), likewise.
        labels: Names of the classes of detections and of a segmentation; None when unknown.
    """

    image: str
    classes: tuple[Prediction, ...] = ()
    detections: Detections | None = None
    segmentation: Segmentation | None = None
    embedding: Array | None = None
    labels: tuple[str, ...] | None = None

    def draw(self, image: Array) -> Array:
        """Return a copy of the image, uint8 RGB HWC, with this on it; an embedding cannot be drawn."""
        if self.detections is not None:
            return draw_detections(image, self.detections, self.labels)
        if self.segmentation is not None:
            return draw_segmentation(image, self.segmentation, self.labels)
        return draw_classes(image, self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        if self.detections is not None:
            return {"image": self.image, "detections": self.detections.to_list(self.labels)}
        if self.segmentation is not None:
            return {"image": self.image, "segmentation": self.segmentation.to_list(self.labels)}
        if self.embedding is not None:
            return {"image": self.image, "embedding": [float(value) for value in self.embedding]}
        return {"image": self.image, "classes": [prediction.to_dict() for prediction in self.classes]}


@dataclass(frozen=True)
class Predictions:
    """What a model says about some images.

    Attributes:
        images: One entry per image, in the order given; those of a folder by path.
        skipped: (path, reason) of files in folders that look like images and are not.
        facts: What ran the model: package, version, threads, ….
    """

    images: tuple[ImagePrediction, ...]
    skipped: tuple[tuple[str, str], ...]
    facts: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "images": [entry.to_dict() for entry in self.images],
            "skipped": [{"image": name, "reason": reason} for name, reason in self.skipped],
            "facts": dict(self.facts),
        }


def predict(
    artifact: Artifact,
    images: Image | Iterable[Image],
    *,
    runtime: str | None = None,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    top_k: int = 5,
    score_threshold: float | None = None,
    draw: str | Path | None = None,
    progress: Progress | None = None,
) -> Predictions:
    """Say what is in images, as the artifact's task has it: classes, boxes, classes of pixels, or vectors.

    Args:
        artifact: A model whose preprocessing is known, and its labels if it is a classifier.
        images: Paths of image files or of folders (searched to any depth), bytes of image files, or uint8 RGB HWC
            arrays; one or several.
        runtime: What runs the model; None for the first one here that can.
        device: Where it runs.
        options: Options of the runtime, ``{"threads": 4}``.
        top_k: How many classes to give for each image.
        score_threshold: Objects with a lower score are left out; None for the artifact's own threshold.
        draw: A folder that gets each image with the result on it, as PNG.
        progress: Called after each image.

    Raises:
        OutputError: A picture could not be written.
        ArtifactError: The preprocessing, the labels or the task are unknown; ``edgevision adopt`` declares them.
        InputError: Something given is no image, or a folder has none.
        ConfigError: ``top_k`` is less than 1, or a threshold is no share or for a model without.
    """
    if top_k < 1:
        raise ConfigError("top_k", got=top_k, allowed="1 or more")
    see = SEERS.get(artifact.manifest.task or "", _classes)
    if see is not _objects and score_threshold is not None:
        raise ConfigError("score_threshold", got=score_threshold, allowed="models that find objects")
    if see is _vectors and draw is not None:
        raise ConfigError("draw", got="an embedding", allowed="classes, objects and segmentations")
    sources = list(_sources(images))
    if not sources:
        raise InputError("no images to predict", next_step="name image files or folders")
    found: list[ImagePrediction] = []
    skipped: list[tuple[str, str]] = []
    settings = Settings(runtime, device, options, top_k, score_threshold)
    with see(artifact, settings) as (model, answer):
        for done, (name, source, chosen) in enumerate(sources, 1):
            try:
                pixels = source if isinstance(source, np.ndarray) else load_image(source)
            except InputError as error:
                if chosen:
                    raise
                skipped.append((name, str(error)))
                continue
            found.append(answer(name, pixels))
            if draw is not None:
                write_picture(Path(draw), done, name, found[-1].draw(pixels))
            if progress:
                progress(done, len(sources))
        return Predictions(tuple(found), tuple(skipped), dict(model.model.facts))


@dataclass(frozen=True)
class Settings:
    """What `predict` was asked for; see there."""

    runtime: str | None
    device: str
    options: Mapping[str, Any] | None
    top_k: int
    score_threshold: float | None


Answer = Callable[[str, Array], ImagePrediction]


@contextmanager
def _classes(artifact: Artifact, settings: Settings) -> Iterator[tuple[ImageModel, Answer]]:
    require_known(artifact, Classifier.task, "preprocessing", "labels")
    labels, activation = artifact.manifest.labels, artifact.manifest.decoding.get("activation")
    with Classifier(artifact, **_where(settings)) as classifier:

        def answer(name: str, pixels: Array) -> ImagePrediction:
            ranked = classify(classifier(pixels), classifier.output, labels, settings.top_k, activation)
            return ImagePrediction(name, tuple(ranked))

        yield classifier, answer


@contextmanager
def _objects(artifact: Artifact, settings: Settings) -> Iterator[tuple[ImageModel, Answer]]:
    with Detector(artifact, **_where(settings)) as detector:
        detector.decoder = with_thresholds(detector.decoder, score_threshold=settings.score_threshold)

        def answer(name: str, pixels: Array) -> ImagePrediction:
            return ImagePrediction(name, detections=detector(pixels), labels=artifact.manifest.labels)

        yield detector, answer


@contextmanager
def _pixels(artifact: Artifact, settings: Settings) -> Iterator[tuple[ImageModel, Answer]]:
    with Segmenter(artifact, **_where(settings)) as segmenter:

        def answer(name: str, pixels: Array) -> ImagePrediction:
            return ImagePrediction(name, segmentation=segmenter(pixels), labels=artifact.manifest.labels)

        yield segmenter, answer


@contextmanager
def _vectors(artifact: Artifact, settings: Settings) -> Iterator[tuple[ImageModel, Answer]]:
    with Embedder(artifact, **_where(settings)) as embedder:

        def answer(name: str, pixels: Array) -> ImagePrediction:
            return ImagePrediction(name, embedding=embedder(pixels))

        yield embedder, answer


def _where(settings: Settings) -> dict[str, Any]:
    return {"runtime": settings.runtime, "device": settings.device, "options": settings.options}


SEERS = {"classification": _classes, "detection": _objects, "segmentation": _pixels, "embedding": _vectors}
"""Task -> what loads an artifact and answers for an image."""


def _sources(images: Image | Iterable[Image]) -> Iterator[tuple[str, Image, bool]]:
    """(name, image, whether it was named itself and not found in a folder) of each image."""
    several = [images] if isinstance(images, str | Path | bytes | np.ndarray) else images
    for number, image in enumerate(several, 1):
        if isinstance(image, str | Path):
            yield from _files(Path(image))
        else:
            yield f"image {number}", image, True


def _files(path: Path) -> Iterator[tuple[str, Image, bool]]:
    if not path.is_dir():
        yield str(path), path, True
        return
    files = sorted(file for file in image_files(path) if file.is_file())
    if not files:
        raise InputError(f"{path}: no images in this folder", allowed=sorted(SUFFIXES))
    for file in files:
        yield str(file), file, False
