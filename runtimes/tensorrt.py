"""TensorRT engines, on an NVIDIA GPU or the DLA of a Jetson.

None of this has met the hardware: see docs/jetson.md for what was tested instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.device_string import parse_device
from edgevision.engine import (
    INSTALL,
    EngineDocument,
    check_engine,
    facts_here,
    read_engine_document,
    tensorrt_package,
)
from edgevision.errors import (
    BackendUnavailableError,
    DeviceNotFoundError,
    EdgeVisionError,
    IncompatibleModelError,
    InferenceError,
)
from edgevision.magic import check_format
from edgevision.runtimes.base import Availability, CompiledModel
from edgevision.runtimes.settle import FileTensor, attempt, batch_option, fix_batch, settle, threads_option
from edgevision.tensors import Array, TensorSpec

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.cuda import Cuda, PinnedBuffer

MINIMUM = (8, 5)
"""The release that brought tensors by name (``execute_async_v3``)."""

_DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "INT8": "int8", "INT32": "int32", "INT64": "int64", "UINT8": "uint8",
    "BOOL": "bool",
}  # fmt: skip
"""TensorRT's types that numpy has."""


@dataclass(frozen=True)
class _Side:
    """Inputs or outputs in the manifest's order, with the names that the engine knows them by."""

    specs: tuple[TensorSpec, ...]
    names: tuple[str, ...]


class TensorRTRuntime:
    """Runs TensorRT engines on the GPU or on the DLA that they were built for.

    Options: ``threads``, of the host, where it computes nothing; ``batch``, which an engine has fixed.
    """

    name = "tensorrt"

    def availability(self) -> Availability:
        """Say whether TensorRT's Python package is here."""
        state = Availability.of("tensorrt", "tensorrt")
        return state if state.available else Availability(False, "tensorrt", install=INSTALL)

    def load(self, artifact: Artifact, device: str, options: Mapping[str, Any]) -> CompiledModel:
        """Compare where the engine was built with this machine, then load it and allocate its buffers."""
        from edgevision.cuda import Cuda

        threads, batch = threads_option(options), batch_option(options)
        check_format(artifact.model_file, "tensorrt")
        vendor = _vendor()
        where = parse_device(device)
        document = read_engine_document(artifact)
        _check_kind(artifact, document, where.kind)
        cuda = Cuda(where.index or 0 if where.kind == "gpu" else 0)
        here = facts_here(cuda, str(vendor.__version__))
        if document is not None:
            check_engine(artifact, document, here)
        logger = _logger(vendor)
        runtime = attempt("TensorRT does not start", BackendUnavailableError, vendor.Runtime, logger)
        if where.kind == "dla":
            _choose_core(runtime, where.index or 0)
        engine = _deserialized(runtime, artifact, logger)
        what = f"{artifact.manifest.name}: TensorRT has no context for the engine"
        context = attempt(what, InferenceError, engine.create_execution_context)
        if context is None:
            raise InferenceError(what, got=logger.last[:200] or "no reason", next_step="free memory of the GPU")
        inputs = _settled(vendor, engine, artifact, "input", batch)
        outputs = _settled(vendor, engine, artifact, "output", batch)
        facts = {
            "package": "tensorrt", "version": str(vendor.__version__), "device": device, "threads": threads,
            "precision": artifact.manifest.scheme or "as built", "gpu": here.gpu,
            "compute_capability": here.compute_capability, "l4t": here.l4t, "jetpack": here.jetpack,
        }  # fmt: skip
        return TensorRTModel(cuda, runtime, engine, context, inputs, outputs, facts)


class TensorRTModel(CompiledModel):
    """An engine with its context, a stream, and a pinned buffer and a device buffer for each tensor."""

    def __init__(
        self, cuda: Cuda, runtime: Any, engine: Any, context: Any, inputs: _Side, outputs: _Side,
        facts: Mapping[str, Any],
    ) -> None:  # fmt: skip
        super().__init__(inputs.specs, outputs.specs, facts)
        self._cuda = cuda
        self._vendor: Any = (runtime, engine, context)  # they refer to each other
        self._context = context
        self._stream = cuda.stream()
        self._buffers: list[PinnedBuffer] = []
        try:
            self._ins = [self._bind(*one) for one in zip(inputs.names, inputs.specs, strict=True)]
            self._outs = [self._bind(*one) for one in zip(outputs.names, outputs.specs, strict=True)]
        except BaseException:
            self._release()
            raise

    def _bind(self, name: str, spec: TensorSpec) -> PinnedBuffer:
        from edgevision.cuda import PinnedBuffer

        buffer = PinnedBuffer(self._cuda, tuple(length or 0 for length in spec.shape), spec.dtype)
        self._buffers.append(buffer)
        if not self._context.set_tensor_address(name, buffer.device):
            raise InferenceError(f"TensorRT does not take the buffer of {name}", got=str(spec))
        return buffer

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        self._cuda.select()  # which GPU is a thread's own matter
        for buffer, array in zip(self._ins, inputs, strict=True):
            np.copyto(buffer.array, array)
            buffer.send(self._stream)
        if not self._context.execute_async_v3(self._stream):
            raise InferenceError("TensorRT did not start the inference", next_step="load the model again")
        for buffer in self._outs:
            buffer.fetch(self._stream)
        self._cuda.synchronize(self._stream)
        return tuple(buffer.array.copy() for buffer in self._outs)

    def _release(self) -> None:
        self._context = self._vendor = None
        with suppress(EdgeVisionError):  # a GPU that is gone has nothing to give back
            self._cuda.select()
            self._cuda.synchronize(self._stream)
        for buffer in self._buffers:
            with suppress(EdgeVisionError):
                buffer.free()
        self._buffers = []
        with suppress(EdgeVisionError):
            self._cuda.destroy_stream(self._stream)


def _vendor() -> Any:
    """Return the package; raise BackendUnavailableError where it is not here, or older than what is called."""
    vendor = tensorrt_package()
    version = str(vendor.__version__)
    if tuple(int(part) for part in version.split(".")[:2]) < MINIMUM:
        raise BackendUnavailableError(
            "TensorRT is too old", got=version, allowed="8.5 and newer", next_step="flash JetPack 5.1 or newer"
        )
    return vendor


def _check_kind(artifact: Artifact, document: EngineDocument | None, kind: str) -> None:
    wanted = None if document is None else parse_device(document.device).kind
    if wanted is not None and wanted != kind:
        raise IncompatibleModelError(
            f"{artifact.manifest.name}: the engine was built for another device", got=kind,
            allowed=document.device if document else wanted,
        )  # fmt: skip


def _choose_core(runtime: Any, core: int) -> None:
    if core >= runtime.num_DLA_cores:
        cores = [f"dla:{index}" for index in range(runtime.num_DLA_cores)]
        raise DeviceNotFoundError("no such DLA core", got=f"dla:{core}", allowed=cores or "none is here")
    runtime.DLA_core = core


def _logger(vendor: Any) -> Any:
    """Return a logger of the vendor's that keeps warnings off the screen and the last error for `_deserialized`."""

    class Logger(vendor.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            vendor.ILogger.__init__(self)
            self.last = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (vendor.ILogger.Severity.ERROR, vendor.ILogger.Severity.INTERNAL_ERROR):
                self.last = message

    return Logger()


def _deserialized(runtime: Any, artifact: Artifact, logger: Any) -> Any:
    what = f"TensorRT refuses {artifact.model_file.name}"
    content = artifact.model_file.read_bytes()
    engine = attempt(what, IncompatibleModelError, runtime.deserialize_cuda_engine, content)
    if engine is None:
        raise IncompatibleModelError(
            what, got=logger.last[:200] or "no reason",
            next_step="build the engine on this machine: edgevision convert MODEL --to tensorrt",
        )  # fmt: skip
    return engine


def _tensors(vendor: Any, engine: Any, side: str) -> list[FileTensor]:
    mode = vendor.TensorIOMode.INPUT if side == "input" else vendor.TensorIOMode.OUTPUT
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    found = []
    for name in names:
        if engine.get_tensor_mode(name) == mode:
            shape = tuple(None if length < 0 else int(length) for length in engine.get_tensor_shape(name))
            kind = str(engine.get_tensor_dtype(name)).rpartition(".")[2]
            found.append(FileTensor((str(name),), shape, _DTYPES.get(kind, kind.lower())))
    return found


def _settled(vendor: Any, engine: Any, artifact: Artifact, side: str, batch: int | None) -> _Side:
    """Return one side of the engine; raise IncompatibleModelError for open dimensions, which nothing here builds."""
    found = _tensors(vendor, engine, side)
    opened = next((tensor for tensor in found if None in tensor.shape), None)
    if opened is not None:
        raise IncompatibleModelError(
            f"{artifact.manifest.name}: {side} {opened.names[0]} of the engine has an open dimension",
            got=list(opened.shape), next_step="build the engine from an ONNX file with fixed shapes",
        )  # fmt: skip
    stated = artifact.manifest.inputs if side == "input" else artifact.manifest.outputs
    settled = settle(artifact, side, stated, found)
    specs = fix_batch(settled.specs, batch) if side == "input" else settled.specs
    return _Side(specs, tuple(found[position].names[0] for position in settled.order))
