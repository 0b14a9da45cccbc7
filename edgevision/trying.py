"""The last stage of looking at a device: a model of one operator is run on it, in a process of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from edgevision.artifact import Artifact
from edgevision.benchmark.child import run_fresh
from edgevision.converters.edgetpu import TOOL, compile_edgetpu
from edgevision.device_string import parse_device
from edgevision.devices.base import Device, Trial
from edgevision.errors import BackendUnavailableError, DeviceNotFoundError, EdgeVisionError
from edgevision.registry import Row, runtime_rows
from edgevision.runtimes.base import implementation_of
from edgevision.tiny_models import tiny_openvino, tiny_tflite

TIMEOUT_S = 60.0
_MODELS: Mapping[str, Callable[[Path], Path]] = {"tflite": tiny_tflite, "openvino": tiny_openvino}


def try_devices(
    devices: Iterable[Device], model: Artifact | None = None, *, timeout_s: float = TIMEOUT_S
) -> tuple[Device, ...]:
    """Run a test inference on each device that is available, with each runtime that is here and drives it.

    Args:
        devices: From `edgevision.devices.discover`.
        model: What to run where a runtime takes its format; None for models that are made here. An Edge TPU needs one
            (``*_edgetpu.tflite``) unless its compiler is here.
        timeout_s: Seconds for each inference, its process and the loading of the runtime included.

    Returns:
        The devices, with their trials. One on which every trial failed is unusable, for the reason of the first.
    """
    with tempfile.TemporaryDirectory() as folder:
        return tuple(_tried(device, model, Path(folder), timeout_s) for device in devices)


def _tried(device: Device, model: Artifact | None, folder: Path, timeout_s: float) -> Device:
    if device.state != "available":
        return device
    trials = tuple(_trials(device, model, folder, timeout_s))
    tried = replace(device, trials=trials)
    run = [trial for trial in trials if trial.state != "not tested"]
    if not run or any(trial.state == "passed" for trial in run):
        return tried
    first = run[0]
    return replace(
        tried, state="unusable", stage="inference", reason=f"{first.runtime}: {first.reason}",
        fix="edgevision devices --test --debug; the runtime's own test program tells whether it is the driver",
    )  # fmt: skip


def _trials(device: Device, model: Artifact | None, folder: Path, timeout_s: float) -> list[Trial]:
    try:
        kind = parse_device(device.device).kind
    except DeviceNotFoundError:
        return [Trial(None, "not tested", "edgevision runs no models there")]
    rows = [row for row in runtime_rows() if kind in row.devices and row.formats]
    rows = [row for row in rows if not device.runtimes or row.name in device.runtimes]
    here = [row for row in rows if implementation_of(row).availability().available]
    found = [trial for row in here if (trial := _with(row, model, device.device, folder, timeout_s)) is not None]
    if found:
        return found
    if not here:
        installs = [f"{row.name}: {implementation_of(row).availability().install}" for row in rows]
        return [Trial(None, "not tested", f"no runtime for it is installed ({'; '.join(installs) or 'there is none'})")]
    formats = ", ".join(row.formats[0] for row in here)
    return [Trial(None, "not tested", f"edgevision makes no small model in {formats}: give one with --model")]


def _with(row: Row, model: Artifact | None, name: str, folder: Path, timeout_s: float) -> Trial | None:
    try:
        artifact = _artifact(row, model, folder)
    except EdgeVisionError as exc:
        return Trial(row.name, "not tested", str(exc))
    return None if artifact is None else _trial(row.name, artifact, name, timeout_s)


def _artifact(row: Row, model: Artifact | None, folder: Path) -> Artifact | None:
    """Return the model that a runtime is tried with; None where another runtime is tried with what it takes."""
    if model is not None and model.manifest.format == row.formats[0]:
        return model
    make = _MODELS.get(row.formats[0])
    if make is not None:
        return Artifact.describe(make(folder))
    if row.formats[0] != "edgetpu":
        return None
    if shutil.which(TOOL) is None:
        raise BackendUnavailableError(
            "no model that is compiled for an Edge TPU",
            next_step=f"give one with --model FILE_edgetpu.tflite, or put {TOOL} on the PATH",
        )
    compiled = folder / "tiny_edgetpu.tflite"
    compiled.write_bytes(compile_edgetpu([tiny_tflite(folder)])[0].content)
    return Artifact.describe(compiled)


def _trial(runtime: str, artifact: Artifact, device: str, timeout_s: float) -> Trial:
    try:
        run = run_fresh(artifact, runtime, device, timeout_s=timeout_s)
    except EdgeVisionError as exc:
        return Trial(runtime, "failed", str(exc))
    return Trial(runtime, "passed", load_ms=run.load_ms, first_ms=run.first_ms)
