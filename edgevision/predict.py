"""Images to labels: what a classification artifact says about image files, folders of them, or arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.classifier import Classifier, Progress, require_known
from edgevision.data.folders import SUFFIXES, image_files
from edgevision.data.images import load_image
from edgevision.errors import ConfigError, InputError
from edgevision.tasks.classification import Prediction, classify
from edgevision.tensors import Array

Image = str | Path | bytes | Array


@dataclass(frozen=True)
class ImagePrediction:
    """What a model says about one image.

    Attributes:
        image: Path of the image; "image N" for the N-th one that has no path.
        classes: The likeliest classes, best first.
    """

    image: str
    classes: tuple[Prediction, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
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
    progress: Progress | None = None,
) -> Predictions:
    """Classify images.

    Args:
        artifact: A classification model whose preprocessing and labels are known.
        images: Paths of image files or of folders (searched to any depth), bytes of image files, or uint8 RGB HWC
            arrays; one or several.
        runtime: What runs the model; None for the first one here that can.
        device: Where it runs.
        options: Options of the runtime, ``{"threads": 4}``.
        top_k: How many classes to give for each image.
        progress: Called after each image.

    Raises:
        ArtifactError: The preprocessing, the labels or the task are unknown; ``edgevision adopt`` declares them.
        InputError: Something given is no image, or a folder has none.
        ConfigError: ``top_k`` is less than 1.
    """
    if top_k < 1:
        raise ConfigError("top_k", got=top_k, allowed="1 or more")
    require_known(artifact, "preprocessing", "labels")
    sources = list(_sources(images))
    if not sources:
        raise InputError("no images to predict", next_step="name image files or folders")
    found: list[ImagePrediction] = []
    skipped: list[tuple[str, str]] = []
    with Classifier(artifact, runtime=runtime, device=device, options=options) as classifier:
        for done, (name, source, chosen) in enumerate(sources, 1):
            try:
                pixels = source if isinstance(source, np.ndarray) else load_image(source)
            except InputError as error:
                if chosen:
                    raise
                skipped.append((name, str(error)))
                continue
            classes = classify(
                classifier(pixels),
                classifier.output,
                artifact.manifest.labels,
                top_k,
                artifact.manifest.decoding.get("activation"),
            )
            found.append(ImagePrediction(name, tuple(classes)))
            if progress:
                progress(done, len(sources))
        return Predictions(tuple(found), tuple(skipped), dict(classifier.model.facts))


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
