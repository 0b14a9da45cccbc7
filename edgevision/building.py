"""From a plan to a TensorRT engine on this machine: of a plan's artifact, or of an engine that was built elsewhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edgevision.artifact import Artifact, write_artifact
from edgevision.converters.tensorrt.build import BuiltEngine, build_engine
from edgevision.converters.tensorrt.plan import read_plan
from edgevision.files import check_place
from edgevision.manifest import LineageStep
from edgevision.mapping import MappingReport, Placement
from edgevision.optional import versions
from edgevision.runtimes.base import available_runtimes
from edgevision.verify import seal

BUILD = "build"
"""The step of the lineage that an engine's build is: a new one takes the place of an old one."""


@dataclass(frozen=True)
class EngineBuild:
    """An engine that was built here.

    Attributes:
        artifact: Its artifact, sealed where the plan had golden samples and the runtime is here.
        report: Where each layer of the engine runs, as TensorRT lists them; it merges operators into layers.
    """

    artifact: Artifact
    report: MappingReport


def build_here(artifact: Artifact, out: str | Path, *, overwrite: bool = False) -> EngineBuild:
    """Build an engine for this machine.

    Args:
        artifact: A plan (``convert --to tensorrt-plan``), or an engine, which carries the plan that it was built by.
        out: The folder that the new artifact ``<name>-tensorrt-<scheme>`` is written into.
        overwrite: Whether an artifact that is there may be replaced.

    Raises:
        ConfigError: The place is taken.
        IncompatibleModelError: No plan is in it, or the release of TensorRT here cannot build it.
        BackendUnavailableError: TensorRT is not here, or there is no GPU.
        CalibrationError: A calibration table is damaged.
        ConversionError: TensorRT gave up, or said something that is not understood.
    """
    plan, manifest, golden = read_plan(artifact), artifact.manifest, artifact.golden()
    place = Path(out) / f"{manifest.name}-tensorrt-{plan.recipe.scheme}"
    check_place(place, overwrite)
    built = build_engine(plan)
    steps = [step for step in manifest.lineage if step.step != BUILD]
    parameters = {"by": built.document.by, **asdict(built.document.facts)}
    fields = {
        "format": "tensorrt", "name": manifest.name, "task": manifest.task, "labels": manifest.labels,
        "preprocessing": manifest.preprocessing, "inputs": manifest.inputs, "outputs": manifest.outputs,
        "decoding": manifest.decoding, "scheme": manifest.scheme, "source_sha256": manifest.source_sha256,
        "lineage": (*steps, LineageStep(BUILD, parameters, versions("edgevision"))),
    }  # fmt: skip
    samples = None if golden is None else replace(golden, expected={})  # what another machine answered
    made = write_artifact(place, fields, built.files(), samples, overwrite)
    if samples is not None and available_runtimes(made, built.document.device):
        made = seal(made, device=built.document.device)
    return EngineBuild(made, _layers(built))


def _layers(built: BuiltEngine) -> MappingReport:
    facts = built.document.facts
    placements = tuple(Placement(i, "layer", name, target) for i, (target, name) in enumerate(built.layers))
    return MappingReport(
        "gpu" if built.document.dla is None else "dla", f"TensorRT {facts.tensorrt}", placements,
        {"gpu": facts.gpu, "compute_capability": facts.compute_capability, "multiprocessors": facts.multiprocessors},
    )  # fmt: skip
