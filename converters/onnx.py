"""Models as ONNX: model.onnx, in float.

Inputs and outputs keep their names and their layout (Keras: channels-last; the file transposes inside). Converting a
model twice gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.converters.file_source import FileSource, Source
from edgevision.converters.formats import Exported, Request
from edgevision.converters.keras3_trace import trace_keras3
from edgevision.converters.keras_import import KERAS_TOOLS, SourceModel
from edgevision.converters.onnx_file import check_constants, shape_of
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
        ConversionError: An operation that ONNX does not have, weights that are NaN, or tf2onnx gave up.
        BackendUnavailableError: The extra ``onnx`` or ``train`` is not installed.
    """
    require("tf2onnx")
    content = _converted(source, request.batch)
    with vendor_step(f"writing {source.name} as ONNX"):
        model = require("onnx").load_from_string(content)
        check_constants(model, source.name)
        model.graph.name = source.name
        for key, value in model_info(source).items():
            model.metadata_props.add(key=f"model_info {key}", value=value)
        content = model.SerializeToString(deterministic=True)
    tools = KERAS_TOOLS if isinstance(source, SourceModel) else ("tensorflow",)
    return Exported(
        {MODEL_FILE: content},
        _specs(source.inputs, model.graph.input),
        _specs(source.outputs, model.graph.output),
        versions("edgevision", *TOOLS, *tools),
    )


def _converted(source: Source, batch: int) -> bytes:
    if isinstance(source, FileSource):
        return as_onnx(source.path, batch) if source.kind == "saved_model" else to_onnx(trace_keras3(source, batch))

    def call(*tensors: Any) -> list[Any]:
        results = source.model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        return list(results) if isinstance(results, list | tuple) else [results]

    return to_onnx(trace(source.name, call, source.model, source.inputs, source.outputs, batch))


def _specs(wanted: Sequence[TensorSpec], entries: Sequence[Any]) -> tuple[TensorSpec, ...]:
    """Return the specifications of what the file has, in the source's order, with its layouts."""
    helper = require("onnx.helper")
    return tuple(
        TensorSpec(
            entry.name,
            shape_of(entry),
            np.dtype(helper.tensor_dtype_to_np_dtype(entry.type.tensor_type.elem_type)).name,
            spec.layout,
        )
        for spec, entry in zip(wanted, entries, strict=True)
    )
