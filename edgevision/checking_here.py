"""Whether a model runs on a device of this machine: it is loaded there, and the runtime says where operators run."""

from __future__ import annotations

from dataclasses import replace

from edgevision.artifact import Artifact
from edgevision.benchmark.child import run_fresh
from edgevision.device_string import parse_device
from edgevision.devices.checking import NO, PARTLY, RUNS, Check, Reason, check_model, operator_reasons
from edgevision.devices.profile import Way, profile_here
from edgevision.errors import EdgeVisionError
from edgevision.graphs import read_graph
from edgevision.mapping import NOWHERE, MappingReport, Placement
from edgevision.runtimes.base import CompiledModel, Mapped, load

TIMEOUT_S = 120.0


def check_here(artifact: Artifact, device: str = "cpu") -> Check:
    """Load a model onto a device, and tell where each of its operators runs there.

    The report is the runtime's own where it has one (OpenVINO's ``query_model``, a file that is compiled for an Edge
    TPU); else the runtime took the whole model. A bare file is first loaded and run once in a process of its own.

    Args:
        artifact: The model.
        device: A device string; that of a device that is not here makes a check that says so.

    Raises:
        DeviceNotFoundError: No device string.
    """
    kind = parse_device(device).kind
    try:
        if artifact.bare:
            run_fresh(artifact, None, device, timeout_s=TIMEOUT_S)
        with load(artifact, device) as model:
            found = _check(artifact, device, str(model.facts["runtime"]), _report(artifact, device, model))
    except EdgeVisionError as exc:
        found = Check(device, NO, None, (Reason("device", str(exc)),), None)
    return _with_limits(found, artifact) if kind == "cpu" and found.way is not None else found


def _report(artifact: Artifact, device: str, model: CompiledModel) -> MappingReport:
    if isinstance(model, Mapped):
        return model.report()
    nodes = read_graph(artifact.model_file).nodes
    by = f"{model.facts['package']} {model.facts['version'] or ''}".strip()
    return MappingReport(device, by, tuple(Placement(node.index, node.kind, node.name, device) for node in nodes))


def _check(artifact: Artifact, device: str, runtime: str, mapping: MappingReport) -> Check:
    reasons = operator_reasons(mapping)
    nowhere = any(placed.target == NOWHERE for placed in mapping.placements)
    verdict = NO if nowhere else PARTLY if reasons else RUNS
    format_ = artifact.manifest.format
    way = Way(runtime, format_, format_, mapping.accelerator, not nowhere, f"{runtime} loaded it here")
    return Check(device, verdict, way, reasons, mapping)


def _with_limits(found: Check, artifact: Artifact) -> Check:
    """Add what is known of this processor without the runtime: memory, and what the installation lacks."""
    predicted = check_model(read_graph(artifact.model_file), profile_here())
    limits = tuple(reason for reason in predicted.reasons if reason.kind in ("memory", "storage", "install"))
    short = any(reason.kind != "install" for reason in limits)
    return replace(found, verdict=NO if short else found.verdict, reasons=(*limits, *found.reasons))
