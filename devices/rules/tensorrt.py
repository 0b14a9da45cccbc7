"""Operators that TensorRT's ONNX parser takes: "Supported ONNX Operators" of onnx-tensorrt, release 10."""

from __future__ import annotations

from edgevision.devices.rules.base import Rule, RuleSet, rule
from edgevision.devices.rules.common import standard
from edgevision.graphs import Graph, Node

_REFUSED = """
    BitShift Col2Im CategoryMapper ConcatFromSequence ConvInteger Det DynamicQuantizeLinear ImageDecoder LpPool
    MatMulInteger MaxRoiPool MaxUnpool MelWeightMatrix Optional OptionalGetElement OptionalHasElement
    QLinearConv QLinearMatMul RegexFullMatch SequenceAt SequenceConstruct SequenceEmpty SequenceErase
    SequenceInsert SequenceLength SequenceMap SplitToSequence StringConcat StringNormalizer StringSplit
    TfIdfVectorizer Unique
"""


@rule("keep weights and activations between QuantizeLinear and DequantizeLinear: edgevision quantize --to onnx")
def parsed(graph: Graph, node: Node) -> str | None:
    """The parser does not have it."""
    return node.kind


@rule("leave 64-bit float out of the model")
def known_type(graph: Graph, node: Node) -> str | None:
    """Its tensors are no 64-bit float, complex number or text."""
    values = (*graph.inputs_of(node), *graph.outputs_of(node))
    bad = next((value for value in values if value.dtype in ("float64", "complex64", "string")), None)
    return None if bad is None else str(bad)


_NONE: tuple[Rule, ...] = (parsed,)
RULES = RuleSet(
    "tensorrt", "TensorRT on a GPU", "onnx-tensorrt, Supported ONNX Operators (release 10)", "onnx",
    (standard, known_type), dict.fromkeys(_REFUSED.split(), _NONE), open=True, needs_static=False,
)  # fmt: skip
"""What TensorRT's parser asks; operators that are not named here are taken."""
