"""Models as ONNX: model.onnx, in float or in int8 between QuantizeLinear and DequantizeLinear.

Inputs and outputs stay float and keep their names and their layout (Keras: channels-last; the file transposes
inside). Converting a model twice gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgevision.converters.file_source import FileSource, Source
from edgevision.converters.formats import SCHEMES, Exported, QuantizedFile, Request
from edgevision.converters.keras3_trace import trace_keras3
from edgevision.converters.keras_import import KERAS_TOOLS, SourceModel
from edgevision.converters.onnx_file import check_constants, complete_shapes, dtype_of, fix_shapes, shape_of
from edgevision.converters.onnx_quantizer import TOOLS as QUANTIZER
from edgevision.converters.onnx_quantizer import quantize_onnx
from edgevision.converters.openvino_info import model_info
from edgevision.converters.saved_model import as_onnx
from edgevision.converters.tracing import to_onnx, trace
from edgevision.converters.vendor import vendor_step
from edgevision.optional import require, versions
from edgevision.tensors import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL_FILE = "model.onnx"
TOOLS = ("tf2onnx", "onnx")


def export(source: Source, request: Request) -> Exported:
    """Convert ``source`` to an ``.onnx`` file with a fixed batch, and the fields of OpenVINO Model API as metadata.

    Raises:
        ConfigError: A model that is quantized already, or a layer's name that is not in it.
        CalibrationError: The calibration data is constant, NaN or infinite.
        ConversionError: An operation that ONNX does not have, weights that are NaN, or a vendor's tool gave up.
        BackendUnavailableError: The extra ``onnx`` or ``train`` is not installed.
    """
    content = _converted(source, request.batch)
    quantized = QuantizedFile(content)
    with vendor_step(f"reading {source.name} as ONNX"):
        check_constants(require("onnx").load_from_string(content), source.name)
    if SCHEMES[request.scheme].calibration:
        quantized = quantize_onnx(content, source.name, request)
    with vendor_step(f"writing {source.name} as ONNX"):
        model = require("onnx").load_from_string(quantized.content)
        model.graph.name = source.name
        for key, value in model_info(source).items():
            model.metadata_props.add(key=f"model_info {key}", value=value)
        content = model.SerializeToString(deterministic=True)
    quantizers = QUANTIZER if SCHEMES[request.scheme].calibration else ()
    return Exported(
        {MODEL_FILE: content},
        _specs(source.inputs, model.graph.input),
        _specs(source.outputs, model.graph.output),
        versions("edgevision", *quantizers, *_tools(source)),
        quantized.skipped,
        quantized.statistics,
    )


def _tools(source: Source) -> tuple[str, ...]:
    if isinstance(source, SourceModel):
        return (*TOOLS, *KERAS_TOOLS)
    return ("onnx",) if source.kind == "onnx" else (*TOOLS, "tensorflow")


def _converted(source: Source, batch: int) -> bytes:
    if isinstance(source, FileSource) and source.kind == "onnx":
        return _fixed(source, batch)
    require("tf2onnx")
    if isinstance(source, FileSource):
        return as_onnx(source.path, batch) if source.kind == "saved_model" else to_onnx(trace_keras3(source, batch))

    def call(*tensors: Any) -> list[Any]:
        results = source.model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        return list(results) if isinstance(results, list | tuple) else [results]

    return to_onnx(trace(source.name, call, source.model, source.inputs, source.outputs, batch))


def _fixed(source: FileSource, batch: int) -> bytes:
    """Return the file with a fixed batch; what it keeps beside it comes into it."""
    with vendor_step(f"fixing the batch of {source.name}"):
        model = require("onnx").load(source.path)
        fix_shapes(model, source.inputs, batch)
        complete_shapes(model)
        content: bytes = model.SerializeToString(deterministic=True)
    return content


def _specs(wanted: Sequence[TensorSpec], entries: Sequence[Any]) -> tuple[TensorSpec, ...]:
    """Return the specifications of what the file has, in the source's order, with its layouts."""
    return tuple(
        TensorSpec(entry.name, shape_of(entry), dtype_of(entry), spec.layout)
        for spec, entry in zip(wanted, entries, strict=True)
    )
