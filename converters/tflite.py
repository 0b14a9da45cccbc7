"""TFLite export in every scheme: float, float16 weights, 8-bit weights, 8-bit integer, 16-bit activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgevision.converters.file_tflite import export_file
from edgevision.converters.formats import AS_ASKED, SCHEMES, Exported, Request
from edgevision.converters.keras_blocks import block_of
from edgevision.converters.keras_import import (
    KERAS_TOOLS,
    SourceModel,
    is_quantization_aware,
    layer_names,
    named_layers,
)
from edgevision.converters.layer_choice import chosen_layers, operators_of, owner_of, owners
from edgevision.converters.tflite_file import TFLiteFile
from edgevision.converters.tflite_metadata import embed_metadata
from edgevision.converters.tflite_quantizer import TOOLS, quantize_file
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConfigError, ConversionError
from edgevision.optional import require, versions

if TYPE_CHECKING:
    from edgevision.converters.file_source import Source
    from edgevision.tensors import Array, TensorSpec

MODEL_FILE = "model.tflite"


def export(source: Source, request: Request) -> Exported:
    """Convert to a ``.tflite`` file with a fixed batch, the source's tensor names and embedded metadata.

    TensorFlow's converter quantizes with the smallest and largest values that it saw. What it cannot, or does wrongly,
    is ai-edge-quantizer's work on the float file: see `_is_quantized_later`; so is everything for a source without a
    Keras form.

    Raises:
        ConfigError: A layer's name is not in the model.
        ConversionError: TensorFlow's converter gave up, or made something other than asked.
        BackendUnavailableError: The extra ``train`` or, for ai-edge-quantizer, ``compress`` is not installed.
    """
    if not isinstance(source, SourceModel):
        return export_file(source, request)
    by_file = _is_quantized_later(request)
    first = replace(request, scheme="float32", io_dtype="float32") if by_file else request
    with vendor_step(f"TFLite conversion of {source.name}"):
        converter = _converter(source, first)
        _set_scheme(converter, source, first)
        file = TFLiteFile(converter.convert())
    file.arrange([spec.name for spec in source.inputs], [spec.name for spec in source.outputs])
    tools, measured = (*KERAS_TOOLS, *(TOOLS if by_file else ())), None
    if by_file:
        file, skipped, measured = _quantized(file, source, request)
    else:
        skipped = _left_in_float(file, source, request)
    inputs, outputs = _checked(file.inputs, source, request), _checked(file.outputs, source, request)
    content = embed_metadata(
        file.to_bytes(),
        name=source.name,
        preprocessing=source.preprocessing,
        labels=source.labels,
        task=source.task,
    )
    return Exported({MODEL_FILE: content}, inputs, outputs, versions("edgevision", *tools), skipped, measured)


def _is_quantized_later(request: Request) -> bool:
    """Whether a request is beyond TensorFlow's converter.

    It has one way of choosing ranges and one treatment for all layers. With a scale per tensor, it gives depthwise
    convolutions weights that LiteRT misreads (dynamic), or gives up on them (16-bit activations).
    """
    per_tensor = request.granularity == "per_tensor" and request.scheme != "static_wi8_ai8"
    layers = request.float_layers or request.int16_layers
    return bool(request.calibration_method != "min_max" or layers or per_tensor)


def _quantized(
    file: TFLiteFile, source: SourceModel, request: Request
) -> tuple[TFLiteFile, tuple[tuple[str, str], ...], str | None]:
    """Quantize a float file by the names of Keras layers; return it, what was skipped, and where ranges come from."""
    in_float = _chosen("float_layers", request.float_layers, file, source)
    in_int16 = _chosen("int16_layers", request.int16_layers, file, source)
    by_name = replace(request, float_layers=_listed(in_float), int16_layers=_listed(in_int16))
    made = quantize_file(file.to_bytes(), by_name)
    names = _traced_names(source.model)
    others = ((owner_of([path], names) or path, reason) for path, reason in made.skipped if reason != AS_ASKED)
    skipped = dict.fromkeys([*((layer, AS_ASKED) for layer in in_float), *others])
    return TFLiteFile(made.content), tuple(skipped), made.statistics


def _left_in_float(file: TFLiteFile, source: SourceModel, request: Request) -> tuple[tuple[str, str], ...]:
    """Return (layer, reason) for what computes in float, or with float weights, though the scheme has 8-bit ones."""
    scheme, names = SCHEMES[request.scheme], _traced_names(source.model)
    found: dict[tuple[str, str], None] = {}
    for operator in file.operators if scheme.weight_bits == 8 else ():
        own = operator.weights.split(";") if operator.weights else []
        name = owner_of([*own, *operator.paths], names) or operator.paths[0]
        if operator.weights_dtype == "float32":
            found[name, "its weights stay float32"] = None
        elif scheme.calibration and operator.computes_in_float:
            found[name, f"{operator.kind} computes in float32"] = None
    return tuple(found)


def _traced_names(model: Any) -> dict[str, str]:
    """Return what a trace calls each layer -> its name, as it was before quantization-aware training."""
    return {
        name: name.removeprefix("quant_") if type(layer).__name__ == "QuantizeWrapperV2" else name
        for name, layer in named_layers(model)
    }


def _chosen(
    option: str, patterns: tuple[str, ...], file: TFLiteFile, source: SourceModel
) -> dict[str, tuple[str, ...]]:
    """Return the Keras layers that match, and under which layers' names they are in the file.

    A batch norm may have left no name of its own: then it goes by those that it was merged with.

    Raises:
        ConfigError: A pattern matches no layer, or nothing is left in the file of all that match.
    """
    layers = chosen_layers(option, patterns, source.model)
    owned = owners([operator.paths for operator in file.operators])
    found, known = {}, layer_names(source.model)
    for name, layer in named_layers(source.model):
        if name in layers:
            parts = [known.get(id(part), part.name) for part in block_of(layer)]
            merged = [part for part in parts if operators_of(part, owned)]
            found[name] = (name,) if name in merged else tuple(merged)
    found = {layer: names for layer, names in found.items() if names}
    if layers and not found:
        raise ConfigError(f"{option}: no operator is left of these layers", got=", ".join(layers))
    return found


def _listed(layers: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in layers.values() for name in names))


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
    if request.sparse_encoding:
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
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
