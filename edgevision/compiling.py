"""From a quantized TFLite artifact to one that a vendor's compiler made for its accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.artifact import Artifact, write_artifact
from edgevision.converters.edgetpu import TOOL, compile_edgetpu
from edgevision.converters.vela import ACCELERATORS, compile_vela
from edgevision.devices.edgetpu import predict_mapping
from edgevision.devices.rules import rule_set
from edgevision.errors import ConfigError, IncompatibleModelError, check_choice
from edgevision.graphs import read_graph
from edgevision.manifest import LineageStep
from edgevision.mapping import MappingReport, Placement, differences
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
    artifact: Artifact,
    target: str,
    out: str | Path,
    *,
    system_config: str | None = None,
    memory_mode: str | None = None,
    overwrite: bool = False,
) -> Compilation:
    """Compile an artifact for an accelerator, and compare what the compiler did with what was predicted.

    Args:
        artifact: A quantized TFLite model.
        target: One of `TARGETS`.
        out: The folder that the new artifact is written into.
        system_config: For Ethos-U: section of Vela's configuration about the chip's clocks and memories.
        memory_mode: For Ethos-U: section about what lies in which memory.
        overwrite: Whether an artifact that is there may be replaced.

    Raises:
        ConfigError: An unknown target, or settings of Vela for the Edge TPU.
        IncompatibleModelError: No TFLite model, or nothing of it runs on the accelerator.
        BackendUnavailableError: The compiler is not installed.
        ConversionError: The compiler failed, or said something that is not understood.
    """
    check_choice("target", target, TARGETS)
    manifest = artifact.manifest
    if manifest.format != "tflite":
        raise IncompatibleModelError(
            f"{artifact.path}: accelerators are compiled for from TFLite", got=manifest.format, allowed="tflite",
            next_step="edgevision quantize MODEL --data … --to tflite makes one",
        )  # fmt: skip
    predicted = _predicted(artifact, target)
    step: Mapping[str, Any]
    if target == EDGETPU:
        if system_config or memory_mode:
            raise ConfigError("system_config and memory_mode are for Ethos-U", got=target, allowed=ACCELERATORS)
        made = compile_edgetpu([artifact.model_file])[0]
        content, report, step, format_ = made.content, made.report, {"tool": TOOL}, "edgetpu"
    else:
        model = compile_vela(artifact.model_file, target, system_config=system_config, memory_mode=memory_mode)
        content, report, step, format_ = model.content, model.report, model.settings, "vela"
    parameters = {"target": target, **step, "by": report.by, "mapped": report.mapped, **report.facts}
    lineage = LineageStep("compile", parameters, versions("edgevision", "ethos-u-vela"))
    fields = {
        "format": format_, "name": manifest.name, "task": manifest.task, "labels": manifest.labels,
        "preprocessing": manifest.preprocessing, "inputs": manifest.inputs, "outputs": manifest.outputs,
        "decoding": manifest.decoding, "scheme": manifest.scheme,
        "source_sha256": manifest.source_sha256 or artifact.sha256, "lineage": (*manifest.lineage, lineage),
    }  # fmt: skip
    place = Path(out) / f"{manifest.name}-{target}"
    compiled = write_artifact(place, fields, {f"model_{format_}.tflite": content}, overwrite=overwrite)
    return Compilation(compiled, report, predicted, tuple(differences(predicted, report)))


def _predicted(artifact: Artifact, target: str) -> MappingReport:
    graph = read_graph(artifact.model_file)
    if target == EDGETPU:
        return predict_mapping(graph)
    rules = rule_set("ethos-u85" if target.startswith("ethos-u85") else "ethos-u")
    placements = []
    for node in graph.nodes:
        refused = rules.refusal(graph, node)
        where = ("ethos-u",) if refused is None else ("cpu", refused.reason, refused.rewrite)
        placements.append(Placement(node.index, node.kind, node.name, *where))
    return MappingReport("ethos-u", "predicted", tuple(placements))
