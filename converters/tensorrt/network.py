"""The ONNX file that TensorRT is given: as it is, in float16, or in int8 between pairs that TensorRT reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgevision.converters.formats import QuantizedFile, Request
from edgevision.converters.onnx_quantizer import TENSORRT, WEIGHTED, quantize_onnx
from edgevision.converters.tensorrt.settings import Recipe
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConfigError, ConversionError
from edgevision.optional import require

GROUP, KEPT = 4, 2
"""2:4 sparsity: of four weights in a row along the input channels, two at most are not zero."""


def network(content: bytes, name: str, request: Request, recipe: Recipe) -> QuantizedFile:
    """Return the ONNX file for a recipe.

    Args:
        content: The float32 ``.onnx``, with fixed shapes.
        name: What the model is called in errors.
        request: Scheme, calibration images and layers that stay in float.
        recipe: What is built.

    Raises:
        ConfigError: Sparse weights were asked for and nothing is 2:4 sparse, or as `quantize_onnx`.
        CalibrationError: As `quantize_onnx`.
        ConversionError: A weight is too large for float16, or a vendor's tool gave up.
    """
    skipped = _dense(content, name) if recipe.settings.sparse_weights else ()
    if recipe.int8_from == "qdq":
        made = quantize_onnx(content, name, request, TENSORRT)
        return QuantizedFile(made.content, (*made.skipped, *skipped), made.statistics)
    return QuantizedFile(_half(content, name) if recipe.half_in_file else content, skipped)


def _half(content: bytes, name: str) -> bytes:
    """Return the model with float16 inside; inputs and outputs stay float32."""
    with vendor_step(f"float16 conversion of {name}"):
        model = require("onnx").load_from_string(content)
        _check_half(model, name)
        convert = require("onnxruntime.transformers.float16").convert_float_to_float16
        made = require("onnxruntime.quantization.onnx_model").ONNXModel(convert(model, keep_io_types=True))
        made.topological_sort()
        require("onnx.checker").check_model(made.model, full_check=True)
        halved: bytes = made.model.SerializeToString(deterministic=True)
    return halved


def _check_half(model: Any, name: str) -> None:
    """Raise ConversionError where float16 has no number for a weight; the vendor's tool would clip it."""
    array = require("onnx.numpy_helper").to_array
    largest = float(np.finfo(np.float16).max)
    for tensor in model.graph.initializer:
        values = array(tensor)
        if values.dtype == np.float32 and values.size and np.isfinite(values).all() and np.abs(values).max() > largest:
            raise ConversionError(
                f"{name}: {tensor.name} is too large for float16", got=f"{np.abs(values).max():g}",
                allowed=f"up to {largest:g}", next_step="keep float32: --scheme float32",
            )  # fmt: skip


def _dense(content: bytes, name: str) -> tuple[tuple[str, str], ...]:
    """Return (layer, reason) for each layer with weights that are not 2:4 sparse; raise ConfigError where none is."""
    model = require("onnx").load_from_string(content)
    array = require("onnx.numpy_helper").to_array
    weights = {tensor.name: array(tensor) for tensor in model.graph.initializer}
    with_weights = [
        (node.name or node.output[0], node, weights[node.input[1]])
        for node in model.graph.node
        if node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in weights
    ]
    dense = tuple(
        (layer, "not 2:4 sparse along its input channels")
        for layer, node, kernel in with_weights
        if not is_2_4(kernel, _input_axis(node))
    )
    if len(dense) == len(with_weights):
        raise ConfigError(
            f"{name}: no layer is 2:4 sparse", got=f"{len(dense)} dense ones",
            next_step="prune it first: edgevision prune --pattern n_m --n-m 2:4",
        )  # fmt: skip
    return dense


def _input_axis(node: Any) -> int:
    """Return the axis of a kernel that its input channels lie along."""
    if node.op_type == "Conv":
        return 1
    transposed = any(entry.name == "transB" and entry.i for entry in node.attribute)
    return 1 if node.op_type == "Gemm" and transposed else -2 if node.op_type == "MatMul" else 0


def is_2_4(kernel: Any, axis: int) -> bool:
    """Whether of every four weights along an axis two at most are not zero; a rest of fewer is not looked at.

    >>> is_2_4(np.array([[1, 0, 2, 0]]), 1), is_2_4(np.array([[1, 3, 2, 0]]), 1)
    (True, False)
    """
    moved = np.moveaxis(np.asarray(kernel), axis, -1)
    whole = moved.shape[-1] // GROUP * GROUP
    groups = moved[..., :whole].reshape(-1, GROUP)
    return bool(len(groups)) and bool((np.count_nonzero(groups, axis=1) <= KEPT).all())
