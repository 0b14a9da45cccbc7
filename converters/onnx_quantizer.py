"""Quantization of a float ``.onnx``, ours or somebody else's: int8 between QuantizeLinear and DequantizeLinear.

The work is ONNX Runtime's (its static quantization in the QDQ form, which every runtime and TensorRT read); the ranges
of the activations are chosen here, from what they take on when the float model runs on the calibration images. Inputs
and outputs stay float32.

Weights use 7 of their 8 bits. On x86 without VNNI, ONNX Runtime and OpenVINO add pairs of products in 16 bits, which
saturate when weights and activations are both large: with 8 bits a small residual network kept 35% of its answers
there, with 7 all. TensorRT asks for other pairs, see `TENSORRT`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from edgevision.converters.formats import AS_ASKED, QuantizedFile, Request
from edgevision.converters.layer_choice import check_rest, chosen_operators
from edgevision.converters.onnx_file import complete_shapes, dtype_of
from edgevision.converters.onnx_statistics import measure
from edgevision.converters.ranges import choose_ranges
from edgevision.converters.statistics_cache import recalled
from edgevision.converters.vendor import vendor_step
from edgevision.errors import CalibrationError, ConfigError, ConversionError
from edgevision.optional import require

TOOLS = ("onnxruntime",)

OPSET = 13
"""The ONNX operator set that brought scales for each channel."""

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that take weights as their second input."""


@dataclass(frozen=True)
class Pairs:
    """Where QuantizeLinear and DequantizeLinear are put, and which integers lie between them.

    Attributes:
        operators: operators whose inputs get them; None for all that ONNX Runtime's tool knows.
        seven_bits: whether weights use 7 of their 8 bits.
        options: what the vendor's tool is told beside that.
    """

    operators: tuple[str, ...] | None = None
    seven_bits: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


PORTABLE = Pairs()
"""Asymmetric activations, weights and biases stored as integers: what ONNX Runtime and OpenVINO compute with."""

TENSORRT = Pairs(
    WEIGHTED,
    seven_bits=False,
    options={
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "QuantizeBias": False,
        "AddQDQPairToWeight": True,
        "OpTypesToExcludeOutputQuantization": list(WEIGHTED),
    },
)
"""What TensorRT asks for (Working with Quantized Types, Explicit Quantization): zero points of 0, float biases, and
pairs at the inputs of operators with weights and nowhere else, so that it can merge what follows into them. Weights
stay float in front of their pair, which every release since 8.0 reads."""

QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger")


def quantize_onnx(content: bytes, name: str, request: Request, pairs: Pairs = PORTABLE) -> QuantizedFile:
    """Quantize a float ``.onnx`` as ``request`` says; its inputs and outputs keep names, order and type.

    Weights are symmetric int8, from -64 to 64 with seven bits, activations int8. Layers are named as in
    `edgevision.converters.layer_choice.operator_names`.

    Args:
        content: The file; every shape is fixed.
        name: What the model is called in errors.
        request: Of scheme ``static_wi8_ai8``.
        pairs: Where it is quantized, and into which integers.

    Raises:
        ConfigError: The file is quantized already, a layer's name is not in it, or no weights are left to quantize.
        CalibrationError: There is no calibration data, or it does not fit.
        ConversionError: The vendor's tool gave up.
        BackendUnavailableError: The extra ``onnx`` is not installed.
    """
    model = _read(content, name)
    nodes = list(model.graph.node)
    weighted = _weighted(model)
    in_float = chosen_operators("float_layers", request.float_layers, [[node.name] for node in nodes])
    check_rest(weighted, in_float)
    ranges, origin = _ranges(model, content, request)
    kept = {nodes[position].name for position in in_float}
    with vendor_step(f"ONNX Runtime quantization of {name}"):
        quantized = _quantized(model, request, ranges, kept, pairs)
        require("onnx.checker").check_model(quantized)
    skipped = _left_in_float(quantized, [nodes[position].name for position in sorted(weighted)], kept)
    missed = kept & {nodes[position].name for position in weighted} - {layer for layer, _ in skipped}
    if missed:
        raise ConversionError(f"{name}: was to stay in float", got=", ".join(sorted(missed)))
    return QuantizedFile(quantized.SerializeToString(deterministic=True), skipped, origin)


def _read(content: bytes, name: str) -> Any:
    """Return a float model with the shapes of its tensors, each node named."""
    with vendor_step(f"reading {name} as ONNX"):
        model = _with_scales_by_channel(require("onnx").load_from_string(content))
    _check_float(model, name)
    _store_constants(model)
    _name_nodes(model)
    return model


def _with_scales_by_channel(model: Any) -> Any:
    """Return a model with inferred shapes, in `OPSET` or newer: older pairs have one scale for a whole tensor."""
    if all(entry.version >= OPSET for entry in model.opset_import if entry.domain in ("", "ai.onnx")):
        return require("onnx.shape_inference").infer_shapes(model)
    model = require("onnx.version_converter").convert_version(model, OPSET)
    complete_shapes(model)
    return model


def ranges_of(content: bytes, name: str, request: Request) -> tuple[Mapping[str, tuple[float, float]], str]:
    """Return the range of each activation of a float ``.onnx``, and whether it was "measured" or "reused".

    Raises:
        ConfigError: The file is quantized already.
        CalibrationError: There is no calibration data, or it does not fit.
    """
    return _ranges(_read(content, name), content, request)


def _check_float(model: Any, name: str) -> None:
    for node in model.graph.node:
        if node.op_type in QUANTIZED:
            raise ConfigError(
                f"{name} is quantized already", got=f"{node.name or node.op_type} {node.op_type}",
                next_step="start from the float model",
            )  # fmt: skip


def _store_constants(model: Any) -> None:
    """Make initializers of nodes that are only a tensor: the vendor's tool takes their outputs for activations."""
    for node in list(model.graph.node):
        tensor = next((entry.t for entry in node.attribute if entry.name == "value"), None)
        if node.op_type == "Constant" and tensor is not None:
            stored = model.graph.initializer.add()
            stored.CopyFrom(tensor)
            stored.name = node.output[0]
            model.graph.node.remove(node)


def _name_nodes(model: Any) -> None:
    """Give each node a name of its own: the vendor's tool tells them apart by it, and files need not have any."""
    taken: set[str] = set()
    for position, node in enumerate(model.graph.node):
        wanted = node.name or f"{node.op_type}_{position}"
        node.name = wanted if wanted not in taken else f"{wanted}_{position}"
        taken.add(node.name)


def _weighted(model: Any) -> set[int]:
    """Return the positions of the nodes whose second input is a constant of float weights."""
    constants = {tensor.name for tensor in model.graph.initializer}
    constants |= {output for node in model.graph.node if node.op_type == "Constant" for output in node.output}
    return {
        position
        for position, node in enumerate(model.graph.node)
        if node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in constants
    }


def _ranges(model: Any, content: bytes, request: Request) -> tuple[Mapping[str, tuple[float, float]], str]:
    """Return the range of each activation, and where what they were chosen from comes from."""
    if request.calibration is None:
        raise CalibrationError(f"{request.scheme} needs calibration data and there is none")
    activations = [name for name, dtype in _activations(model) if dtype == "float32"]
    measuring = partial(measure, model, activations, request.calibration)
    statistics, origin = recalled(request.calibration_cache, content, activations, request.calibration, measuring)
    inputs = [entry.name for entry in model.graph.input]
    return choose_ranges(statistics, request.calibration_method, inputs), origin


def _activations(model: Any) -> list[tuple[str, str]]:
    """Return name and dtype of each tensor of the main graph that is not a constant."""
    graph = model.graph
    constants = {output for node in graph.node if node.op_type == "Constant" for output in node.output}
    entries = [entry for entry in (*graph.input, *graph.value_info, *graph.output) if entry.name not in constants]
    return [(entry.name, dtype_of(entry)) for entry in entries if entry.type.HasField("tensor_type")]


def _quantized(
    model: Any, request: Request, ranges: Mapping[str, tuple[float, float]], in_float: Set[str], pairs: Pairs
) -> Any:
    calibrate = require("onnxruntime.quantization.calibrate")
    quantizers = require("onnxruntime.quantization.qdq_quantizer")
    registry = require("onnxruntime.quantization.registry")
    types = require("onnxruntime.quantization").QuantType
    limits = {name: (np.array(low, np.float32), np.array(high, np.float32)) for name, (low, high) in ranges.items()}
    quantizer = quantizers.QDQQuantizer(
        model,
        per_channel=request.granularity == "per_channel",
        reduce_range=pairs.seven_bits,
        weight_qType=types.QInt8,
        activation_qType=types.QInt8,
        tensors_range=calibrate.TensorsData(calibrate.CalibrationMethod.MinMax, limits),
        nodes_to_quantize=[],
        nodes_to_exclude=sorted(in_float),
        op_types_to_quantize=sorted(pairs.operators or {*registry.QLinearOpsRegistry, *registry.QDQRegistry}),
        extra_options=dict(pairs.options),
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    return quantizer.model.model


def _left_in_float(model: Any, weighted: Sequence[str], asked: Set[str]) -> tuple[tuple[str, str], ...]:
    """Return (node, reason) for each node with weights that are still float."""
    made = {output: node.op_type for node in model.graph.node for output in node.output}
    kernels = {node.name: node.input[1] for node in model.graph.node if node.op_type in WEIGHTED}
    return tuple(
        (name, AS_ASKED if name in asked else "stays in float: ONNX Runtime's tool did not quantize it")
        for name in weighted
        if name in kernels and made.get(kernels[name]) != "DequantizeLinear"
    )
