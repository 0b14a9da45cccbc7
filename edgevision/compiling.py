"""From an artifact to one that a vendor's compiler made for its accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgevision.artifact import Artifact, write_artifact
from edgevision.converters.edgetpu import TOOL, compile_edgetpu
from edgevision.converters.tensorrt.build import BuiltEngine, build_engine
from edgevision.converters.tensorrt.plan import read_plan
from edgevision.converters.vela import ACCELERATORS, compile_vela
from edgevision.devices.edgetpu import predict_mapping
from edgevision.devices.rules import rule_set
from edgevision.errors import ConfigError, IncompatibleModelError, check_choice
from edgevision.files import check_place
from edgevision.graphs import Graph, read_graph
from edgevision.graphs.onnx import read_onnx
from edgevision.manifest import LineageStep
from edgevision.mapping import MappingReport, Placement, differences
from edgevision.optional import versions
from edgevision.runtimes.base import available_runtimes
from edgevision.verify import seal

EDGETPU, TENSORRT = "edgetpu", "tensorrt"
BUILD = "build"
"""The step of the lineage that an engine's build is: a new one takes the place of an old one."""
TARGETS = (EDGETPU, *ACCELERATORS, TENSORRT)


@dataclass(frozen=True)
class Compilation:
    """What a vendor's compiler made.

    Attributes:
        artifact: The compiled artifact.
        report: Where each operator of the source runs, as the compiler says it; for TensorRT, which merges operators,
            where each layer of the engine runs.
        predicted: Where each operator runs as `edgevision check` would have said.
        differences: Where the two differ, one line each; none for TensorRT, whose layers have other names.
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
        artifact: A quantized TFLite model; for TensorRT a plan, or an engine, which carries the plan that it is of.
        target: One of `TARGETS`.
        out: The folder that the new artifact is written into.
        system_config: For Ethos-U: section of Vela's configuration about the chip's clocks and memories.
        memory_mode: For Ethos-U: section about what lies in which memory.
        overwrite: Whether an artifact that is there may be replaced.

    Raises:
        ConfigError: An unknown target, or settings of Vela for another.
        IncompatibleModelError: No TFLite model or no plan, or nothing of it runs on the accelerator.
        BackendUnavailableError: The compiler is not installed.
        ConversionError: The compiler failed, or said something that is not understood.
    """
    check_choice("target", target, TARGETS)
    if target not in ACCELERATORS and (system_config or memory_mode):
        raise ConfigError("system_config and memory_mode are for Ethos-U", got=target, allowed=ACCELERATORS)
    if target == TENSORRT:
        return _engine(artifact, Path(out), overwrite)
    manifest = artifact.manifest
    if manifest.format != "tflite":
        raise IncompatibleModelError(
            f"{artifact.path}: accelerators are compiled for from TFLite", got=manifest.format, allowed="tflite",
            next_step="edgevision quantize MODEL --data … --to tflite makes one",
        )  # fmt: skip
    predicted = _predicted(artifact, target)
    step: Mapping[str, Any]
    if target == EDGETPU:
        made = compile_edgetpu([artifact.model_file])[0]
        content, report, step, format_ = made.content, made.report, {"tool": TOOL}, "edgetpu"
    else:
        model = compile_vela(artifact.model_file, target, system_config=system_config, memory_mode=memory_mode)
        content, report, step, format_ = model.content, model.report, model.settings, "vela"
    parameters = {"target": target, **step, "by": report.by, "mapped": report.mapped, **report.facts}
    lineage = LineageStep("compile", parameters, versions("edgevision", "ethos-u-vela"))
    fields = {**_known(artifact), "format": format_, "lineage": (*manifest.lineage, lineage)}
    place = Path(out) / f"{manifest.name}-{target}"
    compiled = write_artifact(place, fields, {f"model_{format_}.tflite": content}, overwrite=overwrite)
    return Compilation(compiled, report, predicted, tuple(differences(predicted, report)))


def _known(artifact: Artifact) -> dict[str, Any]:
    """Return the fields of a manifest that compiling does not change."""
    manifest = artifact.manifest
    return {
        "name": manifest.name, "task": manifest.task, "labels": manifest.labels,
        "preprocessing": manifest.preprocessing, "inputs": manifest.inputs, "outputs": manifest.outputs,
        "decoding": manifest.decoding, "scheme": manifest.scheme,
        "source_sha256": manifest.source_sha256 or artifact.sha256,
    }  # fmt: skip


def _engine(artifact: Artifact, out: Path, overwrite: bool) -> Compilation:
    """Build an engine on this machine, by the plan of an artifact, and seal it where it has golden samples."""
    plan = read_plan(artifact)
    place = out / f"{artifact.manifest.name}-{TENSORRT}-{plan.recipe.scheme}"
    check_place(place, overwrite)
    golden = artifact.golden()
    predicted = _placed(read_onnx(plan.onnx), "tensorrt", "gpu")
    built = build_engine(plan)
    steps = [step for step in artifact.manifest.lineage if step.step != BUILD]
    facts = asdict(built.document.facts)
    step = LineageStep(BUILD, {"target": TENSORRT, "by": built.document.by, **facts}, versions("edgevision"))
    fields = {**_known(artifact), "format": TENSORRT, "lineage": (*steps, step)}
    if golden is not None:
        golden = replace(golden, expected={})
    made = write_artifact(place, fields, built.files(), golden, overwrite)
    if golden is not None and available_runtimes(made, built.document.device):
        made = seal(made, device=built.document.device)
    return Compilation(made, _layers(built), predicted, ())


def _layers(built: BuiltEngine) -> MappingReport:
    facts = built.document.facts
    wanted = "gpu" if built.document.dla is None else "dla"
    placements = tuple(Placement(i, "layer", name, target) for i, (target, name) in enumerate(built.layers))
    return MappingReport(wanted, f"TensorRT {facts.tensorrt}", placements, {
        "gpu": facts.gpu, "compute_capability": facts.compute_capability, "multiprocessors": facts.multiprocessors,
    })  # fmt: skip


def _predicted(artifact: Artifact, target: str) -> MappingReport:
    graph = read_graph(artifact.model_file)
    if target == EDGETPU:
        return predict_mapping(graph)
    return _placed(graph, "ethos-u85" if target.startswith("ethos-u85") else "ethos-u", "ethos-u")


def _placed(graph: Graph, rules: str, accelerator: str) -> MappingReport:
    """Return where each operator runs by a rule set."""
    chosen = rule_set(rules)
    placements = []
    for node in graph.nodes:
        refused = chosen.refusal(graph, node)
        where = (accelerator,) if refused is None else ("cpu", refused.reason, refused.rewrite)
        placements.append(Placement(node.index, node.kind, node.name, *where))
    return MappingReport(accelerator, "predicted", tuple(placements))
