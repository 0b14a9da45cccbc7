"""A classification artifact as the pipeline's model: what it says is an object as large as the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.classifier import Classifier
from edgevision.errors import ArtifactError
from edgevision.frames import Frame
from edgevision.pipeline.config.document import ModelConfig
from edgevision.tasks.classification import probabilities, rank
from edgevision.tasks.detections import Detections

SCORE_THRESHOLD = 0.5


class ClassifierStage:
    """A classifier that is loaded. Tracks, rules and events take its classes as they take a detector's objects.

    The best class is an object if it reaches the threshold; of a model with one probability for each class
    (``sigmoid``), every class that does.

    Attributes:
        labels: Names of its classes.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Load it; raises what `edgevision.classifier.Classifier` raises, and ArtifactError for unknown scores."""
        artifact = Artifact.open(config.artifact)
        if artifact.manifest.decoding.get("activation") is None:
            raise ArtifactError(
                f"{artifact.path}: activation unknown, so no score can be compared with a threshold",
                next_step="declare it: edgevision adopt MODEL --activation …",
            )
        options = {"threads": config.threads}
        self._classifier = Classifier(artifact, runtime=config.runtime, device=config.device, options=options)
        self._activation = artifact.manifest.decoding["activation"]
        self._threshold = SCORE_THRESHOLD if config.score_threshold is None else config.score_threshold
        self.labels: Sequence[str] = artifact.manifest.labels or ()

    def prepare(self, frame: Frame) -> Any:
        """Return the input tensor, and where it lies in the frame."""
        return self._classifier.prepare(frame.to_rgb())

    def infer(self, prepared: Any) -> Any:
        """Run the model."""
        tensor, geometry = prepared
        return self._classifier.model.infer((tensor,))[0], geometry

    def decode(self, inferred: Any) -> Detections:
        """Return the classes that are seen, each with the whole frame as its box."""
        stored, geometry = inferred
        order = rank(stored, self._classifier.output)[0]
        scores = probabilities(stored, self._classifier.output, self._activation)[0]
        asked = order if self._activation == "sigmoid" else order[:1]
        seen = asked[scores[asked] >= self._threshold]
        height, width = geometry.source
        return Detections(np.tile([0, 0, width, height], (len(seen), 1)), scores[seen], seen)

    def close(self) -> None:
        """Let go of the model."""
        self._classifier.model.close()
