"""Quantization of a float ``.tflite``, ours or somebody else's, without the Keras model that it came from.

The work is ai-edge-quantizer's; the ranges of the activations are chosen here, from what they take on when the float
model runs on the calibration images, so that they can be chosen in several ways and kept for the next time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.converters.formats import AS_ASKED, SCHEMES, Request
from edgevision.converters.layer_choice import endings, matching_names, operators_of, owners
from edgevision.converters.ranges import choose_range
from edgevision.converters.statistics_cache import cache_file, load_statistics, store_statistics
from edgevision.converters.tflite_file import Operator, TFLiteFile
from edgevision.converters.tflite_statistics import Statistics, measure
from edgevision.converters.vendor import vendor_step
from edgevision.errors import CalibrationError, ConfigError, ConversionError
from edgevision.optional import require

if TYPE_CHECKING:
    from edgevision.calibration import CalibrationDataset

TOOLS = ("ai-edge-quantizer", "ai-edge-litert")
EVERYTHING = ".*"


@dataclass(frozen=True)
class QuantizedFile:
    """A quantized ``.tflite``.

    Attributes:
        content: The file.
        skipped: (operator, reason) for each operator that is not in the numbers asked for, or left in float on request.
        statistics: whether the activations were "measured", or what had been was "reused"; None where none were needed.
    """

    content: bytes
    skipped: tuple[tuple[str, str], ...] = ()
    statistics: str | None = None


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
    in_float = chosen_operators("float_layers", request.float_layers, operators)
    in_int16 = chosen_operators("int16_layers", request.int16_layers, operators) - in_float
    _check_rest(operators, in_float)
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
    return _names(owners([operator.paths for operator in TFLiteFile(content).operators]))


def chosen_operators(option: str, patterns: Sequence[str], operators: Sequence[Operator]) -> set[int]:
    """Return the positions of the operators that belong to the layers asked for.

    Raises:
        ConfigError: A name or pattern matches no layer; ``option`` is what it was given as.
    """
    owned = owners([operator.paths for operator in operators])
    found: set[int] = set()
    for name in matching_names(option, patterns, _names(owned)):
        found |= operators_of(name, owned)
    return found


def _check_rest(operators: Sequence[Operator], in_float: Set[int]) -> None:
    """Raise ConfigError where no operator with weights is left to quantize."""
    weighted = {position for position, operator in enumerate(operators) if operator.weights}
    if weighted and weighted <= in_float:
        raise ConfigError("float_layers: every layer with weights stays in float", next_step="ask for scheme float32")


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


def _names(owned: Mapping[str, set[int]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for scope in owned for name in endings(scope)))


def _ranges(file: TFLiteFile, content: bytes, request: Request) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the range of each activation, as ai-edge-quantizer takes its own, and where they come from."""
    if request.calibration is None:
        raise CalibrationError(f"{request.scheme} needs calibration data and there is none")
    statistics, origin = _statistics(file, content, request.calibration, request.calibration_cache)
    ranges = {}
    for name, rank in file.ranks.items():
        if name in statistics:
            method = "min_max" if name in file.input_names else request.calibration_method
            low, high = choose_range(statistics[name], method)
            shape = (1,) * rank
            ranges[name] = {"min": np.full(shape, low, np.float32), "max": np.full(shape, high, np.float32)}
    return ranges, origin


def _statistics(
    file: TFLiteFile, content: bytes, calibration: CalibrationDataset, cache: Path | None
) -> tuple[Statistics, str]:
    """Measure what the activations take on; with a cache, only if that was not done before."""
    activations = file.float_activations
    if cache is None:
        return measure(content, activations, calibration), "measured"
    place = cache_file(cache, hashlib.sha256(content).hexdigest(), calibration.inputs_sha256)
    if place.exists():
        statistics = load_statistics(place)
        if set(statistics) != set(activations.values()):
            raise CalibrationError(f"{place} is of another model", next_step="delete it to measure again")
        return statistics, "reused"
    statistics = measure(content, activations, calibration)
    store_statistics(place, statistics)
    return statistics, "measured"


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
