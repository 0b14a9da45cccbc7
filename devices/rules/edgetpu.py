"""Operators of the Edge TPU: "TensorFlow models on the Edge TPU", table of supported operations, compiler 16.

Where the table has two rows for an operator, it is that of runtime 13 and newer.
"""

from __future__ import annotations

from edgevision.devices.rules.base import RuleSet, rule
from edgevision.graphs import Graph, Node, Value

SOFTMAX_MOST, RESIZE_MOST = 16_000, 8
"""The first is documented. The second is a guess, see `modest_resize` (google-coral/edgetpu issues 31 and 206)."""
_STATEFUL = {"UNIDIRECTIONAL_SEQUENCE_LSTM"}
_IN_FULL = "quantize with integer inputs and outputs: edgevision quantize --scheme static_wi8_ai8"


def _data(graph: Graph, node: Node) -> tuple[Value, ...]:
    return (*graph.inputs_of(node), *graph.outputs_of(node))


@rule(_IN_FULL)
def quantized(graph: Graph, node: Node) -> str | None:
    """Tensors are int8 or uint8, with a scale and a zero point."""
    allowed = ("int8", "uint8", "int16") if node.kind in _STATEFUL else ("int8", "uint8")
    bad = next((v for v in _data(graph, node) if v.dtype not in allowed or not v.scales), None)
    return None if bad is None else f"{bad} without a scale" if bad.dtype in allowed else str(bad)


@rule("make every axis fixed, the batch 1: edgevision convert writes it so")
def static(graph: Graph, node: Node) -> str | None:
    """Shapes are known when it is compiled."""
    bad = next((value for value in _data(graph, node) if not value.static), None)
    return None if bad is None else str(bad)


@rule("a batch of 1; of more axes, fold those outside into the height")
def three_axes(graph: Graph, node: Node) -> str | None:
    """Of more than three axes, only the three innermost are longer than 1."""
    bad = next((v for v in _data(graph, node) if any(size != 1 for size in (v.shape or ())[:-3])), None)
    return None if bad is None else str(bad)


@rule("make the activation an operator of its own, or take it into the operator before")
def no_fused_activation(graph: Graph, node: Node) -> str | None:
    """It has no fused activation."""
    return node.attributes.get("fused_activation") or None


@rule("pad with zeros: of two inputs, the constant one all zeros")
def constant_is_zeros(graph: Graph, node: Node) -> str | None:
    """With a constant among its inputs it has two inputs, and the constant is all zeros."""
    constants = graph.constants_of(node)
    if not constants or (len(node.inputs) == 2 and all(value.zero for value in constants)):
        return None
    return f"{len(node.inputs)} inputs, a constant of {constants[0]}"


@rule("use one dilation for both axes")
def same_dilation(graph: Graph, node: Node) -> str | None:
    """The dilation is the same in x and y."""
    x, y = node.attributes.get("dilation_w", 1), node.attributes.get("dilation_h", 1)
    return None if x == y else f"{y}×{x}"


@rule("make the weights constants of the model")
def constant_weights(graph: Graph, node: Node) -> str | None:
    """Weights and biases are constants."""
    others = [graph.values[name] for name in node.inputs[1:] if name in graph.values]
    bad = next((value for value in others if not value.constant), None)
    return None if bad is None else str(bad)


@rule("flatten before the layer, and reshape behind it")
def flat_output(graph: Graph, node: Node) -> str | None:
    """Weights have the default format, and the output has one axis that is longer than 1."""
    if node.attributes.get("weights_format", 0):
        return "shuffled weights"
    shape = graph.outputs_of(node)[0].shape or ()
    return None if all(size == 1 for size in shape[:-1]) else str(graph.outputs_of(node)[0])


def _axes(graph: Graph, node: Node, place: int = 1) -> tuple[int, ...] | None:
    """Axes that a constant input names, counted from the front; None when they are not known."""
    value = graph.values.get(node.inputs[place]) if place < len(node.inputs) else None
    rank = len(graph.inputs_of(node)[0].shape or ()) if graph.inputs_of(node) else 0
    return None if value is None or value.content is None else tuple(axis % rank for axis in value.content if rank)


@rule("reduce over height and width (GlobalAveragePooling2D), or over channels whose number is a multiple of 4")
def mean_axes(graph: Graph, node: Node) -> str | None:
    """It does not reduce along the batch, and along the channels only where their number is a multiple of 4."""
    axes = _axes(graph, node)
    if axes is None:
        return "axes that are not constant"
    shape = graph.inputs_of(node)[0].shape or ()
    last = len(shape) - 1
    wrong = 0 in axes or (last in axes and (shape[last] or 0) % 4)
    return f"axes {list(axes)} of {graph.inputs_of(node)[0]}" if wrong else None


@rule("leave the batch axis as it is")
def not_over_batch(graph: Graph, node: Node) -> str | None:
    """It does not reduce along the batch."""
    axes = _axes(graph, node)
    return "axes that are not constant" if axes is None else f"axes {list(axes)}" if 0 in axes else None


@rule("split along another axis than the batch")
def not_along_batch(graph: Graph, node: Node) -> str | None:
    """It does not work along the batch axis."""
    axes = (node.attributes["axis"],) if "axis" in node.attributes else _axes(graph, node, 0)
    return "an axis that is not constant" if axes is None else "axis 0" if 0 in axes else None


@rule("leave the batch as it is")
def pads_no_batch(graph: Graph, node: Node) -> str | None:
    """It does not pad the batch."""
    value = graph.values.get(node.inputs[1])
    if value is None or value.content is None:
        return "padding that is not constant"
    return "padding of axis 0" if len(value.content) == 8 and any(value.content[:2]) else None


@rule("share the slopes over height and width: keras.layers.PReLU(shared_axes=[1, 2])")
def one_slope_a_channel(graph: Graph, node: Node) -> str | None:
    """Only the innermost axis of its slopes is longer than 1."""
    shape = graph.values[node.inputs[1]].shape or ()
    return None if all(size == 1 for size in shape[:-1]) else f"slopes {shape}"


@rule("upsample in steps of 2, or behind the Edge TPU")
def modest_resize(graph: Graph, node: Node) -> str | None:
    """No axis grows more than eightfold (a guess: the document says that some sizes lose precision and names no bound;
    33 is refused in DeepLab as compiled, and users report doubling to 512 as refused, of 128 as taken).
    """
    before, after = (value.shape or () for value in (graph.inputs_of(node)[0], graph.outputs_of(node)[0]))
    if len(before) != 4 or len(after) != 4:
        return f"{len(before)} axes"
    grown = max((new or 1) / (old or 1) for old, new in zip(before[1:3], after[1:3], strict=True))
    return f"×{grown:g}" if grown > RESIZE_MOST else None


@rule("compute it on the processor, or leave it out: the largest score is the same without it")
def small_softmax(graph: Graph, node: Node) -> str | None:
    """Its input has one axis that is longer than 1, with at most 16,000 elements."""
    value = graph.inputs_of(node)[0]
    flat = all(size == 1 for size in (value.shape or ())[:-1])
    return None if flat and value.elements <= SOFTMAX_MOST else str(value)


@rule("use a reshape")
def leading_ones(graph: Graph, node: Node) -> str | None:
    """The axes that it takes away lead the shape."""
    before, after = (value.shape or () for value in (graph.inputs_of(node)[0], graph.outputs_of(node)[0]))
    return None if before[len(before) - len(after) :] == after else f"{before} to {after}"


@rule("slice with strides of 1, without an ellipsis and new axes")
def plain_slice(graph: Graph, node: Node) -> str | None:
    """Its strides are 1, and it has neither an ellipsis nor new axes."""
    strides = graph.values[node.inputs[3]].content if len(node.inputs) > 3 else None
    masks = [name for name in ("ellipsis_mask", "new_axis_mask") if node.attributes.get(name)]
    if strides is None or any(step != 1 for step in strides):
        return f"strides {list(strides) if strides else 'that are not constant'}"
    return masks[0] if masks else None


RULES = RuleSet(
    "edgetpu",
    "Coral Edge TPU",
    "coral.ai, TensorFlow models on the Edge TPU: supported operations (compiler 16)",
    "tflite",
    (static, quantized, three_axes),
    {
        "ADD": (), "MAXIMUM": (), "MINIMUM": (), "MUL": (), "SUB": (), "LOGISTIC": (), "RELU": (), "RELU6": (),
        "RELU_N1_TO_1": (), "TANH": (), "QUANTIZE": (), "RSQRT": (), "SLICE": (), "SPACE_TO_DEPTH": (),
        "SQUARED_DIFFERENCE": (), "TRANSPOSE": (), "L2_NORMALIZATION": (), "RESHAPE": (), "EXPAND_DIMS": (),
        "UNIDIRECTIONAL_SEQUENCE_LSTM": (),
        "AVERAGE_POOL_2D": (no_fused_activation,), "MAX_POOL_2D": (no_fused_activation,),
        "CONCATENATION": (no_fused_activation, constant_is_zeros),
        "CONV_2D": (constant_weights, same_dilation),
        "DEPTHWISE_CONV_2D": (constant_weights, same_dilation),
        "TRANSPOSE_CONV": (),
        "FULLY_CONNECTED": (constant_weights, flat_output),
        "MEAN": (mean_axes,), "SUM": (not_over_batch,), "REDUCE_MAX": (not_over_batch,),
        "REDUCE_MIN": (not_over_batch,),
        "PACK": (not_along_batch,), "SPLIT": (not_along_batch,),
        "PAD": (pads_no_batch,), "PRELU": (one_slope_a_channel,),
        "RESIZE_BILINEAR": (modest_resize,), "RESIZE_NEAREST_NEIGHBOR": (modest_resize,),
        "SOFTMAX": (small_softmax,), "SQUEEZE": (leading_ones,), "STRIDED_SLICE": (plain_slice,),
    },
    rewrites={
        "HARD_SWISH": "use ReLU6 instead of hard swish", "LEAKY_RELU": "use ReLU, or PReLU with shared axes",
        "ELU": "use ReLU", "ARG_MAX": "take the largest score behind the model", "DEQUANTIZE": _IN_FULL,
        "TFLite_Detection_PostProcess": "it is meant for the processor, and stands at the end: nothing to do",
    },
)  # fmt: skip
"""What the Edge TPU's compiler asks."""
