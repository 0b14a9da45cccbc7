"""The seam between edgevision and every inference library: `load` an artifact, `infer` on stored tensors."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from edgevision.artifact import Artifact
from edgevision.device_string import DeviceString, parse_device
from edgevision.errors import (
    BackendUnavailableError,
    DeviceNotFoundError,
    EdgeVisionError,
    IncompatibleModelError,
    InferenceError,
    InputError,
    check_choice,
    reason_of,
)
from edgevision.mapping import MappingReport
from edgevision.optional import available, install_command, version
from edgevision.registry import Row, resolve, runtime_rows
from edgevision.tensors import Array, TensorSpec, check_tensor

_Model = TypeVar("_Model", bound="CompiledModel")


@dataclass(frozen=True)
class Availability:
    """Whether a runtime's package is here.

    Attributes:
        available: Whether it is.
        package: The distribution that would run ("ai-edge-litert").
        version: Its version; None when it is not here.
        install: The command that installs it; None when it is here.
    """

    available: bool
    package: str
    version: str | None = None
    install: str | None = None

    @classmethod
    def of(cls, package: str, *modules: str) -> Availability:
        """Return that of a distribution, which is here where all these modules can be imported; imports none."""
        if all(map(available, modules)):
            return cls(True, package, version(package))
        return cls(False, package, install=install_command(modules[0]))


class Runtime(Protocol):
    """Software that runs models: what a registry row's target is, or makes when it is a class."""

    name: str

    def availability(self) -> Availability:
        """Say whether the package is here, without importing it."""
        ...

    def load(self, artifact: Artifact, device: str, options: Mapping[str, Any]) -> CompiledModel:
        """Load a model onto a device; ``options`` have known names (their values are checked here)."""
        ...


@runtime_checkable
class Variants(Protocol):
    """A runtime that can compute a model in more than one way.

    Attributes:
        exact: Options under which it computes as plainly as it can: reference kernels, full precision.
    """

    exact: Mapping[str, Any]


@runtime_checkable
class Mapped(Protocol):
    """A loaded model that can say where each of its operators runs."""

    def report(self) -> MappingReport:
        """Return where each operator runs."""
        ...


class CompiledModel(ABC):
    """A model that is loaded and ready: stored tensors in, stored tensors out.

    A context manager. Use one for each thread; calls from several threads are right, one after another.

    Attributes:
        inputs: Specifications of the inputs, in the order that `infer` takes them; no open dimensions.
        outputs: Specifications of the outputs, in the order that `infer` returns them.
        facts: What runs it: runtime, package, version, device, threads, precision actually used, and more.
    """

    def __init__(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], facts: Mapping[str, Any]) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.facts: Mapping[str, Any] = MappingProxyType(dict(facts))
        self._lock = threading.Lock()
        self._closed = False
        self._count = len(self.inputs)
        # The hot path walks this tuple: zip(strict=True) alone would cost a microsecond.
        self._expected = tuple((i, np.dtype(spec.dtype), spec.shape) for i, spec in enumerate(self.inputs))

    def infer(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """Run the model once.

        Args:
            inputs: A list or tuple with one array for each of `inputs`, in that order, of exactly its dtype and
                shape. Nothing is cast, quantized or transposed here; they need not be contiguous and are never
                changed.

        Returns:
            One new array for each of `outputs`, of its dtype and shape; the caller owns them.

        Raises:
            InputError: Wrong number, dtype or shape.
            InferenceError: The model is closed, or the runtime failed.
        """
        with self._lock:
            if self._closed:
                raise InferenceError("the model is closed", next_step="load it again")
            if not isinstance(inputs, (list, tuple)) or len(inputs) != self._count:
                self._check(inputs)
            for index, dtype, shape in self._expected:
                array = inputs[index]
                if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
                    self._check(inputs)
            try:
                return self._run(inputs)
            except EdgeVisionError:
                raise
            except Exception as exc:
                raise InferenceError(f"{self.facts.get('package', 'the runtime')} failed: {reason_of(exc)}") from exc

    def close(self) -> None:
        """Free the model, after a running `infer` has ended. Closing twice does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._release()

    def __enter__(self: _Model) -> _Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, inputs: Any) -> None:
        """Raise InputError unless they are what `infer` takes."""
        if not isinstance(inputs, (list, tuple)):
            kind = type(inputs).__name__
            raise InputError("infer takes a list or tuple of tensors, one for each input", got=kind)
        if len(inputs) != len(self.inputs):
            names = ", ".join(spec.name for spec in self.inputs)
            raise InputError(f"wrong number of inputs, the model has {len(self.inputs)} ({names})", got=len(inputs))
        for array, spec in zip(inputs, self.inputs, strict=True):
            check_tensor(array, spec)

    @abstractmethod
    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """Run checked inputs, under the lock; return arrays that nothing else holds."""

    @abstractmethod
    def _release(self) -> None:
        """Let go of the vendor's objects; called once."""


def load(
    artifact: Artifact, device: str = "cpu", *, runtime: str | None = None, options: Mapping[str, Any] | None = None
) -> CompiledModel:
    """Load an artifact onto a device.

    Args:
        artifact: The model.
        device: Where; see `edgevision.device_string`. Never another one than asked for.
        runtime: What runs it; None for the first registered runtime that has the format on that device and whose
            package is here.
        options: ``threads`` (1 by default, None for all), ``batch`` (length of an open batch axis, 1 by default),
            and what else the runtime's registry row names.

    Raises:
        ConfigError: Unknown runtime or option, or a value that makes no sense.
        DeviceNotFoundError: No such device, or it is not here.
        IncompatibleModelError: The runtime does not have the format, or refuses the model.
        BackendUnavailableError: The runtime's package is not installed.
        ArtifactError: The model file is damaged, or its manifest says otherwise.
    """
    where = parse_device(device)
    if where.host is not None:
        raise DeviceNotFoundError("a device of another machine is not loaded from here", got=device, allowed="cpu")
    row = _named_row(runtime, artifact, where) if runtime is not None else _first_row(artifact, where)
    chosen = dict(options or {})
    for name in chosen:
        check_choice(f"option of runtime {row.name}", name, row.options)
    implementation = implementation_of(row)
    state = implementation.availability()
    if not state.available:
        others = [name for name in available_runtimes(artifact, device) if name != row.name]
        instead = f", or choose a runtime that is here: {', '.join(others)}" if others else ""
        raise BackendUnavailableError(
            f"runtime {row.name} needs {state.package}, which is not installed",
            next_step=f"install it: {state.install}{instead}",
        )
    model = implementation.load(artifact, where.local, chosen)
    model.facts = MappingProxyType({"runtime": row.name, **model.facts})
    return model


def available_runtimes(model: Artifact | str | None = None, device: str = "cpu") -> tuple[str, ...]:
    """Names of the runtimes whose packages are here and that have the format on the device, in registry order.

    Args:
        model: An artifact or a format ("tflite"); None for any format.
        device: A device string; the device itself is not probed.
    """
    kind = parse_device(device).kind
    format_ = model.manifest.format if isinstance(model, Artifact) else model
    rows = [row for row in runtime_rows() if kind in row.devices and (format_ is None or format_ in row.formats)]
    return tuple(row.name for row in rows if implementation_of(row).availability().available)


def check_runtime(name: str, artifact: Artifact, device: str = "cpu") -> None:
    """Raise as `load` does for a runtime that is not known, or that does not have the format on the device."""
    _named_row(name, artifact, parse_device(device))


def exact_options(name: str) -> Mapping[str, Any] | None:
    """Return the options under which a runtime computes as plainly as it can; None where it has one way only."""
    runtime = implementation_of(next(row for row in runtime_rows() if row.name == name))
    return {"threads": 1, **runtime.exact} if isinstance(runtime, Variants) else None


def implementation_of(row: Row) -> Runtime:
    """The runtime behind a registry row; its module is imported, its vendor's package is not."""
    target = resolve(row.target)
    implementation: Runtime = target() if isinstance(target, type) else target
    return implementation


def _named_row(name: str, artifact: Artifact, where: DeviceString) -> Row:
    rows = {row.name: row for row in runtime_rows()}
    check_choice("runtime", name, rows)
    row, format_ = rows[name], artifact.manifest.format
    if row.formats and format_ not in row.formats:
        can = [other.name for other in rows.values() if format_ in other.formats]
        raise IncompatibleModelError(
            f"runtime {name} does not run the format {format_}",
            allowed=row.formats,
            next_step=f"runtimes that run {format_}: {', '.join(can)}" if can else "convert the model",
        )
    if where.kind not in row.devices:
        raise DeviceNotFoundError(f"runtime {name} does not run on this device", got=where.local, allowed=row.devices)
    return row


def _first_row(artifact: Artifact, where: DeviceString) -> Row:
    format_ = artifact.manifest.format
    rows = [row for row in runtime_rows() if format_ in row.formats]
    if not rows:
        formats = sorted({name for row in runtime_rows() for name in row.formats})
        raise IncompatibleModelError("no runtime here runs this format", got=format_, allowed=formats)
    fitting = [row for row in rows if where.kind in row.devices]
    if fitting:
        here = (row for row in fitting if implementation_of(row).availability().available)
        return next(here, fitting[0])  # the error of one that is not here has the command that installs it
    kinds = sorted({kind for row in rows for kind in row.devices})
    there = sorted({name for row in runtime_rows() if where.kind in row.devices for name in row.formats})
    raise DeviceNotFoundError(
        f"no runtime runs the format {format_} on {where.local}; it runs on {', '.join(kinds)}",
        next_step=f"make one of another format: on {where.kind} run {', '.join(there)}" if there else None,
    )
