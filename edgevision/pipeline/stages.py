"""An artifact as the pipeline's model: checked, prepared, run and decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgevision.artifact import Artifact
from edgevision.detector import Detector
from edgevision.errors import InferenceError, check_choice
from edgevision.frames import Frame
from edgevision.pipeline.classifier_stage import ClassifierStage
from edgevision.pipeline.config.document import ModelConfig
from edgevision.tasks.detection import detect, with_thresholds
from edgevision.tasks.detections import Detections
from edgevision.verify import verify


class DetectorStage:
    """A detector that is loaded.

    Attributes:
        labels: Names of its classes.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Load it; raises what `edgevision.detector.Detector` raises."""
        artifact = Artifact.open(config.artifact)
        options = {"threads": config.threads}
        self._detector = Detector(artifact, runtime=config.runtime, device=config.device, options=options)
        if config.score_threshold is not None:
            self._detector.decoder = with_thresholds(self._detector.decoder, score_threshold=config.score_threshold)
        self.labels: Sequence[str] = artifact.manifest.labels or ()

    def prepare(self, frame: Frame) -> Any:
        """Return the input tensor, and where it lies in the frame."""
        return self._detector.prepare(frame)

    def infer(self, prepared: Any) -> Any:
        """Run the model."""
        tensor, geometry = prepared
        return self._detector.model.infer((tensor,)), geometry

    def decode(self, inferred: Any) -> Detections:
        """Return the objects, in pixels of the frame."""
        stored, geometry = inferred
        return detect(stored, self._detector.model.outputs, self._detector.decoder, geometry)

    def close(self) -> None:
        """Let go of the model."""
        self._detector.model.close()


def stage_for(config: ModelConfig) -> DetectorStage | ClassifierStage:
    """Load a detector or a classifier, as its artifact says; raises what they raise, ConfigError for another task."""
    kinds: dict[str, type[DetectorStage | ClassifierStage]] = {
        "detection": DetectorStage,
        "classification": ClassifierStage,
    }
    task = Artifact.open(config.artifact).manifest.task
    if task is not None:
        check_choice(f"{config.artifact}: task", task, tuple(kinds))
    return kinds[task or "detection"](config)


def check_artifact(config: ModelConfig) -> None:
    """Raise InferenceError unless an artifact answers its golden samples as when it was sealed, on that runtime here.

    An artifact without golden samples, or one that was not sealed for the runtime, proves nothing and is refused.
    """
    artifact = Artifact.open(config.artifact)
    runtimes = None if config.runtime is None else [config.runtime]
    found = verify(artifact, runtimes=runtimes, device=config.device, options={"threads": config.threads})
    if found.verdict != "holds":
        raise InferenceError(
            f"{config.artifact} does not answer as it was sealed to", got=found.verdict, allowed="holds",
            next_step=f"look at it: edgevision verify {config.artifact}",
        )  # fmt: skip
