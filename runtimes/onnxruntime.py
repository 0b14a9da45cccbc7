"""ONNX files, on the processor, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from edgevision.artifact import Artifact
from edgevision.errors import ArtifactError, BackendUnavailableError, ConfigError, IncompatibleModelError, check_choice
from edgevision.magic import check_format
from edgevision.optional import require, version
from edgevision.runtimes.base import Availability, CompiledModel
from edgevision.runtimes.settle import (
    FileTensor,
    Settled,
    all_cores,
    attempt,
    batch_option,
    filled,
    fix_batch,
    settle,
    threads_option,
)
from edgevision.tensors import Array

OPTIMIZATIONS = {
    "all": "ORT_ENABLE_ALL",
    "extended": "ORT_ENABLE_EXTENDED",
    "basic": "ORT_ENABLE_BASIC",
    "none": "ORT_DISABLE_ALL",
}
"""What the option ``graph_optimization`` may be -> the vendor's level."""

PROVIDERS = (
    "CPUExecutionProvider",
    "XnnpackExecutionProvider",
    "DnnlExecutionProvider",
    "ACLExecutionProvider",
    "OpenVINOExecutionProvider",
)
"""Execution providers that compute on the processor; the vendor's own wheel has the first one."""

_DTYPES = {"float": "float32", "double": "float64"}
"""ONNX Runtime's names of types that numpy calls otherwise."""

_ERRORS_ONLY = 3


class ONNXRuntime:
    """Runs ONNX files on the processor.

    Options: ``threads``, ``batch``; ``providers``, the vendor's execution providers in the order of preference, of
    `PROVIDERS` (the first takes what it can of the model, the next what is left); ``graph_optimization``: "all",
    "extended", "basic" or "none".
    """

    name = "onnxruntime"
    exact = MappingProxyType({"graph_optimization": "none"})

    def availability(self) -> Availability:
        """Say whether ONNX Runtime is here."""
        return Availability.of("onnxruntime", "onnxruntime")

    def load(self, artifact: Artifact, device: str, options: Mapping[str, Any]) -> CompiledModel:
        """Read the model, fix its open dimensions, optimize its graph."""
        threads, batch = threads_option(options), batch_option(options)
        level = options.get("graph_optimization", "all")
        check_choice("option graph_optimization", level, OPTIMIZATIONS)
        names = _providers_option(options.get("providers", PROVIDERS[:1]))
        check_format(artifact.model_file, "onnx")
        vendor = require("onnxruntime")
        vendor.disable_telemetry_events()
        providers = _providers(vendor, names)
        # A count is said even for all cores: left to itself, the vendor would tie threads to cores.
        count = all_cores() if threads is None else threads
        settings = _settings(vendor, count, level)
        session = _session(vendor, artifact, settings, providers)
        inputs = _settle(artifact, "input", session.get_inputs())
        fixed = Settled(fix_batch(inputs.specs, batch), inputs.order)
        lengths = _open_axes(session.get_inputs(), fixed)
        if lengths:
            for axis, length in lengths.items():
                settings.add_free_dimension_override_by_name(axis, length)
            session = _session(vendor, artifact, settings, providers)
        outputs = _settle(artifact, "output", session.get_outputs())
        facts = {
            "package": "onnxruntime",
            "version": version("onnxruntime"),
            "device": device,
            "threads": count,
            "precision": "as stored",
            "providers": list(session.get_providers()),
            "graph_optimization": level,
        }
        return ONNXModel(session, fixed, outputs, facts)


class ONNXModel(CompiledModel):
    """A session of ONNX Runtime, with the names that it knows inputs and outputs by."""

    def __init__(self, session: Any, inputs: Settled, outputs: Settled, facts: Mapping[str, Any]) -> None:
        super().__init__(inputs.specs, outputs.specs, facts)
        self.session = session
        ins, outs = session.get_inputs(), session.get_outputs()
        self._input_names = tuple((i, str(ins[position].name)) for i, position in enumerate(inputs.order))
        self._output_names = [str(outs[position].name) for position in outputs.order]

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        feed = {name: inputs[place] for place, name in self._input_names}
        return tuple(self.session.run(self._output_names, feed))

    def _release(self) -> None:
        self.session = None


def _providers_option(value: Any) -> tuple[str, ...]:
    """Return the names as a tuple; raise ConfigError unless they are some of `PROVIDERS`, each once."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ConfigError("option providers", got=repr(value), allowed="a list of names")
    for name in value:
        check_choice("option providers", name, PROVIDERS)
    if len(set(value)) < len(value):
        raise ConfigError("option providers names one twice", got=", ".join(value))
    return tuple(value)


def _providers(vendor: Any, names: Sequence[str]) -> list[str]:
    """Return the providers; raise BackendUnavailableError where the vendor was built without one."""
    here = vendor.get_available_providers()
    for name in names:
        if name not in here:
            raise BackendUnavailableError(
                "the installed onnxruntime has no such execution provider", got=name,
                allowed=[known for known in PROVIDERS if known in here],
                next_step="install a build of onnxruntime that has it",
            )  # fmt: skip
    return list(names)


def _settings(vendor: Any, threads: int, level: str) -> Any:
    settings = vendor.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1  # operators come one after another
    settings.graph_optimization_level = getattr(vendor.GraphOptimizationLevel, OPTIMIZATIONS[level])
    settings.log_severity_level = _ERRORS_ONLY
    return settings


def _session(vendor: Any, artifact: Artifact, settings: Any, providers: Sequence[str]) -> Any:
    """Open the file; where the vendor would go on without a provider that was asked for, raise."""
    name = artifact.model_file.name
    unreadable = require("onnxruntime.capi.onnxruntime_pybind11_state").InvalidProtobuf

    def build() -> Any:
        try:
            return vendor.InferenceSession(str(artifact.model_file), settings, providers=list(providers))
        except unreadable as exc:
            raise ArtifactError(f"{name} is damaged: {exc}") from exc

    session = attempt(f"onnxruntime refuses {name}", IncompatibleModelError, build)
    used = session.get_providers()
    if used[: len(providers)] != list(providers):
        raise BackendUnavailableError(
            "onnxruntime went on without an execution provider", got=", ".join(used), allowed=providers,
            next_step="leave it out of the option providers, or install what it needs",
        )  # fmt: skip
    return session


def _settle(artifact: Artifact, side: str, ends: Sequence[Any]) -> Settled:
    found = [_file_tensor(end) for end in ends]
    stated = artifact.manifest.inputs if side == "input" else artifact.manifest.outputs
    return filled(settle(artifact, side, stated, found), found)


def _open_axes(ends: Sequence[Any], fixed: Settled) -> dict[str, int]:
    """Return the file's names of open axes of inputs -> the length that each is fixed at."""
    return {
        axis: length
        for spec, position in zip(fixed.specs, fixed.order, strict=True)
        for axis, length in zip(ends[position].shape, spec.shape, strict=True)
        if isinstance(axis, str) and length is not None
    }


def _file_tensor(end: Any) -> FileTensor:
    kind = str(end.type).removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else None for size in end.shape)
    return FileTensor((str(end.name),), shape, _DTYPES.get(kind, kind))
