"""Operators of Ethos-U, as Vela's report of supported operators states them (version 5)."""

from __future__ import annotations

from edgevision.devices.rules.base import RuleSet, rule
from edgevision.graphs import Graph, Node

_INTEGERS = ("int8", "uint8", "int16")


@rule("quantize with integer inputs and outputs: edgevision quantize --scheme static_wi8_ai8")
def integers(graph: Graph, node: Node) -> str | None:
    """Tensors are int8, uint8 or int16, and wider where the operator takes that."""
    allowed = (*_INTEGERS, "int32") if node.kind in _WIDE else _INTEGERS
    if node.kind == "ARG_MAX":
        allowed = (*allowed, "int64")
    values = (*graph.inputs_of(node), *graph.outputs_of(node))
    bad = next((value for value in values if value.dtype not in allowed), None)
    return None if bad is None else str(bad)


@rule("fix every axis; edgevision convert writes a batch of 1")
def static(graph: Graph, node: Node) -> str | None:
    """Shapes are known, and no tensor but a bias is a scalar."""
    values = (*graph.inputs_of(node), *graph.outputs_of(node))
    bad = next((value for value in values if not value.static or value.shape == ()), None)
    return None if bad is None else str(bad)


@rule("a batch of 1")
def one_batch(graph: Graph, node: Node) -> str | None:
    """The batch is 1."""
    shape = graph.inputs_of(node)[0].shape or ()
    return None if len(shape) != 4 or shape[0] == 1 else str(graph.inputs_of(node)[0])


@rule("a stride of at most 3, or two layers")
def small_stride(graph: Graph, node: Node) -> str | None:
    """Strides lie between 1 and 3, or the output is 1 × 1."""
    if (graph.outputs_of(node)[0].shape or ())[1:3] == (1, 1):
        return None
    strides = [node.attributes.get(name, 1) for name in ("stride_w", "stride_h")]
    return None if all(1 <= stride <= 3 for stride in strides) else f"{strides[1]}×{strides[0]}"


@rule("a smaller kernel, or less dilation")
def small_kernel(graph: Graph, node: Node) -> str | None:
    """The dilated kernel is at most 64 high, and height × width at most 64 × 64."""
    constants = graph.constants_of(node)
    shape = constants[0].shape if constants else None
    if shape is None or len(shape) != 4:
        return "a kernel that is not constant"
    height = ((shape[1] or 1) - 1) * node.attributes.get("dilation_h", 1) + 1
    width = ((shape[2] or 1) - 1) * node.attributes.get("dilation_w", 1) + 1
    return None if height <= 64 and height * width <= 64 * 64 else f"{height}×{width}"


@rule("pool in two steps")
def small_filter(graph: Graph, node: Node) -> str | None:
    """The filter is at most 256 high, and height × width at most 256 × 256."""
    height, width = node.attributes.get("filter_h", 1), node.attributes.get("filter_w", 1)
    return None if height <= 256 and height * width <= 256 * 256 else f"{height}×{width}"


@rule("upsample in steps of 2")
def power_of_two(graph: Graph, node: Node) -> str | None:
    """It scales both axes by 2, 4 or 8, or the input is 1 × 1."""
    before, after = (value.shape or () for value in (graph.inputs_of(node)[0], graph.outputs_of(node)[0]))
    if len(before) != 4 or len(after) != 4:
        return f"{len(before)} axes"
    if before[1:3] == (1, 1) or before == after:
        return None
    corner = 1 if node.attributes.get("align_corners") else 0
    sizes = [(new or 1, old or 1) for old, new in zip(before[1:3], after[1:3], strict=True)]
    ratios = {(new - corner) / max(1, old - corner) for new, old in sizes}
    return None if len(ratios) == 1 and ratios <= {2.0, 4.0, 8.0} else f"{before[1:3]} to {after[1:3]}"


_WIDE = ("ABS", "ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SHAPE", "TRANSPOSE", "RESHAPE", "SPLIT", "CONCATENATION",
         "STRIDED_SLICE", "SLICE", "PACK", "UNPACK", "EXPAND_DIMS", "SQUEEZE", "ARG_MAX", "MIRROR_PAD",
         "QUANTIZE")  # fmt: skip
_PLAIN = """
    ABS ADD ARG_MAX CONCATENATION EXP EXPAND_DIMS FULLY_CONNECTED HARD_SWISH LEAKY_RELU LOGISTIC MAXIMUM MEAN
    MINIMUM MIRROR_PAD MUL PACK PAD PRELU QUANTIZE RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 RESHAPE RSQRT SHAPE SLICE
    SOFTMAX SPLIT SPLIT_V SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB TANH TRANSPOSE
    UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK
"""
_CONVOLUTION = (one_batch, small_stride, small_kernel)
_OPERATORS = {
    **dict.fromkeys(_PLAIN.split(), ()),
    "CONV_2D": _CONVOLUTION,
    "DEPTHWISE_CONV_2D": _CONVOLUTION,
    "TRANSPOSE_CONV": (one_batch,),
    "AVERAGE_POOL_2D": (one_batch, small_stride, small_filter),
    "MAX_POOL_2D": (one_batch, small_stride, small_filter),
    "RESIZE_BILINEAR": (power_of_two,),
    "RESIZE_NEAREST_NEIGHBOR": (power_of_two,),
}
RULES = RuleSet(
    "ethos-u", "Arm Ethos-U55 and U65", "Vela, report of supported operators (version 5); some of its "
    "finer constraints are Vela's alone: compile to be sure", "tflite", (static, integers), _OPERATORS,
)  # fmt: skip
"""What Vela asks before it puts an operator on the NPU."""
U85_RULES = RuleSet(
    "ethos-u85", "Arm Ethos-U85", RULES.source, "tflite", RULES.generic,
    {**_OPERATORS, "RESIZE_BILINEAR": (), "RESIZE_NEAREST_NEIGHBOR": ()},
)  # fmt: skip
"""The same for Ethos-U85, which resizes by any factor."""
