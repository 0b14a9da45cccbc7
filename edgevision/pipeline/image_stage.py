"""Artifacts as the pipeline's model: prepared, run and decoded, a detector's objects or a classifier's classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np

from edgevision.artifact import Artifact
from edgevision.classifier import Classifier, known_activation
from edgevision.detector import Detector
from edgevision.frames import Frame
from edgevision.image_model import ImageModel
from edgevision.pipeline.config.document import ModelConfig
from edgevision.pipeline.isolation import IsolatedModel
from edgevision.pipeline.model_slot import Revivable
from edgevision.runtimes.base import load
from edgevision.tasks.classification import probabilities, rank
from edgevision.tasks.detection import detect, with_thresholds
from edgevision.tasks.detections import Detections

CLASS_THRESHOLD = 0.5
"""Least probability of a class, where the configuration does not say."""

M = TypeVar("M", bound=ImageModel)


class _ImageStage(Generic[M]):
    """A model of single images that is loaded, in a process of its own where the configuration says so."""

    def __init__(self, kind: type[M], config: ModelConfig) -> None:
        artifact = Artifact.open(config.artifact)
        loader = partial(IsolatedModel, answer_s=config.answer_s) if config.isolate else load
        self._loaded = kind(
            artifact, runtime=config.runtime, device=config.device, options={"threads": config.threads}, loader=loader
        )
        self.labels: Sequence[str] = artifact.manifest.labels or ()

    def prepare(self, frame: Frame) -> Any:
        """Return the input tensor, and where it lies in the frame."""
        return self._loaded.prepare(frame)

    def infer(self, prepared: Any) -> Any:
        """Run the model."""
        tensor, geometry = prepared
        return self._loaded.model.infer((tensor,)), geometry

    def revive(self) -> str:
        """Start anew what has died, and return at once: '' where it can run, else why it cannot yet."""
        model = self._loaded.model
        return model.revive() if isinstance(model, Revivable) else ""

    def close(self) -> None:
        """Let go of the model."""
        self._loaded.model.close()


class DetectorStage(_ImageStage[Detector]):
    """A detector that is loaded.

    Attributes:
        labels: Names of its classes.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Load it; raises what `edgevision.detector.Detector` raises."""
        super().__init__(Detector, config)
        if config.score_threshold is not None:
            self._loaded.decoder = with_thresholds(self._loaded.decoder, score_threshold=config.score_threshold)

    def decode(self, inferred: Any) -> Detections:
        """Return the objects, in pixels of the frame."""
        stored, geometry = inferred
        return detect(stored, self._loaded.model.outputs, self._loaded.decoder, geometry)


class ClassifierStage(_ImageStage[Classifier]):
    """A classifier that is loaded. Tracks, rules and events take its classes as they take a detector's objects.

    The best class is an object as large as the frame, if it reaches the threshold; of a model with one probability for
    each class (``sigmoid``), every class that does.

    Attributes:
        labels: Names of its classes.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Load it; raises what `edgevision.classifier.Classifier` raises, and ArtifactError for unknown scores."""
        self._activation = known_activation(Artifact.open(config.artifact))
        self._threshold = CLASS_THRESHOLD if config.score_threshold is None else config.score_threshold
        super().__init__(Classifier, config)

    def decode(self, inferred: Any) -> Detections:
        """Return the classes that are seen, each with the whole frame as its box."""
        (stored, *_), geometry = inferred
        order = rank(stored, self._loaded.output)[0]
        scores = probabilities(stored, self._loaded.output, self._activation)[0]
        asked = order if self._activation == "sigmoid" else order[:1]
        seen = asked[scores[asked] >= self._threshold]
        height, width = geometry.source
        return Detections(np.tile([0, 0, width, height], (len(seen), 1)), scores[seen], seen)
