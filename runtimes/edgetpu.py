"""Models that were compiled for a Coral Edge TPU: tflite-runtime with libedgetpu as its delegate.

What can be wrong is looked at in this order, before anything of it is handed to the vendor's code: the file is
compiled, the library is here, its TFLite is that of tflite-runtime, the model does not ask for a newer library, the
Edge TPU is plugged in and may be opened. A pair of which nothing is known is tried in a process of its own, since a
wrong one crashes; that holds for ai-edge-litert always.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgevision.artifact import Artifact
from edgevision.device_string import parse_device
from edgevision.errors import (
    BackendUnavailableError,
    ConfigError,
    IncompatibleModelError,
    InferenceError,
    check_choice,
    reason_of,
)
from edgevision.graphs import Graph, read_graph
from edgevision.graphs.edgetpu import compiled_mapping, inspect_compiled
from edgevision.libedgetpu import TFLITE, accepted, mismatch, remedy
from edgevision.mapping import MappingReport
from edgevision.optional import available, version
from edgevision.runtimes.base import Availability, CompiledModel
from edgevision.runtimes.edgetpu_library import EdgeTpuLibrary, Seat
from edgevision.runtimes.tflite import PACKAGES, TFLiteRuntime, tflite_library
from edgevision.tensors import Array

LITERT = "ai-edge-litert"
TRIAL_S = 60.0
_TRIAL = """
import importlib, sys
module, library, device, model = sys.argv[1:]
vendor = importlib.import_module(module + ".interpreter")
delegate = vendor.load_delegate(library, {"device": device})
interpreter = vendor.Interpreter(model_path=model, experimental_delegates=[delegate])
interpreter.allocate_tensors()
interpreter.invoke()
"""


class EdgeTPURuntime:
    """Runs compiled TFLite files on an Edge TPU, and the operators that were left to the processor there.

    Options: ``threads`` of the processor, ``batch``; ``package``, "tflite-runtime" where it is installed, or
    "ai-edge-litert"; ``delegate``, the path of libedgetpu where the system's loader
    does not find it; ``delegate_options`` for it ("Performance", "Usb.AlwaysDfu", "Usb.MaxBulkInQueueLength").
    """

    name = "edgetpu"

    def availability(self) -> Availability:
        """Say which package would run: whether libedgetpu is here, and which, is looked at when a model is loaded."""
        return Availability.of(_package(None), PACKAGES[_package(None)])

    def load(self, artifact: Artifact, device: str, options: Mapping[str, Any]) -> CompiledModel:
        """Look at the file, the library, their versions and the device; then make the delegate."""
        graph = _compiled_graph(artifact)
        settings, package = _settings(options), _package(options.get("package"))
        tflite_library(package)  # raises where TensorFlow is loaded, beside which tflite-runtime does not work
        library = EdgeTpuLibrary(options.get("delegate"))
        known = _check_pair(library, package)
        _check_runtime_of(library, graph, artifact)
        seat = library.seat(parse_device(device))
        if not known:
            _try_alone(library, package, seat, artifact.model_file)
        vendor = {
            **{name: options[name] for name in ("threads", "batch") if name in options}, "package": package,
            "delegate": library.path, "delegate_options": {**settings, "device": seat.option},
        }  # fmt: skip
        try:
            inner = TFLiteRuntime().load(artifact, device, vendor)
        except BackendUnavailableError as exc:
            raise BackendUnavailableError(
                f"libedgetpu does not open {device}: {exc.what}",
                next_step="another process may hold it (one at a time can); else unplug it, plug it in again, and see "
                "dmesg",
            ) from exc
        return EdgeTPUModel(inner, library, seat, graph)


class EdgeTPUModel(CompiledModel):
    """A model on an Edge TPU. After an inference that failed it has to be loaded again."""

    def __init__(self, inner: CompiledModel, library: EdgeTpuLibrary, seat: Seat, graph: Graph) -> None:
        mapping = compiled_mapping(graph)
        tokens = sorted({part.caching_token for part in inspect_compiled(graph)})
        facts = {
            **inner.facts, "device_path": seat.path, "libedgetpu": library.version,
            "libedgetpu_package": library.package, **mapping.facts, "caching_tokens": tokens,
        }  # fmt: skip
        super().__init__(inner.inputs, inner.outputs, facts)
        self._inner, self._library, self._seat, self._mapping = inner, library, seat, mapping
        self._broken = False

    def report(self) -> MappingReport:
        """Return where each operator of the file runs; those that were compiled are one."""
        return self._mapping

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        if self._broken:
            raise InferenceError(f"coral:{self._seat.option} failed before", next_step="load the model again")
        try:
            return self._inner._run(inputs)
        except Exception as exc:
            self._broken = True
            raise self._failure(exc) from exc

    def _failure(self, error: Exception) -> InferenceError:
        name, reason = f"coral:{self._seat.option}", reason_of(error)
        if self._seat not in self._library.seats():
            step = "plug it in again, into a port of its own without a hub, then load the model again"
            return InferenceError(f"{name} vanished during inference: {reason}", next_step=step)
        step = "load the model again; where it fails again: another cable or port, cooling, and dmesg"
        return InferenceError(f"{name} failed during inference: {reason}", next_step=step)

    def _release(self) -> None:
        self._inner.close()


def _compiled_graph(artifact: Artifact) -> Graph:
    """Return the graph of a sound compiled file; raises IncompatibleModelError for one that is not compiled."""
    if artifact.manifest.format != "edgetpu":
        raise IncompatibleModelError(
            f"{artifact.model_file.name} is not compiled for the Edge TPU: it would run on the processor",
            got=artifact.manifest.format, allowed="edgetpu",
            next_step="compile it: edgevision compile MODEL --target edgetpu; what would be mapped: edgevision check "
            "MODEL --profile coral-usb",
        )  # fmt: skip
    return read_graph(artifact.model_file)


def _settings(options: Mapping[str, Any]) -> Mapping[str, Any]:
    chosen = options.get("delegate_options") or {}
    if not isinstance(chosen, Mapping):
        raise ConfigError("option delegate_options", got=type(chosen).__name__, allowed="a mapping")
    if "device" in chosen:
        raise ConfigError("option delegate_options: the device is the device string's", got=chosen["device"])
    return chosen


def _package(wanted: Any) -> str:
    """Return the one that is asked for, else tflite-runtime, or ai-edge-litert where that is not installed."""
    if wanted is not None:
        check_choice("option package", wanted, (TFLITE, LITERT))
        return str(wanted)
    return TFLITE if available(PACKAGES[TFLITE]) or not available(PACKAGES[LITERT]) else LITERT


def _check_pair(library: EdgeTpuLibrary, package: str) -> bool:
    """Return whether library and package are known to work together; raises where they are known not to."""
    here = version(package) or ""
    if library.package is None or package != TFLITE:
        return False
    wrong = mismatch(library.package, here)
    if wrong:
        raise BackendUnavailableError(f"{wrong}: this pair crashes", next_step=remedy(here))
    return accepted(library.package) is not None


def _check_runtime_of(library: EdgeTpuLibrary, graph: Graph, artifact: Artifact) -> None:
    needed = max(part.runtime_version for part in inspect_compiled(graph))
    if library.runtime_version is not None and needed > library.runtime_version:
        raise IncompatibleModelError(
            f"{artifact.model_file.name} is compiled for Edge TPU runtime {needed}", got=library.runtime_version,
            allowed=f"{needed} or newer",
            next_step="install a newer libedgetpu, or compile it for this one: edgevision compile MODEL --target "
            f"edgetpu --min-runtime-version {library.runtime_version}",
        )  # fmt: skip


def _try_alone(library: EdgeTpuLibrary, package: str, seat: Seat, model: Path) -> None:
    """Raise where the library crashes with the model; what fails without a crash is told when it is loaded here."""
    command = [sys.executable, "-c", _TRIAL, PACKAGES[package], library.path, seat.option, str(model)]
    here = version(package) or ""
    step = remedy(here) if package == TFLITE else "use tflite-runtime (Python 3.11 or older) and a libedgetpu for it"
    try:
        done = subprocess.run(command, capture_output=True, timeout=TRIAL_S, check=False)
    except subprocess.TimeoutExpired as exc:
        what = f"{library.path} does not answer with {package} {here}: no inference within {TRIAL_S:g} s"
        raise BackendUnavailableError(what, next_step=step) from exc
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise BackendUnavailableError(
            f"{library.path} crashes with {package} {here}: {name} in a trial", next_step=step
        )
