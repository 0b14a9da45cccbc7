"""A TensorFlow function as a float model in every format: traced with a fixed batch, inputs and outputs named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgevision.converters.onnx_file import arrange_ends, check_operators, name_tensors
from edgevision.converters.tflite_file import TFLiteFile
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConversionError
from edgevision.optional import require
from edgevision.tensors import TensorSpec

OPSET = 17
"""Version of ONNX's operators in files: what runtimes have had since 2022."""


@dataclass(frozen=True)
class Traced:
    """A model as a graph.

    Attributes:
        name: The model's name.
        function: The concrete function; its arguments are in the order of ``inputs``, its results have names.
        owner: What holds its variables.
        inputs: Its inputs, in order.
        outputs: Its outputs, in order.
    """

    name: str
    function: Any
    owner: Any
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def trace(
    name: str,
    call: Callable[..., Sequence[Any]],
    owner: Any,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    batch: int,
) -> Traced:
    """Trace a function with a fixed batch.

    Args:
        name: The model's name.
        call: Tensors to tensors, in the order of ``inputs`` and ``outputs``.
        owner: What holds its variables.
        inputs: Its inputs; the first axis is that of the batch.
        outputs: Its outputs.
        batch: Length of the batch axis, where that is open.

    Raises:
        ConversionError: An axis other than the batch is open, or TensorFlow refuses.
    """
    tf = require("tensorflow")
    shapes = [(batch if spec.shape[:1] == (None,) else spec.shape[0], *spec.shape[1:]) for spec in inputs]
    for spec, shape in zip(inputs, shapes, strict=True):
        if None in shape:
            raise ConversionError(
                f"{name}: input {spec.name} has an open dimension beside the batch", got=list(spec.shape),
                next_step="export the model with a fixed size",
            )  # fmt: skip
    named = zip(_numbered("input", inputs), inputs, shapes, strict=True)
    wanted = [tf.TensorSpec(shape, spec.dtype, name=name) for name, spec, shape in named]

    @tf.function(input_signature=wanted, autograph=False)  # type: ignore[untyped-decorator]
    def run(*tensors: Any) -> dict[str, Any]:
        results = [tf.identity(tensor) for tensor in call(*tensors)]
        return dict(zip(_numbered("output", outputs), results, strict=True))

    with vendor_step(f"tracing {name}"):
        return Traced(name, run.get_concrete_function(), owner, inputs, outputs)


def to_tflite(traced: Traced) -> bytes:
    """Convert to a float ``.tflite`` file; raises ConversionError, naming operators that TFLite does not have."""
    tf = require("tensorflow")
    with vendor_step(f"TFLite conversion of {traced.name}"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.function], traced.owner)
        file = TFLiteFile(converter.convert())
    file.arrange(_numbered("input", traced.inputs), _numbered("output", traced.outputs))
    file.name_ends([spec.name for spec in traced.inputs], [spec.name for spec in traced.outputs])
    return file.to_bytes()


def to_ir(traced: Traced) -> Any:
    """Convert to an ``openvino.Model``; raises ConversionError, naming operations that OpenVINO does not have."""
    vendor = require("openvino")
    with vendor_step(f"OpenVINO conversion of {traced.name}"):
        model = vendor.convert_model(traced.function)
        inputs = [model.input(name) for name in _numbered("input", traced.inputs)]
        outputs = [model.output(name) for name in _numbered("output", traced.outputs)]
        for port, spec in zip([*inputs, *outputs], [*traced.inputs, *traced.outputs], strict=True):
            port.get_tensor().set_names({spec.name})
        results = [port.get_node() for port in outputs]
        return vendor.Model(results, model.get_sinks(), [port.get_node() for port in inputs], traced.name)


def to_onnx(traced: Traced) -> bytes:
    """Convert to an ``.onnx`` file; raises ConversionError, naming operators that ONNX does not have."""
    tf = require("tensorflow")
    taken, given = _numbered("input", traced.inputs), _numbered("output", traced.outputs)
    inputs, outputs = [spec.name for spec in traced.inputs], [spec.name for spec in traced.outputs]
    with vendor_step(f"ONNX conversion of {traced.name}"):
        found = traced.function.structured_input_signature[0]
        signature = [tf.TensorSpec(spec.shape, spec.dtype, name) for spec, name in zip(found, taken, strict=True)]
        run = tf.function(lambda *tensors: traced.function(*tensors), input_signature=signature, autograph=False)
        model, _ = require("tf2onnx.convert").from_function(run, signature, opset=OPSET)
        check_operators(model, traced.name)
        name_tensors(model, dict(zip([*taken, *given], [*inputs, *outputs], strict=True)))
        arrange_ends(model.graph, inputs, outputs)
        model.graph.doc_string = ""  # the number of the trace
        require("onnx.checker").check_model(model, full_check=True)
        content: bytes = model.SerializeToString(deterministic=True)
    return content


def _numbered(end: str, specs: Sequence[TensorSpec]) -> list[str]:
    return [f"{end}_{number}" for number in range(len(specs))]
