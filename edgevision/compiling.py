"""From a quantized TFLite artifact to one that a vendor's compiler made for its accelerator."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.artifact import Artifact, write_artifact
from edgevision.converters.edgetpu import TOOL, compile_edgetpu
from edgevision.converters.vela import ACCELERATORS, compile_vela
from edgevision.devices.prediction import predict
from edgevision.errors import ConfigError, IncompatibleModelError, check_choice
from edgevision.graphs import read_graph
from edgevision.manifest import LineageStep
from edgevision.mapping import MappingReport, differences
from edgevision.optional import versions

EDGETPU = "edgetpu"
TARGETS = (EDGETPU, *ACCELERATORS)


@dataclass(frozen=True)
class Compilation:
    """What a vendor's compiler made.

    Attributes:
        artifact: The compiled artifact.
        report: Where each operator of the source runs, as the compiler says it.
        predicted: The same, as `edgevision check` would have said.
        differences: Where the two differ, one line each.
    """

    artifact: Artifact
    report: MappingReport
    predicted: MappingReport
    differences: tuple[str, ...]


def compile_for(
    artifacts: Sequence[Artifact],
    target: str,
    out: str | Path,
    *,
    system_config: str | None = None,
    memory_mode: str | None = None,
    min_runtime_version: int | None = None,
    overwrite: bool = False,
) -> tuple[Compilation, ...]:
    """Compile artifacts for an accelerator, and compare what the compiler did with what was predicted.

    Args:
        artifacts: Quantized TFLite models. For the Edge TPU several are compiled together: they share the chip's memory
            for parameters, the first one before the others, so the one that runs most often comes first.
        target: One of `TARGETS`.
        out: The folder that the new artifacts are written into.
        system_config: For Ethos-U: section of Vela's configuration about the chip's clocks and memories.
        memory_mode: For Ethos-U: section about what lies in which memory.
        min_runtime_version: For the Edge TPU: the oldest runtime that has to take the files; None for the newest.
        overwrite: Whether artifacts that are there may be replaced.

    Raises:
        ConfigError: An unknown target, settings of Vela for the Edge TPU or the reverse, or models of one name.
        IncompatibleModelError: No TFLite model, or nothing of it runs on the accelerator.
        BackendUnavailableError: The compiler is not installed.
        ConversionError: The compiler failed, or said something that is not understood.
    """
    check_choice("target", target, TARGETS)
    _check(artifacts, target, (system_config, memory_mode), min_runtime_version)
    if target == EDGETPU:
        made = _for_edgetpu(artifacts, min_runtime_version)
    else:
        compiled = [
            compile_vela(artifact.model_file, target, system_config=system_config, memory_mode=memory_mode)
            for artifact in artifacts
        ]
        made = [_Made(model.content, model.report, model.settings) for model in compiled]
    pairs = zip(artifacts, made, strict=True)
    return tuple(_written(artifact, target, one, Path(out), overwrite) for artifact, one in pairs)


@dataclass(frozen=True)
class _Made:
    content: bytes
    report: MappingReport
    step: Mapping[str, Any]


def _for_edgetpu(artifacts: Sequence[Artifact], min_runtime_version: int | None) -> list[_Made]:
    """Compile them together. The compiler tells files apart by their names, which artifacts have in common."""
    names = [artifact.manifest.name for artifact in artifacts]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{name}.tflite" for name in names]
        for artifact, file in zip(artifacts, files, strict=True):
            file.symlink_to(artifact.model_file.resolve())
        models = compile_edgetpu(files, min_runtime_version=min_runtime_version)
    step = {"tool": TOOL, **({"together": names} if len(names) > 1 else {})}
    return [_Made(model.content, model.report, step) for model in models]


def _check(
    artifacts: Sequence[Artifact], target: str, vela: tuple[str | None, ...], min_runtime_version: int | None
) -> None:
    for artifact in artifacts:
        if artifact.manifest.format != "tflite":
            raise IncompatibleModelError(
                f"{artifact.model_file}: accelerators are compiled for from TFLite", got=artifact.manifest.format,
                allowed="tflite",
                next_step="edgevision quantize the model that it was made from, --to tflite",
            )  # fmt: skip
    if target == EDGETPU and any(vela):
        raise ConfigError("system_config and memory_mode are for Ethos-U", got=target, allowed=ACCELERATORS)
    if target != EDGETPU and min_runtime_version is not None:
        raise ConfigError("min_runtime_version is for the Edge TPU", got=target, allowed=EDGETPU)
    names = [artifact.manifest.name for artifact in artifacts]
    if not names or len(set(names)) < len(names):
        raise ConfigError("models to compile", got=", ".join(names) or "none", allowed="models of different names")


def _written(artifact: Artifact, target: str, made: _Made, out: Path, overwrite: bool) -> Compilation:
    manifest, report, format_ = artifact.manifest, made.report, "edgetpu" if target == EDGETPU else "vela"
    rules = next(name for name in ("ethos-u85", "ethos-u", EDGETPU) if target.startswith(name))
    predicted = predict(read_graph(artifact.model_file), rules, report.accelerator)
    parameters = {"target": target, **made.step, "by": report.by, "mapped": report.mapped, **report.facts}
    lineage = LineageStep("compile", parameters, versions("edgevision", "ethos-u-vela"))
    fields = {
        "format": format_, "name": manifest.name, "task": manifest.task, "labels": manifest.labels,
        "preprocessing": manifest.preprocessing, "inputs": manifest.inputs, "outputs": manifest.outputs,
        "decoding": manifest.decoding, "scheme": manifest.scheme,
        "source_sha256": manifest.source_sha256 or artifact.sha256, "lineage": (*manifest.lineage, lineage),
    }  # fmt: skip
    place = out / f"{manifest.name}-{target}"
    compiled = write_artifact(place, fields, {f"model_{format_}.tflite": made.content}, overwrite=overwrite)
    return Compilation(compiled, report, predicted, tuple(differences(predicted, report)))
