"""The models of second stages: crops in, evidence out, and what a mean of evidence means."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Protocol

from edgevision.artifact import Artifact
from edgevision.classifier import Classifier, known_activation
from edgevision.detector import Detector
from edgevision.embedder import Embedder
from edgevision.errors import ConfigError
from edgevision.face_reader import FaceCrop, FaceReader
from edgevision.image_batches import ImageBatches
from edgevision.image_model import require_known
from edgevision.pipeline.isolation import IsolatedModel
from edgevision.pipeline.model_slot import Revivable
from edgevision.pipeline.second.settings import SecondStage
from edgevision.runtimes.base import CompiledModel, load
from edgevision.tasks.classification import probabilities
from edgevision.tasks.embedding import Gallery
from edgevision.tensors import Array


class SecondModel(Protocol):
    """A model of a second stage, loaded. One thread calls `look`; `judge` may be called by any.

    One whose process may die is `Revivable` too, in the thread that calls `look`.
    """

    @property
    def batch(self) -> int:
        """Crops that go through the model at a time."""

    def look(self, crops: Sequence[Array]) -> list[Array | None]:
        """Return evidence, float (D,), for each crop, uint8 RGB (H, W, 3); None where nothing is to be seen."""

    def judge(self, mean: Array) -> tuple[str | None, float]:
        """Return the label that a mean of evidence speaks for, None where none is likely enough, and its score."""

    def close(self) -> None:
        """Let go of it."""


class ClassifyModel:
    """A classifier; evidence is the probabilities of its classes."""

    def __init__(self, stage: SecondStage) -> None:
        """Load it.

        Raises:
            ArtifactError: Its preprocessing, labels, task or activation are unknown.
            EdgeVisionError: It does not load, or is no classifier.
        """
        artifact = Artifact.open(stage.artifact)
        require_known(artifact, Classifier.task, "preprocessing", "labels")
        self._labels = artifact.manifest.labels or ()
        self._activation = known_activation(artifact)
        self._threshold = stage.threshold
        with ExitStack() as opened:
            model = opened.enter_context(Classifier(artifact, **_where(stage)))
            self._output = model.output
            self._batches = ImageBatches(model, stage.max_batch, **_where(stage))
            opened.pop_all()

    @property
    def batch(self) -> int:
        """Crops at a time."""
        return self._batches.size

    def look(self, crops: Sequence[Array]) -> list[Array | None]:
        """Return the probabilities of the classes, float64 (C,), for each crop."""
        return [probabilities(stored, self._output, self._activation)[0] for stored in self._batches(crops)]

    def judge(self, mean: Array) -> tuple[str | None, float]:
        """Return the likeliest class."""
        best = int(mean.argmax())
        score = float(mean[best])
        return (self._labels[best] if score >= self._threshold else None), score

    def revive(self) -> str:
        """Start anew what has died, and return at once: '' where it can run, else why it cannot yet."""
        return _revived(self._batches.models)

    def close(self) -> None:
        """Let go of the model."""
        self._batches.close()


class IdentifyModel:
    """An embedding model and a gallery; evidence is unit vectors."""

    def __init__(self, stage: SecondStage) -> None:
        """Load models and gallery.

        Raises:
            ArtifactError: The gallery cannot be read.
            InputError: The gallery was made by another model.
            EdgeVisionError: A model does not load, or is for something else.
        """
        self._stage = stage
        with ExitStack() as opened:
            embedder = opened.enter_context(Embedder(Artifact.open(stage.artifact), **_where(stage)))
            detector: Detector | None = None
            if stage.faces is not None:
                detector = opened.enter_context(Detector(Artifact.open(stage.faces), **_where(stage)))
            self._batches = ImageBatches(embedder, stage.max_batch, **_where(stage))
            opened.callback(self._batches.close)
            self._reader = FaceReader(embedder, detector, self._batches)
            self._gallery = self.read_gallery()
            opened.pop_all()

    @property
    def batch(self) -> int:
        """Faces at a time."""
        return self._batches.size

    def read_gallery(self) -> Gallery:
        """Read the gallery's file anew; `use` takes it. Raises as the constructor."""
        path = self._stage.gallery
        if path is None:
            raise ConfigError(f"{self._stage.name}: no gallery")
        gallery = Gallery.open(path)
        self._reader.source.check(gallery.source, str(path))
        return gallery

    def use(self, gallery: Gallery) -> None:
        """Go by another gallery from now on."""
        self._gallery = gallery

    def look(self, crops: Sequence[Array]) -> list[Array | None]:
        """Return the unit vector, float32 (D,), of the largest face of each crop; None where there is none."""
        faces = [self._face(crop) for crop in crops]
        there = [face.pixels for face in faces if face is not None]
        vectors = iter(self._reader.vectors(there)) if there else iter(())
        return [None if face is None else next(vectors) for face in faces]

    def judge(self, mean: Array) -> tuple[str | None, float]:
        """Return who is closest in the gallery."""
        found = self._gallery.identify(mean, self._stage.threshold)[0]
        return found.name, found.score

    def revive(self) -> str:
        """Start anew what has died, and return at once: '' where it can run, else why it cannot yet."""
        return _revived(self._reader.models)

    def close(self) -> None:
        """Let go of the models."""
        self._reader.close()

    def _face(self, crop: Array) -> FaceCrop | None:
        found = self._reader.find(crop)
        if self._stage.faces is not None:
            found = [face for face in found if face.side >= self._stage.min_face_px]
        return max(found, key=lambda face: face.side, default=None)


def load_second(stage: SecondStage) -> SecondModel:
    """Load the model of a stage; raises EdgeVisionError."""
    return IdentifyModel(stage) if stage.kind == "identify" else ClassifyModel(stage)


def labels_of(stage: SecondStage) -> tuple[str, ...]:
    """Return what a stage may call a track: classes of its model, or names in its gallery; raises ArtifactError."""
    if stage.kind == "identify" and stage.gallery is not None:
        return tuple(sorted(set(Gallery.open(stage.gallery).names)))
    return Artifact.open(stage.artifact).manifest.labels or ()


def _revived(models: Sequence[CompiledModel]) -> str:
    troubles = [model.revive() for model in models if isinstance(model, Revivable)]  # side by side
    return next(filter(None, troubles), "")


def _where(stage: SecondStage) -> dict[str, Any]:
    loader = partial(IsolatedModel, answer_s=stage.answer_s) if stage.isolate else load
    return {
        "runtime": stage.runtime, "device": stage.device, "options": {"threads": stage.threads}, "loader": loader,
    }  # fmt: skip
