"""OpenVINO models, on the processor, GPU or NPU that OpenVINO drives."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.device_string import parse_device
from edgevision.errors import ArtifactError, ConfigError, DeviceNotFoundError, IncompatibleModelError, check_choice
from edgevision.magic import check_format
from edgevision.mapping import MappingReport
from edgevision.optional import require, version
from edgevision.runtimes.base import Availability, CompiledModel
from edgevision.runtimes.openvino_c import INSTALL, Compiled, library_file
from edgevision.runtimes.openvino_mapping import mapping_of
from edgevision.runtimes.openvino_ring import ring_ways
from edgevision.runtimes.settle import (
    FileTensor,
    Settled,
    attempt,
    batch_option,
    filled,
    fix_batch,
    settle,
    threads_option,
)
from edgevision.runtimes.throughput import ManyAtOnce, Way
from edgevision.tensors import Array, TensorSpec

PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_PRECISION_NAMES = {"f32": "float32", "float": "float32", "float32": "float32", "bf16": "bfloat16",
                    "bfloat16": "bfloat16", "f16": "float16", "float16": "float16"}  # fmt: skip
_SWITCHED = {"YES": True, "NO": False}


class OpenVINORuntime:
    """Runs OpenVINO IR, and ONNX files, which OpenVINO reads itself.

    Options: ``threads``, ``batch``; ``precision`` that float parts are computed in: "float32" (OpenVINO itself would
    take bfloat16 where the processor has it), "bfloat16", "float16"; ``pinning`` of threads to cores, off by default
    because two models of one thread each would share a core; ``low_precision``, on by default: whether the integer
    parts of a quantized model are computed in integers, or in float on the same integers (on the processor alone);
    ``cache_dir``, a folder in which OpenVINO keeps compiled models, so that the next load takes less.

    Devices: those that OpenVINO lists, and several together: ``auto``, ``hetero:gpu,cpu``, ``multi:gpu,cpu``.
    """

    name = "openvino"
    exact = MappingProxyType({"precision": "float32", "low_precision": False})

    def availability(self) -> Availability:
        """Say whether OpenVINO is here."""
        found = Availability.of("openvino", "openvino")
        if found.available and library_file() is None:
            return Availability(False, "openvino", install=INSTALL)
        return found

    def load(self, artifact: Artifact, device: str, options: Mapping[str, Any]) -> CompiledModel:
        """Read the model, fix its open dimensions, compile it."""
        threads, batch = threads_option(options), batch_option(options)
        # An NPU computes in float16 whatever it is asked for (OpenVINO documentation, NPU device).
        precision = options.get("precision", "float16" if parse_device(device).kind == "npu" else "float32")
        check_choice("option precision", precision, PRECISIONS)
        pinning, low_precision = _switch(options, "pinning", False), _switch(options, "low_precision", True)
        check_choice("format", artifact.manifest.format, ("openvino", "onnx"))
        check_format(artifact.model_file, artifact.manifest.format)
        vendor = require("openvino")
        core = vendor.Core()
        target = _target(core, device)
        model = attempt(f"{artifact.model_file.name} is damaged", ArtifactError, core.read_model, artifact.model_file)
        inputs, outputs, shapes = _settle(artifact, model, batch)
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": PRECISIONS[precision]}
        # 0 threads means all of them; one stream, because calls come one after another.
        own: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": threads or 0, "ENABLE_CPU_PINNING": pinning, "NUM_STREAMS": 1,
        }  # fmt: skip
        if not low_precision:
            own["LP_TRANSFORMS_MODE"] = "NO"
        if _dense_layers_in_a_row(model):
            own["SNIPPETS_MODE"] = "DISABLE"
        if target == "CPU":
            settings |= own
        elif "CPU" in target or target == "AUTO":
            settings["DEVICE_PROPERTIES"] = _nested("CPU", {**settings, **own})
        if options.get("cache_dir") is not None:
            settings["CACHE_DIR"] = _cache_folder(options["cache_dir"])
        refused = f"openvino refuses {artifact.model_file.name} on {device}"

        def compiled_for(changes: Mapping[str, Any]) -> Compiled:
            made = (artifact.model_file, target, {**settings, **changes}, shapes)
            return attempt(refused, IncompatibleModelError, Compiled, *made)

        compiled = compiled_for({})
        facts = {
            "package": "openvino",
            "version": version("openvino"),
            "device": device,
            "threads": _number(_property(compiled, "INFERENCE_NUM_THREADS"), threads),
            "precision": _PRECISION_NAMES.get(_property(compiled, "INFERENCE_PRECISION_HINT") or "", precision),
            "pinning": _SWITCHED.get(_property(compiled, "ENABLE_CPU_PINNING") or ""),
            "low_precision": low_precision or target != "CPU",
            "execution_devices": _execution_devices(compiled),
            "from_cache": _SWITCHED.get(_property(compiled, "LOADED_FROM_CACHE") or "", False),
        }

        if "precision" in options and facts["precision"] != precision:
            raise IncompatibleModelError(
                f"{device} does not compute in {precision}", got=facts["precision"], allowed=facts["precision"],
                next_step="leave the option precision out",
            )  # fmt: skip

        def bound(compiled: Compiled) -> OpenVINOModel:
            return OpenVINOModel(compiled, inputs, outputs, facts, ways, artifact.model_file)

        ways = functools.partial(ring_ways, compiled_for, bound)
        return attempt(refused, IncompatibleModelError, bound, compiled)


class OpenVINOModel(ManyAtOnce):
    """An infer request whose inputs and outputs are arrays of ours, bound once."""

    def __init__(
        self,
        compiled: Compiled,
        inputs: Settled,
        outputs: Settled,
        facts: Mapping[str, Any],
        ways: Callable[[Compiled], Iterator[Callable[[], Way]]],
        file: Path,
    ) -> None:
        super().__init__(inputs.specs, outputs.specs, facts)
        self._make_ways, self._compiled = ways, compiled  # whose last reference frees it: requests share it
        self._file = file
        self.request = compiled.request()
        self.input_arrays = _arrays(self.inputs)
        for array, position in zip(self.input_arrays, inputs.order, strict=True):
            self.request.bind("input", position, array)
        self._bound_inputs = tuple(enumerate(self.input_arrays))
        # Outputs whose shape depends on the values are read after each run instead.
        self._bound = all(None not in spec.shape for spec in self.outputs)
        self._unbound = tuple(zip(outputs.order, (spec.dtype for spec in self.outputs), strict=True))
        self.output_arrays = _arrays(self.outputs) if self._bound else ()
        for array, position in zip(self.output_arrays, outputs.order, strict=False):
            self.request.bind("output", position, array)

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        self.put(inputs)
        self.request.infer()
        return self.take()

    def put(self, inputs: Sequence[Array]) -> None:
        """Copy checked inputs to where the request reads them."""
        for place, bound in self._bound_inputs:
            np.copyto(bound, inputs[place])

    def take(self) -> tuple[Array, ...]:
        """Return copies of what the request, which is done, has written."""
        if self._bound:
            return tuple([array.copy() for array in self.output_arrays])
        return tuple([self.request.output(position, dtype) for position, dtype in self._unbound])

    def report(self) -> MappingReport:
        """Return where each operator of the model runs, as OpenVINO's ``query_model`` says it."""
        core = require("openvino").Core()
        return mapping_of(core, core.read_model(self._file), self.facts["device"], self.facts["execution_devices"])

    def _ways(self) -> Iterator[Callable[[], Way]]:
        return self._make_ways(self._compiled)

    def _release(self) -> None:
        super()._release()
        self.request.close()
        del self._compiled


def _arrays(specs: Sequence[TensorSpec]) -> tuple[Array, ...]:
    return tuple(np.zeros(spec.shape, spec.dtype) for spec in specs)  # type: ignore[arg-type]


def _switch(options: Mapping[str, Any], name: str, otherwise: bool) -> bool:
    value = options.get(name, otherwise)
    if not isinstance(value, bool):
        raise ConfigError(f"option {name}", got=repr(value), allowed=("True", "False"))
    return value


def _target(core: Any, device: str) -> str:
    """OpenVINO's name for the device, when the device is here."""
    where = parse_device(device)
    here = attempt("openvino lists no devices", DeviceNotFoundError, lambda: list(core.available_devices))
    # OpenVINO says GPU for the only one, GPU.0 and GPU.1 for two; it takes GPU.0 either way.
    known = {*here, *(name.partition(".")[0] for name in here), *(f"{name}.0" for name in here if "." not in name)}
    wanted = [_vendor_name(name) for name in where.members or (() if where.kind == "auto" else (device,))]
    for target in wanted:
        if target not in known:
            names = sorted(name.lower().replace(".", ":") for name in here)
            raise DeviceNotFoundError("openvino finds no such device here", got=device, allowed=names)
    if where.kind in ("auto", "hetero", "multi"):
        return ":".join(part for part in (where.kind.upper(), ",".join(wanted)) if part)
    return wanted[0]


def _vendor_name(device: str) -> str:
    return device.upper().replace(":", ".")


def _cache_folder(folder: Any) -> str:
    if not isinstance(folder, (str, Path)) or not str(folder):
        raise ConfigError("option cache_dir", got=repr(folder), allowed="the path of a folder")
    return str(folder)


def _execution_devices(compiled: Compiled) -> list[str]:
    """The devices that run it, as we call them; AUTO says only here which ones it chose."""
    names = re.findall(r"[A-Z]+(?:\.[0-9]+)?", _property(compiled, "EXECUTION_DEVICES") or "")
    return [name.lower().replace(".", ":") for name in names]


def _nested(device: str, settings: Mapping[str, Any]) -> str:
    """Settings of one device among several, in OpenVINO's words."""
    words = {name: ("NO", "YES")[value] if isinstance(value, bool) else value for name, value in settings.items()}
    return f"{{{device}:{{{','.join(f'{name}:{value}' for name, value in words.items())}}}}}"


def _settle(artifact: Artifact, model: Any, batch: int | None) -> tuple[Settled, Settled, dict[int, tuple[int, ...]]]:
    """Compare with the manifest; fix open dimensions in the model, and return the shapes that they were fixed at."""
    found = [_file_tensor(port) for port in model.inputs]
    inputs = filled(settle(artifact, "input", artifact.manifest.inputs, found), found)
    fixed = fix_batch(inputs.specs, batch)
    shapes: dict[int, tuple[int, ...]] = {}
    if any(port.partial_shape.is_dynamic for port in model.inputs):
        shapes = {place: spec.shape for spec, place in zip(fixed, inputs.order, strict=True)}  # type: ignore[misc]
        wanted = {model.inputs[place]: list(shape) for place, shape in shapes.items()}
        attempt("openvino refuses the batch", IncompatibleModelError, model.reshape, wanted)
    found = [_file_tensor(port) for port in model.outputs]
    outputs = filled(settle(artifact, "output", artifact.manifest.outputs, found), found)
    return Settled(fixed, inputs.order), outputs, shapes


def _dense_layers_in_a_row(model: Any) -> bool:
    """Whether a small int8 dense layer follows another: OpenVINO 2026.4.1 computes those wrong on one thread.

    Its pass `TokenizeMLPSeqSnippets` makes one kernel of them, where inputs have two axes, and loses the int8 ranges.
    """
    operations = [(operation.get_type_name(), operation) for operation in model.get_ordered_ops()]
    ranks = [operation.get_input_partial_shape(0).rank for kind, operation in operations if kind == "MatMul"]
    flat = [rank for rank in ranks if rank.is_static and rank.get_length() == 2]
    return len(flat) > 1 and any(kind == "FakeQuantize" for kind, _ in operations)


def _shape(port: Any) -> tuple[int | None, ...]:
    return tuple(None if axis.is_dynamic else axis.get_length() for axis in port.partial_shape)


def _file_tensor(port: Any) -> FileTensor:
    if port.partial_shape.rank.is_dynamic:
        raise IncompatibleModelError("a tensor without a fixed number of axes", got=str(port))
    try:
        dtype = np.dtype(port.element_type.to_dtype()).name
    except (RuntimeError, TypeError, ValueError, KeyError):
        dtype = port.element_type.get_type_name()
    # Types below a byte and bfloat16 come out as a stand-in of another size.
    if np.dtype(dtype).itemsize * 8 != port.element_type.bitwidth and dtype != "bool":
        dtype = port.element_type.get_type_name()
    return FileTensor(tuple(sorted(port.get_names())), _shape(port), dtype)


def _property(compiled: Compiled, name: str) -> str | None:
    try:
        return compiled.get_property(name)
    except RuntimeError:  # devices differ in the properties that they have
        return None


def _number(text: str | None, otherwise: int | None) -> int | None:
    return int(text) if text is not None else otherwise
