"""TFLite from models without a Keras form: a SavedModel, a ``.tflite`` file, a file of Keras 3 as it is."""

from __future__ import annotations

from dataclasses import replace

from edgevision.converters.file_source import FileSource
from edgevision.converters.formats import Exported, QuantizedFile, Request
from edgevision.converters.keras3_trace import trace_keras3
from edgevision.converters.saved_model import as_tflite
from edgevision.converters.tflite_file import TFLiteFile
from edgevision.converters.tflite_metadata import embed_metadata
from edgevision.converters.tflite_quantizer import TOOLS, quantize_file
from edgevision.converters.tracing import to_tflite
from edgevision.errors import ConfigError, ConversionError
from edgevision.optional import versions

MODEL_FILE = "model.tflite"


def export_file(source: FileSource, request: Request) -> Exported:
    """Convert to a ``.tflite`` file with embedded metadata, quantized without a Keras model.

    Raises:
        ConfigError: A batch that a ``.tflite`` file does not have, or one that is quantized already.
        ConversionError: Weights are NaN or infinite, or a vendor's tool gave up.
        CalibrationError: The calibration data is of no use.
        BackendUnavailableError: An extra is not installed.
    """
    content = float_tflite(source, request.batch)
    made = QuantizedFile(content) if request.scheme == "float32" else quantize_file(content, request)
    file = TFLiteFile(made.content)
    content = embed_metadata(
        made.content,
        name=source.name,
        preprocessing=source.preprocessing,
        labels=source.labels,
        task=source.task,
    )
    inputs = tuple(replace(spec, layout=own.layout) for spec, own in zip(file.inputs, source.inputs, strict=True))
    outputs = tuple(replace(spec, layout=own.layout) for spec, own in zip(file.outputs, source.outputs, strict=True))
    tools = versions("edgevision", *(("tensorflow",) if source.kind != "tflite" else ()), *TOOLS)
    return Exported({MODEL_FILE: content}, inputs, outputs, tools, made.skipped, made.statistics)


def float_tflite(source: FileSource, batch: int) -> bytes:
    """Return a source as a float ``.tflite`` file; its inputs and outputs are in the source's order."""
    if source.kind == "saved_model":
        content = as_tflite(source.path, batch)
    elif source.kind == "keras3":
        content = to_tflite(trace_keras3(source, batch))
    else:
        content = source.path.read_bytes()
        if any(spec.shape and spec.shape[0] != batch for spec in source.inputs):
            raise ConfigError(
                f"{source.name}: a .tflite file keeps its batch", got=batch, allowed=f"{source.inputs[0].shape[0]}"
            )
    file = TFLiteFile(content)
    file.check_float()
    bad = file.bad_constants
    if bad:
        shown = ", ".join(bad[:3]) + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")
        raise ConversionError(
            f"{source.name}: weights are NaN or infinite", got=shown, next_step="train it again, with a lower rate"
        )
    return content
