"""Quantization of a float ``.tflite``, ours or somebody else's, without the Keras model that it came from.

The work is ai-edge-quantizer's; the ranges of the activations are chosen here, from what they take on when the float
model runs on the calibration images, so that they can be chosen in several ways and kept for the next time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from edgevision.converters.formats import AS_ASKED, SCHEMES, QuantizedFile, Request
from edgevision.converters.layer_choice import check_rest, chosen_operators, operator_names
from edgevision.converters.ranges import choose_ranges
from edgevision.converters.statistics_cache import recalled
from edgevision.converters.tflite_file import Operator, TFLiteFile
from edgevision.converters.tflite_statistics import measure
from edgevision.converters.vendor import vendor_step
from edgevision.errors import CalibrationError, ConversionError
from edgevision.optional import require

TOOLS = ("ai-edge-quantizer", "ai-edge-litert")
EVERYTHING = ".*"


def quantize_tflite(content: bytes, request: Request) -> bytes:
    """Return what `quantize_file` makes, the file alone."""
    return quantize_file(content, request).content


def quantize_file(content: bytes, request: Request) -> QuantizedFile:
    """Quantize a float ``.tflite`` as ``request`` says; its inputs and outputs keep names, order and batch.

    Layers are named as in `layer_names`. Operators that ai-edge-quantizer does not have stay in float.

    Raises:
        ConfigError: The file is quantized already, a layer's name is not in it, or no weights are left to quantize.
        CalibrationError: The scheme needs calibration data and there is none, or it does not fit.
        ConversionError: The vendor's tool gave up, or did something other than asked.
        BackendUnavailableError: The extra ``compress`` is not installed.
    """
    require("ai_edge_quantizer")
    file = TFLiteFile(content)
    file.check_float()
    file.normalize()
    content = file.to_bytes()
    operators = file.operators
    paths = [operator.paths for operator in operators]
    in_float = chosen_operators("float_layers", request.float_layers, paths)
    in_int16 = chosen_operators("int16_layers", request.int16_layers, paths) - in_float
    check_rest({position for position, operator in enumerate(operators) if operator.weights}, in_float)
    ranges, measured = _ranges(file, content, request) if SCHEMES[request.scheme].calibration else (None, None)
    with vendor_step("ai-edge-quantizer"):
        quantizer = require("ai_edge_quantizer.quantizer").Quantizer(content)
        _set_scheme(quantizer, request)
        for position in in_int16:
            _set_operator(quantizer, operators[position], request, 16)
        for position in in_float:
            _set_operator(quantizer, operators[position], request, None)
        for operator in file.side_operators:
            _set_operator(quantizer, operator, request, None)
        result = quantizer.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    quantized = TFLiteFile(bytes(result.quantized_model))
    _check_types(quantized, [operators[position] for position in in_float], "float32")
    _check_types(quantized, [operators[position] for position in in_int16], "int16")
    skipped = _left_in_float(quantized, request, [operators[position] for position in in_float])
    quantized.name_ends_as(file)
    return QuantizedFile(quantized.to_bytes(), skipped, measured)


def layer_names(content: bytes) -> tuple[str, ...]:
    """Return the names that the operators of a ``.tflite`` file may be called by, in order.

    They are what its tensors are named after: the paths that converters join with semicolons, what encloses them, and
    the ends of these (an operator ``net/conv1/Conv2D`` is also ``net/conv1`` and ``conv1``).
    """
    return operator_names([operator.paths for operator in TFLiteFile(content).operators])


def _left_in_float(quantized: TFLiteFile, request: Request, asked: Sequence[Operator]) -> tuple[tuple[str, str], ...]:
    """Return (operator, reason) for each operator that is not in the numbers asked for."""
    static = SCHEMES[request.scheme].calibration
    wanted = {name for operator in asked for name in operator.outputs}
    found = []
    for operator in quantized.operators:
        if operator.weights_dtype == "float32" or (static and operator.computes_in_float):
            lacking = f"stays in float: ai-edge-quantizer has no {operator.kind} of {request.scheme}"
            found.append((operator.paths[0], AS_ASKED if wanted & set(operator.outputs) else lacking))
    return tuple(found)


def _ranges(file: TFLiteFile, content: bytes, request: Request) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the range of each activation, as ai-edge-quantizer takes its own, and where they come from."""
    if request.calibration is None:
        raise CalibrationError(f"{request.scheme} needs calibration data and there is none")
    activations = file.float_activations
    measuring = partial(measure, content, activations, request.calibration)
    known = recalled(request.calibration_cache, content, activations.values(), request.calibration, measuring)
    statistics, origin = known
    ranges = {}
    for name, (low, high) in choose_ranges(statistics, request.calibration_method, file.input_names).items():
        shape = (1,) * file.ranks[name]
        ranges[name] = {"min": np.full(shape, low, np.float32), "max": np.full(shape, high, np.float32)}
    return ranges, origin


def _set_scheme(quantizer: Any, request: Request) -> None:
    typing = require("ai_edge_quantizer.qtyping")
    algorithms = require("ai_edge_quantizer.algorithm_manager").AlgorithmName
    granularity = _granularity(request)
    scheme = SCHEMES[request.scheme]
    if request.scheme == "float16":
        quantizer.add_weight_only_config(EVERYTHING, "*", 16, algorithm_key=algorithms.FLOAT_CASTING)
    elif not scheme.calibration:
        quantizer.add_dynamic_config(EVERYTHING, "*", scheme.weight_bits, granularity)
        if request.granularity == "per_tensor":
            # LiteRT's kernel of mixed types takes one scale per channel here and reads beyond a single one: these
            # weights are widened before use instead.
            depthwise = typing.TFLOperationName.DEPTHWISE_CONV_2D
            quantizer.add_weight_only_config(EVERYTHING, depthwise, scheme.weight_bits, granularity)
    else:
        quantizer.add_static_config(EVERYTHING, "*", scheme.activation_bits, scheme.weight_bits, granularity)
        for end in (typing.TFLOperationName.INPUT, typing.TFLOperationName.OUTPUT):
            _set_end(quantizer, end, request.io_dtype)


def _set_end(quantizer: Any, end: Any, dtype: str) -> None:
    """Choose the type of the model's inputs or outputs."""
    typing = require("ai_edge_quantizer.qtyping")
    if dtype == "float32":
        _leave(quantizer, EVERYTHING, end)
    elif dtype == "uint8":
        activations = typing.TensorQuantizationConfig(8, symmetric=False, dtype=typing.TensorDataType.UINT)
        weights = typing.TensorQuantizationConfig(8, symmetric=True, granularity=typing.QuantGranularity.CHANNELWISE)
        config = typing.OpQuantizationConfig(activations, weights, typing.ComputePrecision.INTEGER)
        quantizer.update_quantization_recipe(EVERYTHING, end, config)
    else:
        quantizer.add_static_config(EVERYTHING, end, 16 if dtype == "int16" else 8, 8)


def _set_operator(quantizer: Any, operator: Operator, request: Request, bits: int | None) -> None:
    """Give one operator activations of so many bits, or leave it in float."""
    vendor = require("ai_edge_quantizer.utils.tfl_flatbuffer_utils")
    codes = require("ai_edge_litert.schema_py_generated").BuiltinOperator
    kind = vendor.TFL_OP_CODE_TO_NAME.get(getattr(codes, operator.kind, None))
    if kind is None:  # the vendor's tool has no such operator and leaves it alone
        return
    scope = f"^{re.escape(';'.join(operator.outputs))};$"
    if bits is None:
        _leave(quantizer, scope, kind)
    else:
        quantizer.add_static_config(scope, kind, bits, 8, _granularity(request))


def _leave(quantizer: Any, scope: str, kind: Any) -> None:
    none = require("ai_edge_quantizer.algorithm_manager").AlgorithmName.NO_QUANTIZE
    quantizer.update_quantization_recipe(scope, kind, algorithm_key=none)


def _granularity(request: Request) -> Any:
    granularities = require("ai_edge_quantizer.qtyping").QuantGranularity
    return granularities.TENSORWISE if request.granularity == "per_tensor" else granularities.CHANNELWISE


def _check_types(quantized: TFLiteFile, asked: Sequence[Operator], dtype: str) -> None:
    """Raise ConversionError where an operator of the quantized file does not compute in what was asked for."""
    made = {name: operator for operator in quantized.operators for name in operator.outputs}
    for operator in asked:
        for name in operator.outputs:
            found = made[name].dtypes if name in made else {"nothing"}
            if dtype not in found or found - {dtype, "int32", "int64", "bool"}:
                raise ConversionError(
                    f"{operator.paths[0]} was to compute in {dtype}", got=", ".join(sorted(found)),
                    next_step="leave it out of the layers that are asked for",
                )  # fmt: skip
