"""Operators that TensorRT's ONNX parser takes, by its own list, and how it restricts them."""

from __future__ import annotations

from edgevision.devices.rules.base import Rule, RuleSet, rule
from edgevision.devices.rules.common import standard
from edgevision.graphs import Graph, Node

_REFUSED = """
    AffineGrid Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im Compress
    ConcatFromSequence ConvInteger DFT Det DynamicQuantizeLinear ImageDecoder MatMulInteger MaxRoiPool MaxUnpool
    MelWeightMatrix Multinomial NegativeLogLikelihoodLoss Optional OptionalGetElement OptionalHasElement QLinearConv
    QLinearMatMul RegexFullMatch SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength
    SequenceMap SoftmaxCrossEntropyLoss SplitToSequence StringConcat StringNormalizer StringSplit TfIdfVectorizer Unique
"""
_TYPES = ("", "float32", "float16", "bfloat16", "float64", "float8", "float4", "int64", "int32", "int8", "int4",
          "uint8", "bool")  # fmt: skip
"""A double is cast to float32; a type that the file does not say is not judged."""
_MODES = {
    "mode": ("nearest", "linear"),
    "coordinate_transformation_mode": (
        "half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners",
    ),
    "nearest_mode": ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"),
    "keep_aspect_ratio_policy": ("stretch",),
}  # fmt: skip


@rule(
    "keep weights and activations between QuantizeLinear and DequantizeLinear: edgevision quantize --to tensorrt-plan"
)
def parsed(graph: Graph, node: Node) -> str | None:
    """The parser does not have it."""
    return node.kind


@rule("leave texts, complex numbers and unsigned or 16-bit integers out of the model")
def known_type(graph: Graph, node: Node) -> str | None:
    """Its tensors are of a type that TensorRT has."""
    values = (*graph.inputs_of(node), *graph.outputs_of(node))
    bad = next((value for value in values if value.dtype not in _TYPES), None)
    return None if bad is None else str(bad)


@rule("quantize it for TensorRT: edgevision quantize --to tensorrt-plan")
def symmetric(graph: Graph, node: Node) -> str | None:
    """The zero point is left out, or is int8 and 0."""
    point = graph.values.get(node.inputs[2]) if len(node.inputs) > 2 else None
    if point is None or not point.constant:
        return None
    if point.dtype == "uint8":
        return "a uint8 zero point"
    return "a zero point that is not 0" if point.dtype == "int8" and not point.zero else None


@rule("pool without dilation")
def no_dilation(graph: Graph, node: Node) -> str | None:
    """It pools over 2 or 3 axes, without dilation, and gives no indices."""
    dilations = node.attributes.get("dilations") or ()
    if any(step != 1 for step in dilations):
        return f"dilations {'×'.join(map(str, dilations))}"
    if len([name for name in node.outputs if name]) > 1:
        return "an output of indices"
    kernel = node.attributes.get("kernel_shape") or (0, 0)
    return None if len(kernel) in (2, 3) else f"{len(kernel)} axes"


@rule("resize by nearest or linear, half_pixel or align_corners, without antialiasing")
def plain_resize(graph: Graph, node: Node) -> str | None:
    """It is nearest or linear, stretches, has a common transformation of coordinates, and no antialiasing."""
    if node.attributes.get("antialias"):
        return "antialiasing"
    found = ((name, node.attributes.get(name)) for name in _MODES)
    bad = next(((name, value) for name, value in found if value is not None and value not in _MODES[name]), None)
    return None if bad is None else f"{bad[0]} {bad[1]}"


@rule("add without an element-wise reduction")
def no_reduction(graph: Graph, node: Node) -> str | None:
    """It sets values, and does not add or multiply them."""
    reduction = node.attributes.get("reduction") or "none"
    return None if reduction == "none" else str(reduction)


_NONE: tuple[Rule, ...] = (parsed,)
RULES = RuleSet(
    "tensorrt", "TensorRT on a GPU", "onnx-tensorrt, docs/operators.md, Supported ONNX Operators (release 10.15)",
    "onnx",
    (standard, known_type),
    {
        **dict.fromkeys(_REFUSED.split(), _NONE),
        **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), (symmetric,)),
        **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), (no_dilation,)),
        "Resize": (plain_resize,), "ScatterND": (no_reduction,),
    },
    open=True, needs_static=False,
)  # fmt: skip
"""What TensorRT's parser asks; operators that are not named here are taken."""
