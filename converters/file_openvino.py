"""Models without a Keras form as float OpenVINO graphs: what reads them, with the names that they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgevision.converters.file_source import FileSource
from edgevision.converters.file_tflite import float_tflite
from edgevision.converters.keras3_trace import trace_keras3
from edgevision.converters.nncf_quantizer import weights_constant
from edgevision.converters.saved_model import as_ir
from edgevision.converters.tracing import to_ir
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConversionError
from edgevision.optional import require
from edgevision.tensors import TensorSpec


def file_tools(source: FileSource) -> tuple[str, ...]:
    """Return the distributions that take part in the conversion beside OpenVINO."""
    return ("tensorflow",) if source.kind in ("keras3", "saved_model") else ()


def file_graph(source: FileSource, batch: int) -> Any:
    """Return a source as an ``openvino.Model`` with a fixed batch, inputs and outputs in the order of the source.

    Raises:
        ConfigError: A ``.tflite`` file with another batch, or one that is quantized already.
        ConversionError: Weights are NaN or infinite, or OpenVINO does not have an operation.
    """
    if source.kind == "saved_model":
        model = as_ir(source.path, batch)
    elif source.kind == "keras3":
        model = to_ir(trace_keras3(source, batch))
    else:
        if source.kind == "tflite":
            float_tflite(source, batch)  # refuses what is no float model
        with vendor_step(f"reading {source.path.name} with OpenVINO"):
            model = require("openvino").convert_model(source.path)
    with vendor_step(f"fixing the batch of {source.name}"):
        inputs, outputs = _in_order(model.inputs, source.inputs), _in_order(model.outputs, source.outputs)
        _fix_batch(model, source, inputs, batch)
        results, parameters = ([port.get_node() for port in ports] for ports in (outputs, inputs))
        model = require("openvino").Model(results, model.get_sinks(), parameters, source.name)
    check_constants(model, source.name)
    return model


def _in_order(ports: Sequence[Any], specs: Sequence[TensorSpec]) -> list[Any]:
    """Return the ports in the order of the source, by name where they kept their names."""
    found = {name: port for port in ports for name in port.get_names()}
    named = [found[spec.name] for spec in specs if spec.name in found]
    return named if len(named) == len(specs) == len(ports) else list(ports)


def _fix_batch(model: Any, source: FileSource, ports: Sequence[Any], batch: int) -> None:
    wanted = {}
    for spec, port in zip(source.inputs, ports, strict=True):
        axis = spec.layout.find("N") if spec.layout else 0
        shape = [batch if index == axis else size for index, size in enumerate(spec.shape)]
        if None in shape:
            raise ConversionError(
                f"{source.name}: input {spec.name} has an open dimension beside the batch", got=list(spec.shape),
                next_step="export the model with a fixed size",
            )  # fmt: skip
        if port.get_partial_shape() != require("openvino").PartialShape(shape):
            wanted[port] = shape
    if wanted:
        model.reshape(wanted)


def check_constants(model: Any, name: str) -> None:
    """Raise ConversionError, naming them, when constants are NaN, or weights infinite: other constants mask with it."""
    operations = model.get_ordered_ops()
    weights = {constant.get_friendly_name() for constant in map(weights_constant, operations) if constant}
    bad = []
    for operation in operations:
        if operation.get_type_name() == "Constant" and operation.get_element_type().is_real():
            label, values = operation.get_friendly_name(), operation.get_data()
            if np.isnan(values).any() or (label in weights and np.isinf(values).any()):
                bad.append(label)
    if bad:
        shown = ", ".join(bad[:3]) + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")
        raise ConversionError(
            f"{name}: weights are NaN or infinite", got=shown, next_step="train it again, with a lower rate"
        )
