"""Models as OpenVINO IR: model.xml and model.bin.

Inputs and outputs stay float and keep their layout (Keras: channels-last), whatever the scheme. After
quantization-aware training the file has the ranges that were learned; otherwise NNCF measures them. Converting a model
twice gives the same bytes.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.converters.file_openvino import check_constants, file_graph, file_tools
from edgevision.converters.file_source import Source, is_trained
from edgevision.converters.formats import AS_ASKED, SCHEMES, Exported, Request
from edgevision.converters.keras_import import KERAS_TOOLS, SourceModel
from edgevision.converters.layer_choice import chosen_layers, matching_names
from edgevision.converters.nncf_quantizer import quantize_model, weights_type
from edgevision.converters.openvino_info import model_info
from edgevision.converters.openvino_layers import Marks, operations_of
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConversionError, check_choice
from edgevision.optional import require, versions
from edgevision.tensors import TensorSpec

FILES = ("model.xml", "model.bin")


def export(source: Source, request: Request) -> Exported:
    """Convert ``source`` to OpenVINO IR.

    float16 and dynamic_wi8_afp32 store smaller weights and compute in float; static_wi8_ai8 computes in int8.

    Raises:
        ConfigError: Scales per tensor for dynamic_wi8_afp32, which has them per channel only; or a layer's name that
            is not in the model.
        CalibrationError: The calibration data is constant, NaN or infinite.
        ConversionError: An operation that OpenVINO does not have, or a vendor's tool gave up.
        BackendUnavailableError: The extra ``openvino`` or, for quantization, ``compress`` is not installed.
    """
    if request.scheme == "dynamic_wi8_afp32":
        check_choice("granularity of dynamic_wi8_afp32 for openvino", request.granularity, ("per_channel",))
    require("openvino")
    eight_bits = SCHEMES[request.scheme].weight_bits == 8
    quantize = eight_bits and not is_trained(source)
    model, layers, in_float = _converted(source, request)
    if quantize:
        model = quantize_model(model, request, name=source.name, in_float=in_float)
    skipped = tuple((layer, AS_ASKED) for layer in layers)
    if eight_bits:
        skipped += _float_weights(model, in_float)
    check_constants(model, source.name)
    with vendor_step(f"writing {source.name} as OpenVINO IR"):
        files, written = _written(_described(model, source), half=request.scheme == "float16")
    return Exported(
        files,
        _specs(source.inputs, written.inputs),
        _specs(source.outputs, written.outputs),
        versions("edgevision", "openvino", *(("nncf",) if quantize else ()), *_tools(source)),
        skipped,
    )


def _converted(source: Source, request: Request) -> tuple[Any, list[str], set[str]]:
    """Return the float model, the layers that stay in float, and the names of the operations that these are.

    Without a Keras form, layers are the operations with weights, under the names that they have in the file.
    """
    if not isinstance(source, SourceModel):
        model = file_graph(source, request.batch)
        weighted = [operation.get_friendly_name() for operation in model.get_ordered_ops() if weights_type(operation)]
        named = {name.removesuffix("/WithoutBiases"): name for name in weighted}  # as OpenVINO calls the half of a node
        chosen = matching_names("float_layers", request.float_layers, list(named))
        return model, chosen, {named[name] for name in chosen}
    layers = chosen_layers("float_layers", request.float_layers, source.model)
    with vendor_step(f"OpenVINO conversion of {source.name}"):
        model = _graph(source, request.batch)
        again = partial(_graph, source, request.batch)
        return model, layers, operations_of(layers, source.model, model, again) if layers else set()


def _tools(source: Source) -> tuple[str, ...]:
    return KERAS_TOOLS if isinstance(source, SourceModel) else file_tools(source)


def _graph(source: SourceModel, batch: int, marks: Marks | None = None) -> Any:
    """Trace the Keras model with a fixed batch and convert the trace, its outputs in the order of the trace."""
    tf, vendor = require("tensorflow"), require("openvino")
    signature = [
        tf.TensorSpec((batch, *spec.shape[1:]), spec.dtype, name=f"input_{position}")
        for position, spec in enumerate(source.inputs)
    ]
    marks = marks or Marks(())

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def run(*inputs: Any) -> Any:
        with marks.recording():
            results = source.model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)
        return [*tf.nest.flatten(results), *marks.tensors]

    traced = run.get_concrete_function()
    model = vendor.convert_model(traced)  # what an IdentityN has besides, as swish does, is an output too
    results = [port.get_node() for port in _in_order(model.outputs, "Identity_{}:0", len(traced.outputs))]
    return vendor.Model(results, model.get_sinks(), model.get_parameters(), source.name)


def _described(model: Any, source: Source) -> Any:
    """Name everything, declare layouts and embed the metadata; what the tools noted about themselves is left out.

    Names that the tools made up have counters of this process in them; those are replaced.
    """
    vendor = require("openvino")
    _share_limits(model)
    clean = vendor.Model(model.get_results(), model.get_sinks(), model.get_parameters(), source.name)
    taken = {spec.name for spec in (*source.inputs, *source.outputs)}
    for position, operation in enumerate(clean.get_ordered_ops()):
        names = sorted({name.rpartition(":")[0] for port in operation.outputs() for name in port.get_names()} - taken)
        name = names[0] if names else f"{operation.get_type_name()}_{position}"
        taken.add(name)
        operation.set_friendly_name(name)
    traced = isinstance(source, SourceModel)
    inputs = _in_order(clean.inputs, "input_{}", len(source.inputs)) if traced else clean.inputs
    for spec, port in zip(source.inputs, inputs, strict=True):
        _set_name(port, spec.name)
        if spec.layout:
            port.get_node().set_layout(vendor.Layout(spec.layout))
    for spec, port in zip(source.outputs, clean.outputs, strict=True):
        _set_name(port, spec.name)
    for key, value in model_info(source).items():
        clean.set_rt_info(value, ["model_info", key])
    return clean


def _in_order(ports: Sequence[Any], pattern: str, count: int) -> list[Any]:
    """Return the first ``count`` ports in the order of the Keras model, by the names that tracing gave them."""
    found = {name: port for port in ports for name in port.get_names()}
    names = [pattern.format(position) for position in range(count)]
    return [found.get(name) or found[name.replace("_0", "")] for name in names]


def _set_name(port: Any, name: str) -> None:
    """Make ``name`` the only name of an input or output, and that of its operation."""
    node = port.get_node()
    for tensor in (port, *(value.get_source_output() for value in node.inputs())):
        tensor.get_tensor().set_names({name})
    node.set_friendly_name(name)


def _share_limits(model: Any) -> None:
    """Let a FakeQuantize whose output has the range of its input say so once: NNCF writes both ends twice."""
    for operation in model.get_ordered_ops():
        if operation.get_type_name() != "FakeQuantize":
            continue
        for taken, given in ((1, 3), (2, 4)):
            first, second = (operation.input_value(position).get_node() for position in (taken, given))
            constant = first.get_type_name() == second.get_type_name() == "Constant"
            if constant and np.array_equal(first.get_data(), second.get_data()):
                operation.input(given).replace_source_output(first.output(0))


def _written(model: Any, *, half: bool) -> tuple[dict[str, bytes], Any]:
    """Return the files, and the model as OpenVINO reads it from them."""
    vendor = require("openvino")
    with tempfile.TemporaryDirectory() as folder:
        vendor.save_model(model, Path(folder, FILES[0]), compress_to_fp16=half)
        files = {name: Path(folder, name).read_bytes() for name in FILES}
    files[FILES[0]] = re.sub(rb">\s+<", b"><", files[FILES[0]])  # a sixth of the file is its indentation
    return files, vendor.Core().read_model(files[FILES[0]], files[FILES[1]])


def _specs(wanted: Sequence[TensorSpec], ports: Sequence[Any]) -> tuple[TensorSpec, ...]:
    """Return the specifications of what the file has, which must be what was wanted, in that order."""
    specs = []
    for spec, port in zip(wanted, ports, strict=True):
        dtype = np.dtype(port.get_element_type().to_dtype()).name
        shape = tuple(axis.get_length() if axis.is_static else None for axis in port.get_partial_shape())
        if port.get_names() != {spec.name}:
            raise ConversionError("OpenVINO changed the tensors", got=sorted(port.get_names()), allowed=[spec.name])
        specs.append(TensorSpec(spec.name, shape, dtype, spec.layout))
    return tuple(specs)


def _float_weights(model: Any, asked: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Return (operation, reason) for each operation with constant weights that are not int8, unless that was asked."""
    found = []
    for operation in model.get_ordered_ops():
        name, kind = operation.get_friendly_name(), weights_type(operation)
        if kind not in (None, "i8", "u8") and name not in asked:
            found.append((name, f"its weights stay {kind}"))
    return tuple(found)
