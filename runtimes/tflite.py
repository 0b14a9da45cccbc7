"""TFLite models, on LiteRT where it is installed and on the older tflite-runtime otherwise."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.errors import (
    ArtifactError,
    BackendUnavailableError,
    ConfigError,
    IncompatibleModelError,
    check_choice,
    reason_of,
)
from edgevision.optional import available, require, version
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
from edgevision.runtimes.tflite_file import check_tflite
from edgevision.runtimes.throughput import ManyAtOnce, Pool, Way
from edgevision.tensors import Array, QuantParams

PACKAGES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
"""Distribution -> import name, the preferred one first (on small models it is several times faster)."""

RESOLVERS = {"default": "AUTO", "reference": "BUILTIN_REF"}


class TFLiteRuntime:
    """Runs TFLite files on the processor, or through a delegate.

    Options: ``threads``, ``batch``; ``delegate``, the path of a delegate's library, with ``delegate_options`` for it;
    ``resolver``: "default" kernels or the "reference" ones; ``package``: which distribution runs it.
    """

    name = "tflite"
    exact = MappingProxyType({"resolver": "reference"})

    def availability(self) -> Availability:
        """Say which of the packages would run."""
        states = [Availability.of(package, module) for package, module in PACKAGES.items()]
        return next((state for state in states if state.available), states[0])

    def load(self, artifact: Artifact, device: str, options: Mapping[str, Any]) -> CompiledModel:
        """Check the file, then build an interpreter for it."""
        package = _package(options.get("package"))
        threads, batch = threads_option(options), batch_option(options)
        check_choice("option resolver", options.get("resolver", "default"), RESOLVERS)
        check_tflite(artifact.model_file)
        library = tflite_library(package)
        resolver = options.get("resolver", "default")
        refused = f"{package} refuses {artifact.model_file.name}"

        def build(threads: int) -> TFLiteModel:
            delegates = _delegates(library, options.get("delegate"), options.get("delegate_options"))
            settings = {
                "model_path": str(artifact.model_file),
                "num_threads": threads,
                "experimental_delegates": delegates,
                "experimental_op_resolver_type": getattr(library.OpResolverType, RESOLVERS[resolver]),
            }
            interpreter = attempt(refused, IncompatibleModelError, lambda: library.Interpreter(**settings))
            inputs, outputs = _settle_batch(artifact, interpreter, batch, refused)
            facts = {
                "package": package,
                "version": version(package),
                "device": device,
                "threads": threads,
                "precision": "as stored",
                "resolver": resolver,
                "delegates": [str(options["delegate"])] if delegates else [],
            }
            return TFLiteModel(interpreter, inputs, outputs, facts, build)

        return build(all_cores() if threads is None else threads)


class TFLiteModel(ManyAtOnce):
    """A TFLite interpreter with its tensors allocated; ``again`` makes another one with so many threads."""

    def __init__(
        self,
        interpreter: Any,
        inputs: Settled,
        outputs: Settled,
        facts: Mapping[str, Any],
        again: Callable[[int], TFLiteModel],
    ) -> None:
        super().__init__(inputs.specs, outputs.specs, facts)
        self.interpreter = interpreter
        self._again = again
        ins, outs = interpreter.get_input_details(), interpreter.get_output_details()
        self._inputs = tuple((i, int(ins[position]["index"])) for i, position in enumerate(inputs.order))
        self._outputs = tuple(int(outs[position]["index"]) for position in outputs.order)

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        interpreter = self.interpreter
        for place, index in self._inputs:
            interpreter.set_tensor(index, inputs[place])
        interpreter.invoke()
        return tuple([interpreter.get_tensor(index) for index in self._outputs])

    def _ways(self) -> Iterator[Callable[[], Way]]:
        """Pools of interpreters that share the threads: as many as there are threads, half of that, and so on."""
        threads = int(self.facts["threads"])
        count = threads
        while count > 1:
            yield functools.partial(self._pool, count, threads // count)
            count //= 2

    def _pool(self, count: int, threads: int) -> Pool:
        name = f"{count} interpreters, {threads} thread{'s' if threads > 1 else ''} each"
        return Pool(name, [self._again(threads) for _ in range(count)])

    def _release(self) -> None:
        super()._release()
        self.interpreter = None


def _package(wanted: Any) -> str:
    if wanted is not None:
        check_choice("option package", wanted, PACKAGES)
        return str(wanted)
    return next(package for package, module in PACKAGES.items() if available(module))


def tflite_library(package: str) -> Any:
    """Import and return a package's interpreter; raises BackendUnavailableError."""
    name = PACKAGES[package] + ".interpreter"
    if package == "tflite-runtime" and "tensorflow" in sys.modules and name not in sys.modules:
        # TensorFlow's symbols take the place of its own: every model then fails with "vector::reserve".
        raise BackendUnavailableError(
            "tflite-runtime does not work in a process that has loaded TensorFlow",
            next_step="use ai-edge-litert (option package), or a process without TensorFlow",
        )
    return require(name)


def _delegates(library: Any, path: Any, settings: Any) -> list[Any]:
    if path is None:
        if settings:
            raise ConfigError("option delegate_options needs the option delegate", got=settings)
        return []
    if settings is not None and not isinstance(settings, Mapping):
        raise ConfigError("option delegate_options", got=type(settings).__name__, allowed="a mapping")
    if not isinstance(path, (str, Path)):
        raise ConfigError("option delegate", got=type(path).__name__, allowed="the path of a library")
    texts = {str(key): str(value) for key, value in (settings or {}).items()}
    try:
        # Before the vendor's own loader, which leaves a half-made object behind when this fails.
        if not hasattr(ctypes.CDLL(str(path)), "tflite_plugin_create_delegate"):
            raise OSError("it has no function tflite_plugin_create_delegate")
        return [library.load_delegate(str(path), texts)]
    except Exception as exc:
        raise BackendUnavailableError(
            f"the delegate {path} does not load: {reason_of(exc)}",
            next_step="give the path of a library with a TFLite delegate in it",
        ) from exc


def _settle_batch(artifact: Artifact, interpreter: Any, batch: int | None, refused: str) -> tuple[Settled, Settled]:
    """Fix the open dimensions, allocate, and compare with the manifest."""
    manifest = artifact.manifest
    # The vendor reads names and quantization only now, and raises on those that are damaged.
    details = attempt(refused, IncompatibleModelError, interpreter.get_input_details)
    found = [_file_tensor(detail, open_axes=True) for detail in details]
    inputs = settle(artifact, "input", manifest.inputs, found)
    fixed = fix_batch(filled(inputs, found).specs, batch)
    for spec, position in zip(fixed, inputs.order, strict=True):
        detail = details[position]
        if tuple(detail["shape"]) != spec.shape:
            attempt(refused, IncompatibleModelError, interpreter.resize_tensor_input, detail["index"], spec.shape)
    attempt(refused, IncompatibleModelError, interpreter.allocate_tensors)
    details = attempt(refused, IncompatibleModelError, interpreter.get_output_details)
    found = [_file_tensor(detail, open_axes=False) for detail in details]
    outputs = settle(artifact, "output", manifest.outputs, found)
    return Settled(fixed, inputs.order), filled(outputs, found)


def _file_tensor(detail: Mapping[str, Any], *, open_axes: bool) -> FileTensor:
    shape = tuple(int(size) for size in detail["shape"])
    signature = tuple(int(size) for size in detail["shape_signature"])
    if open_axes and len(signature) == len(shape):
        named = tuple(None if size < 0 else size for size in signature)
    else:
        named = shape
    name = str(detail["name"])
    # "serving_default_image:0" is what a converter makes of the name "image".
    plain = name.removeprefix("serving_default_").partition(":")[0]
    return FileTensor((name, plain), named, _dtype(detail["dtype"]), _quant(detail))


def _dtype(kind: Any) -> str:
    try:
        return np.dtype(kind).name
    except TypeError:
        return str(kind)


def _quant(detail: Mapping[str, Any]) -> QuantParams | None:
    stated = detail["quantization_parameters"]
    scales, zero_points = stated["scales"], stated["zero_points"]
    if not len(scales) or not np.issubdtype(detail["dtype"], np.integer):
        return None
    axis = int(stated["quantized_dimension"]) if len(scales) > 1 else None
    try:
        return QuantParams(tuple(scales.tolist()), tuple(zero_points.tolist()), axis)
    except ConfigError as exc:
        raise ArtifactError(f"tensor {detail['name']} has quantization that makes no sense: {exc}") from exc
