"""Which stage an artifact is, its variants, and whether it still answers as it was sealed to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from edgevision.artifact import Artifact
from edgevision.errors import ConfigError, EdgeVisionError, InferenceError, check_choice
from edgevision.pipeline.config.document import ModelConfig, WatchConfig
from edgevision.pipeline.image_stage import CLASS_THRESHOLD, ClassifierStage, DetectorStage
from edgevision.pipeline.isolation import LOAD_S
from edgevision.pipeline.model_slot import Stage
from edgevision.processes import WITHOUT_FOLDER, death
from edgevision.remote.arguments import running_arguments
from edgevision.secret import environment
from edgevision.verify import verify

_CLI = f"{WITHOUT_FOLDER}; from edgevision.cli import main; main()"


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


def labels_of(model: ModelConfig) -> Sequence[str]:
    """Return the names of a model's classes; raises ConfigError where it is no artifact."""
    try:
        return Artifact.open(model.artifact).manifest.labels or ()
    except EdgeVisionError as exc:
        raise ConfigError(f"model: artifact: {exc}") from exc


def least_score(model: ModelConfig) -> float | None:
    """Return the least score of what a model finds; None where neither the configuration nor its artifact says it."""
    if model.score_threshold is not None:
        return model.score_threshold
    manifest = Artifact.open(model.artifact).manifest
    said = CLASS_THRESHOLD if manifest.task == "classification" else manifest.decoding.get("score_threshold")
    return float(said) if isinstance(said, (int, float)) else None


def in_vain(config: WatchConfig) -> list[str]:
    """Return what a configuration asks for and its model never gives, in words."""
    band = None if config.capture is None else config.capture.low_confidence
    least = None if band is None else least_score(config.model)
    if band is None or least is None or band[1] > least:
        return []
    return [
        f"capture: no frame is low_confidence ({band[0]:g} to {band[1]:g}), since the model finds nothing with a score "
        f"under {least:g}; lower its score_threshold, or name another band"
    ]


def load_models(
    model: ModelConfig, stages: Callable[[ModelConfig], Stage] = stage_for
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
    command = [sys.executable, "-c", _CLI, "verify", str(artifact.path.resolve()), *arguments, "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_S, check=False, env=environment())
        return str(json.loads(done.stdout)["verdict"])
    except subprocess.TimeoutExpired as exc:
        raise InferenceError(f"{artifact.path} could not be verified within {LOAD_S:g} s") from exc
    except (ValueError, KeyError) as exc:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        got = f"{death(done.returncode)}; it said: {said}"
        raise InferenceError(f"{artifact.path} could not be verified", got=got) from exc
