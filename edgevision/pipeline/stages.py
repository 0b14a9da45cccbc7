"""A detection artifact as the pipeline's model: checked, prepared, run and decoded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from edgevision.artifact import Artifact
from edgevision.detector import Detector
from edgevision.errors import ConfigError, EdgeVisionError, InferenceError
from edgevision.frames import Frame
from edgevision.pipeline.config.document import ModelConfig
from edgevision.pipeline.isolation import LOAD_S, IsolatedModel
from edgevision.pipeline.model_slot import Revivable, Stage
from edgevision.processes import death
from edgevision.remote.arguments import running_arguments
from edgevision.runtimes.base import load
from edgevision.secret import environment
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
        loader = partial(IsolatedModel, answer_s=config.answer_s) if config.isolate else load
        self._detector = Detector(
            artifact, runtime=config.runtime, device=config.device, options=options, loader=loader
        )
        if config.score_threshold is not None:
            self._detector.decoder = with_thresholds(self._detector.decoder, score_threshold=config.score_threshold)
        self.labels: Sequence[str] = artifact.manifest.labels or ()

    def prepare(self, frame: Frame) -> Any:
        """Return the input tensor, and where it lies in the frame."""
        return self._detector.prepare(frame.to_rgb())

    def infer(self, prepared: Any) -> Any:
        """Run the model."""
        tensor, geometry = prepared
        return self._detector.model.infer((tensor,)), geometry

    def decode(self, inferred: Any) -> Detections:
        """Return the objects, in pixels of the frame."""
        stored, geometry = inferred
        return detect(stored, self._detector.model.outputs, self._detector.decoder, geometry)

    def revive(self) -> str:
        """Start anew what has died, and return at once: '' where it can run, else why it cannot yet."""
        model = self._detector.model
        return model.revive() if isinstance(model, Revivable) else ""

    def close(self) -> None:
        """Let go of the model."""
        self._detector.model.close()


def labels_of(model: ModelConfig) -> Sequence[str]:
    """Return the names of a model's classes; raises ConfigError where it is no artifact."""
    try:
        return Artifact.open(model.artifact).manifest.labels or ()
    except EdgeVisionError as exc:
        raise ConfigError(f"model: artifact: {exc}") from exc


def load_models(
    model: ModelConfig, stages: Callable[[ModelConfig], Stage] = DetectorStage
) -> tuple[Stage, dict[str, Stage]]:
    """Load a model and its variants.

    Returns:
        The model, and the variants by name.

    Raises:
        ConfigError: A variant has other classes.
        EdgeVisionError: One does not load.
    """
    stage = stages(model)
    variants: dict[str, Stage] = {}
    try:
        for name, artifact in model.variants:
            smaller = replace(model, artifact=artifact)
            if list(labels_of(smaller)) != list(labels_of(model)):
                raise ConfigError(
                    f"model: variants: {name} has other classes than the model, and rules go by them",
                    got=str(artifact), next_step="name a variant of the same labels",
                )  # fmt: skip
            variants[name] = stages(smaller)
    except BaseException:
        for made in (stage, *variants.values()):
            made.close()
        raise
    return stage, variants


def check_artifact(config: ModelConfig) -> None:
    """Raise InferenceError unless an artifact answers its golden samples as when it was sealed, on that runtime here.

    An artifact without golden samples, or one that was not sealed for the runtime, proves nothing and is refused.
    """
    artifact = Artifact.open(config.artifact)
    runtimes = [] if config.runtime is None else [config.runtime]
    options = {"threads": config.threads}
    if config.isolate:
        verdict = _verdict_apart(artifact, map(str, running_arguments(config.device, runtimes, options, None)))
    else:
        verdict = verify(artifact, runtimes=runtimes or None, device=config.device, options=options).verdict
    if verdict != "holds":
        raise InferenceError(
            f"{config.artifact} does not answer as it was sealed to", got=verdict, allowed="holds",
            next_step=f"look at it: edgevision verify {config.artifact}",
        )  # fmt: skip


def _verdict_apart(artifact: Artifact, arguments: Iterable[str]) -> str:
    """Return what ``edgevision verify`` finds: a process of its own, which a damaged model may crash."""
    command = [sys.executable, "-m", "edgevision", "verify", str(artifact.path), *arguments, "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_S, check=False, env=environment())
        return str(json.loads(done.stdout)["verdict"])
    except subprocess.TimeoutExpired as exc:
        raise InferenceError(f"{artifact.path} could not be verified within {LOAD_S:g} s") from exc
    except (ValueError, KeyError) as exc:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        got = f"{death(done.returncode)}; it said: {said}"
        raise InferenceError(f"{artifact.path} could not be verified", got=got) from exc
