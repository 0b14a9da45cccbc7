"""Quantization of an OpenVINO model by NNCF: 8-bit weights, and activations in ranges measured on calibration images.

NNCF measures anew each time: it takes no statistics from elsewhere, and its own are of the half-quantized model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from edgevision.converters.formats import Request
from edgevision.converters.ranges import OUTLIERS
from edgevision.converters.vendor import vendor_step
from edgevision.errors import CalibrationError, ConversionError
from edgevision.optional import require

WEIGHTED = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "GroupConvolutionBackpropData", "MatMul")
"""Operations that take weights as their second input."""


def quantize_model(model: Any, request: Request, *, name: str, in_float: Collection[str] = ()) -> Any:
    """Return an ``openvino.Model`` quantized as ``request`` says.

    Args:
        model: The float model; it may be changed.
        request: Of scheme ``static_wi8_ai8`` or ``dynamic_wi8_afp32``.
        name: What the model is called in errors.
        in_float: Friendly names of the operations that stay in float.

    Raises:
        CalibrationError: There is no calibration data, or it is constant, NaN or infinite.
        ConversionError: NNCF gave up, or quantized what was to stay in float.
        BackendUnavailableError: The extra ``compress`` is not installed.
    """
    with vendor_step(f"NNCF quantization of {name}"):
        quantized = _QUANTIZERS[request.scheme](model, request, _ignored(in_float))
    for operation in quantized.get_ordered_ops():
        kind = weights_type(operation)
        if operation.get_friendly_name() in in_float and kind is not None and kind.startswith(("i", "u")):
            raise ConversionError(
                f"{name}: {operation.get_friendly_name()} was to stay in float", got=f"weights in {kind}"
            )
    return quantized


def weights_constant(operation: Any) -> Any:
    """Return the constant that an operation's weights are made from; None where it has none."""
    if operation.get_type_name() not in WEIGHTED:
        return None
    node = operation.input_value(1).get_node()
    while node.get_type_name() != "Constant" and node.get_input_size():
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None


def weights_type(operation: Any) -> str | None:
    """Return the type of an operation's constant weights as they are stored ("f32", "i8"); None where it has none."""
    node = weights_constant(operation)
    return None if node is None else str(node.get_output_element_type(0).get_type_name())


def _with_activations(model: Any, request: Request, ignored: Any) -> Any:
    """Quantize weights and activations.

    The bias correction is the slow one, which looks at each layer behind those already corrected: on a ResNet-8 it
    halves the loss in accuracy. Weights use 7 of their 8 bits in every layer, where NNCF by itself spares the first one
    alone: on x86 without VNNI OpenVINO adds pairs of products in 16 bits, and two dense layers of 8 bits saturated.
    """
    nncf = require("nncf")
    calibration = request.calibration
    if calibration is None:
        raise CalibrationError(f"{request.scheme} needs calibration data and there is none")
    _ = calibration.range  # refuses bad data in our words, before NNCF sees it
    advanced = require("nncf.quantization.advanced_parameters")
    weights = advanced.QuantizationParameters(per_channel=False) if request.granularity == "per_tensor" else None
    return nncf.quantize(
        model,
        nncf.Dataset(calibration, lambda sample: np.repeat(sample, request.batch, axis=0)),
        subset_size=len(calibration),
        fast_bias_correction=False,
        ignored_scope=ignored,
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            weights_quantization_params=weights,
            overflow_fix=advanced.OverflowFix.ENABLE,
            activations_range_estimator_params=_range_estimator(request.calibration_method),
        ),
    )


def _range_estimator(method: str) -> Any:
    """Return how NNCF is to choose ranges: by itself it would take the means of every image's extremes, and clip.

    ``percentile`` takes the means of every image's percentiles, ``mse`` is NNCF's search over a histogram.
    """
    estimators = require("nncf.quantization.range_estimator")
    if method == "percentile":
        ends = estimators.StatisticsCollectorParameters(
            statistics_type=estimators.StatisticsType.QUANTILE,
            aggregator_type=estimators.AggregatorType.MEAN,
            quantile_outlier_prob=OUTLIERS,
        )
        return estimators.RangeEstimatorParameters(ends, ends)
    known = estimators.RangeEstimatorParametersSet
    return known.HISTOGRAM if method == "mse" else known.MINMAX


def _weights_alone(model: Any, request: Request, ignored: Any) -> Any:
    nncf = require("nncf")
    return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM, ignored_scope=ignored)


_QUANTIZERS: Mapping[str, Callable[[Any, Request, Any], Any]] = {
    "static_wi8_ai8": _with_activations,
    "dynamic_wi8_afp32": _weights_alone,
}


def _ignored(names: Collection[str]) -> Any:
    nncf = require("nncf")
    return nncf.IgnoredScope(names=sorted(names), validate=False) if names else None
