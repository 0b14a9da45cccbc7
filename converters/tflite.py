"""TFLite export in every scheme: float, float16 weights, 8-bit weights, 8-bit integer, 16-bit activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from edgevision.converters.formats import SCHEMES, Exported, Request
from edgevision.converters.keras_import import KERAS_TOOLS, is_quantization_aware
from edgevision.converters.tflite_file import TFLiteFile
from edgevision.converters.tflite_metadata import embed_metadata
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConversionError
from edgevision.optional import require, versions

if TYPE_CHECKING:
    from edgevision.converters.keras_import import SourceModel
    from edgevision.tensors import Array, TensorSpec

MODEL_FILE = "model.tflite"


def export(source: SourceModel, request: Request) -> Exported:
    """Convert to a ``.tflite`` file with a fixed batch, the source's tensor names and embedded metadata.

    Raises:
        ConversionError: TensorFlow's converter gave up, or made something other than asked.
        BackendUnavailableError: the ``train`` extra is not installed.
    """
    with vendor_step(f"TFLite conversion of {source.name}"):
        converter = _converter(source, request)
        _set_scheme(converter, source, request)
        file = TFLiteFile(converter.convert())
    file.arrange([spec.name for spec in source.inputs], [spec.name for spec in source.outputs])
    inputs, outputs = _checked(file.inputs, source, request), _checked(file.outputs, source, request)
    content = embed_metadata(
        file.to_bytes(),
        name=source.name,
        preprocessing=source.preprocessing,
        labels=source.labels,
        task=source.task,
    )
    eight_bits = SCHEMES[request.scheme].weight_bits == 8
    skipped = [(name, "its weights stay float32") for name in file.float_weights] if eight_bits else []
    return Exported({MODEL_FILE: content}, inputs, outputs, versions("edgevision", *KERAS_TOOLS), tuple(skipped))


def _converter(source: SourceModel, request: Request) -> Any:
    """Return a converter of the model with its batch fixed: an open one brings operators that small devices lack."""
    tf = require("tensorflow")
    signature = [tf.TensorSpec((request.batch, *spec.shape[1:]), spec.dtype, name=spec.name) for spec in source.inputs]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def model(*tensors: Any) -> dict[str, Any]:
        results = source.model(tensors if len(tensors) > 1 else tensors[0], training=False)
        results = results if isinstance(results, list | tuple) else [results]
        return dict(zip((spec.name for spec in source.outputs), results, strict=True))

    return tf.lite.TFLiteConverter.from_concrete_functions([model.get_concrete_function()], source.model)


def _set_scheme(converter: Any, source: SourceModel, request: Request) -> None:
    tf = require("tensorflow")
    if request.scheme == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if request.granularity == "per_tensor":
        converter._experimental_disable_per_channel = True
    if request.scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif request.scheme.startswith("static") and not is_quantization_aware(source.model):
        converter.representative_dataset = _representative(request)
        ops = tf.lite.OpsSet
        eight_bits = request.scheme == "static_wi8_ai8"
        converter.target_spec.supported_ops = [
            ops.TFLITE_BUILTINS_INT8 if eight_bits else ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    if request.scheme.startswith("static"):
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(request.io_dtype)


def _representative(request: Request) -> Callable[[], Iterator[list[Array]]]:
    def samples() -> Iterator[list[Array]]:
        import numpy as np

        for sample in request.calibration or ():
            yield [np.repeat(sample, request.batch, axis=0)]

    return samples


def _checked(specs: tuple[TensorSpec, ...], source: SourceModel, request: Request) -> tuple[TensorSpec, ...]:
    """Raise ConversionError where integers were asked for and floats came: an operator was left in float."""
    asked = request.io_dtype
    for spec in specs:
        if asked != "float32" and (spec.dtype != asked or spec.quant is None):
            raise ConversionError(
                f"TFLite conversion of {source.name}: {spec.name} is {spec.dtype}", got=spec.dtype, allowed=[asked],
                next_step="ask for io_dtype float32, or leave out the layers that are not quantized",
            )  # fmt: skip
    return specs
