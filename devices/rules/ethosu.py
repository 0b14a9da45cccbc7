"""Operators of Ethos-U, as Vela's report of supported operators states them (5.2.0, ``vela --supported-ops-report``).

Left out are constraints on weights' sums, on zero points, and on axes of more than 65,536; and where files keep a
padding or a stride of a transposed convolution, it is read from the shapes.
"""

from __future__ import annotations

import math

from edgevision.devices.rules.base import Rule, RuleSet, rule
from edgevision.graphs import Graph, Node, Value

_IN_FULL = "quantize with integer inputs and outputs: edgevision quantize --scheme static_wi8_ai8"
_EIGHT, _SHORT = ("int8", "uint8"), ("int8", "uint8", "int16")
_PER_CHANNEL = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_WIDE = ("ADD", "ARG_MAX", "BATCH_MATMUL", "EXPAND_DIMS", "FULLY_CONNECTED", "MIRROR_PAD", "MUL", "NEG", "RESHAPE",
         "SQUEEZE", "SUB", "SUM", "TRANSPOSE")  # fmt: skip
"""Operators that take 32-bit integers on Ethos-U55 and U65."""
_UNSCALED = ("ARG_MAX", "EXPAND_DIMS", "MIRROR_PAD", "PAD", "PADV2", "QUANTIZE", "TRANSPOSE")
_UNSCALED_U85 = (*_UNSCALED, "ASSIGN_VARIABLE", "GATHER", "READ_VARIABLE", "SCATTER_ND", "SELECT", "SELECT_V2",
                 "REDUCE_ALL", "REDUCE_ANY")  # fmt: skip


def _data(graph: Graph, node: Node) -> tuple[Value, ...]:
    return (*graph.inputs_of(node), *graph.outputs_of(node))


def _spatial(value: Value) -> tuple[int, int]:
    """Height and width of a tensor [N, H, W, C]; 1 where it has fewer axes."""
    shape = [size or 1 for size in value.shape or ()]
    return (shape[-3], shape[-2]) if len(shape) >= 3 else (1, shape[-2] if len(shape) == 2 else 1)


@rule(_IN_FULL)
def integers(graph: Graph, node: Node) -> str | None:
    """Tensors are int8, uint8 or int16, and int32 where the operator takes that."""
    allowed = (*_SHORT, "int32") if node.kind in _WIDE else _SHORT
    if node.kind == "ARG_MAX":
        allowed = (*allowed, "int64")
    bad = next((value for value in _data(graph, node) if value.dtype not in allowed), None)
    return None if bad is None else str(bad)


@rule(_IN_FULL)
def whole_numbers(graph: Graph, node: Node) -> str | None:
    """Tensors are integers of up to 64 bits, or truth values."""
    allowed = (*_SHORT, "int32", "int64", "bool", "resource")
    bad = next((value for value in _data(graph, node) if value.dtype not in allowed), None)
    return None if bad is None else str(bad)


@rule("fix every axis; edgevision convert writes a batch of 1")
def static(graph: Graph, node: Node) -> str | None:
    """Shapes are known, and no tensor is a scalar."""
    bad = next((value for value in _data(graph, node) if not value.static or value.shape == ()), None)
    return None if bad is None else str(bad)


def _scaled(unscaled: tuple[str, ...]) -> Rule:
    @rule(_IN_FULL)
    def scaled(graph: Graph, node: Node) -> str | None:
        """Inputs and outputs of 8 and 16 bits have a scale, but for operators that only move values."""
        if node.kind in unscaled:
            return None
        bad = next((v for v in _data(graph, node) if v.dtype in _SHORT and not v.scales), None)
        return None if bad is None else f"{bad} without a scale"

    return scaled


@rule("quantize its tensors with one scale each")
def one_scale(graph: Graph, node: Node) -> str | None:
    """Only convolutions and fully connected layers have a scale for each channel."""
    bad = next((v for v in (*_data(graph, node), *graph.constants_of(node)) if len(v.scales) > 1), None)
    return None if bad is None or node.kind in _PER_CHANNEL else f"{len(bad.scales)} scales"


@rule("quantize weights to 8 bits")
def byte_weights(graph: Graph, node: Node) -> str | None:
    """Constant weights have 8 bits, and the bias is constant."""
    names = [name for name in node.inputs if name in graph.values]
    weights = graph.values[names[0 if node.kind == "TRANSPOSE_CONV" and len(names) < 2 else 1]]
    bias = graph.values[names[-1]] if len(names) > (3 if node.kind == "TRANSPOSE_CONV" else 2) else None
    if weights.constant and weights.dtype not in _EIGHT:
        return f"weights of {weights.dtype}"
    return None if bias is None or bias.constant else "a bias that is not constant"


def _valid(graph: Graph, node: Node, kernel: tuple[int, int], strides: tuple[int, int]) -> bool:
    """Whether the shapes are those of padding VALID."""
    before, after = _spatial(graph.inputs_of(node)[0]), _spatial(graph.outputs_of(node)[0])
    return all(math.ceil((b - k + 1) / s) == a for b, a, k, s in zip(before, after, kernel, strides, strict=True))


def _strides(node: Node) -> tuple[int, int]:
    return node.attributes.get("stride_h", 1) or 1, node.attributes.get("stride_w", 1) or 1


def _filter(node: Node) -> tuple[int, int]:
    return node.attributes.get("filter_h", 1), node.attributes.get("filter_w", 1)


@rule("a stride of at most 3, or two layers")
def stride_of_convolution(graph: Graph, node: Node) -> str | None:
    """A stride of more than 3 is taken without dilation and padding only."""
    strides = _strides(node)
    if max(strides) <= 3:
        return None
    dilated = any(node.attributes.get(name, 1) > 1 for name in ("dilation_h", "dilation_w"))
    constants = graph.constants_of(node)
    shape = constants[0].shape if constants and "filter_h" not in node.attributes else None
    kernel = (shape[1] or 1, shape[2] or 1) if shape is not None and len(shape) == 4 else _filter(node)
    return None if not dilated and _valid(graph, node, kernel, strides) else f"{strides[0]}×{strides[1]}"


@rule("a stride of at most 3, or two layers")
def stride_of_depthwise(graph: Graph, node: Node) -> str | None:
    """Strides lie between 1 and 3."""
    strides = _strides(node)
    return None if max(strides) <= 3 else f"{strides[0]}×{strides[1]}"


@rule("pool in two steps, or without padding")
def average_filter(graph: Graph, node: Node) -> str | None:
    """With padding the filter is at most 8 × 8; without, at most 256 high, and height × width at most 256 × 256."""
    height, width = _filter(node)
    if _valid(graph, node, (height, width), _strides(node)):
        return None if height <= 256 and height * width <= 256 * 256 else f"{height}×{width}"
    return None if max(height, width) <= 8 else f"{height}×{width} with padding"


@rule("pool in two steps")
def maximum_filter(graph: Graph, node: Node) -> str | None:
    """The filter is at most 256 high, and height × width at most 256 × 256."""
    height, width = _filter(node)
    return None if height <= 256 and height * width <= 256 * 256 else f"{height}×{width}"


@rule("take the largest score behind the model")
def short_depth(graph: Graph, node: Node) -> str | None:
    """It works along the last axis, of at most 127."""
    value = graph.inputs_of(node)[0]
    rank = len(value.shape or ())
    axis = _content(graph, node, 1)
    along = axis is not None and rank > 0 and axis[0] % rank == rank - 1
    return None if along and (value.shape or (0,))[-1] in range(1, 128) else f"{value}, axis {axis and axis[0]}"


def _content(graph: Graph, node: Node, place: int) -> tuple[int, ...] | None:
    value = graph.values.get(node.inputs[place]) if place < len(node.inputs) else None
    return None if value is None else value.content


def _takes(*dtypes: str) -> Rule:
    def test(graph: Graph, node: Node) -> str | None:
        source, made = graph.inputs_of(node)[0], graph.outputs_of(node)[0]
        return None if source.dtype in dtypes and source.dtype == made.dtype else f"{source} to {made}"

    return Rule(test, f"Input and output are both {' or both '.join(dtypes)}", _IN_FULL)


@rule("make the weights constants of the model, or quantize to int8")
def multiplied(graph: Graph, node: Node) -> str | None:
    """Where both factors are computed, they are int8."""
    data = graph.inputs_of(node)
    return None if len(data) < 2 or data[0].dtype == "int8" else str(data[0])


@rule("quantize both inputs and the output alike, as TFLite's converter does")
def same_scale(graph: Graph, node: Node) -> str | None:
    """Both inputs have the scale and zero point of the output."""
    made = graph.outputs_of(node)[0]
    values = (*graph.inputs_of(node), *graph.constants_of(node))
    same = all((v.scales, v.zero_points) == (made.scales, made.zero_points) for v in values)
    return None if same else "other scales"


@rule("reduce over height and width: keras.layers.GlobalAveragePooling2D")
def modest_mean(graph: Graph, node: Node) -> str | None:
    """The batch is 1, an axis that is reduced is below 4096, and depth is reduced only where an axis is 1."""
    value, axes = graph.inputs_of(node)[0], _content(graph, node, 1)
    shape = [size or 1 for size in value.shape or ()]
    if axes is None:
        return "axes that are not constant"
    axes = tuple(axis % len(shape) for axis in axes)
    deep = len(shape) - 1 in axes and 1 not in shape[-3:]
    batch = len(shape) == 4 and shape[0] != 1
    wrong = batch or deep or any(shape[axis] >= 4096 for axis in axes)
    return f"axes {list(axes)} of {value}" if wrong else None


@rule("make the numbers constants of the model")
def constant_parameters(graph: Graph, node: Node) -> str | None:
    """Its parameters (sizes, axes, padding) are constant."""
    values = [graph.values[name] for name in node.inputs[1:] if name in graph.values]
    bad = next((value for value in values if not value.constant), None)
    return None if bad is None else str(bad)


@rule("leave it out: the largest score is the same without it")
def small_softmax(graph: Graph, node: Node) -> str | None:
    """Height × width of its input are less than 65,536."""
    height, width = _spatial(graph.inputs_of(node)[0])
    return None if height * width < 65_536 else str(graph.inputs_of(node)[0])


@rule("use strides of 1 and 2, the same for both axes")
def transposed_stride(graph: Graph, node: Node) -> str | None:
    """Strides are 1 × 1 or 2 × 2 (or one of them 1, where the image and the kernel have one row or column)."""
    before, after = _spatial(graph.inputs_of(node)[0]), _spatial(graph.outputs_of(node)[0])
    kernel = next((_spatial(value) for value in graph.constants_of(node) if len(value.shape or ()) == 4), (1, 1))
    found = [{s for s in (1, 2) if a in (b * s, b * s + k - s)} for b, a, k in zip(before, after, kernel, strict=True)]
    flat = [b == k == 1 for b, k in zip(before, kernel, strict=True)]
    same = bool(found[0] & found[1]) or (any(flat) and all(found))
    return None if same else f"{before} to {after}, kernel {kernel}"


def _ratios(graph: Graph, node: Node) -> tuple[float, float] | None:
    """How much height and width grow; None where nothing changes or the input is one pixel."""
    before, after = (_spatial(value) for value in (graph.inputs_of(node)[0], graph.outputs_of(node)[0]))
    if before in ((1, 1), after):
        return None
    corner = 1 if node.attributes.get("align_corners") else 0
    height, width = ((new - corner) / max(1, old - corner) for old, new in zip(before, after, strict=True))
    return height, width


@rule("upsample in steps of 2")
def power_of_two(graph: Graph, node: Node) -> str | None:
    """It scales both axes by 2, 4 or 8 (bilinear with half-pixel centres: by 2), or the input is 1 × 1."""
    ratios = _ratios(graph, node)
    halves = node.kind == "RESIZE_BILINEAR" and node.attributes.get("half_pixel_centers")
    allowed = {2.0} if halves else {2.0, 4.0, 8.0}
    if ratios is None or (ratios[0] == ratios[1] and ratios[0] in allowed):
        return None
    return f"×{ratios[0]:g} and ×{ratios[1]:g}"


@rule("upsample in steps of 2")
def any_power_of_two(graph: Graph, node: Node) -> str | None:
    """It scales by powers of two, up to 1,024 (2,048 with aligned corners)."""
    ratios = _ratios(graph, node)
    most = 2048 if node.attributes.get("align_corners") else 1024
    if ratios is None or all(ratio <= most and ratio >= 1 and math.log2(ratio) % 1 == 0 for ratio in ratios):
        return None
    return f"×{ratios[0]:g} and ×{ratios[1]:g}"


_PLAIN = """
    ABS ADD CONCATENATION EXP EXPAND_DIMS HARD_SWISH LEAKY_RELU LOGISTIC MUL NEG PACK PRELU QUANTIZE REDUCE_MAX
    REDUCE_MIN RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE REVERSE_V2 SPLIT SPLIT_V SQUARED_DIFFERENCE SQUEEZE SUB SUM
    TANH TILE UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK
"""
_BOTH: dict[str, tuple[Rule, ...]] = {
    **dict.fromkeys(_PLAIN.split(), ()),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD", "SLICE", "STRIDED_SLICE", "TRANSPOSE"), (constant_parameters,)),
    "ELU": (_takes("int8"),), "GELU": (_takes("int8", "uint8"),), "LOG": (_takes("int8", "int16"),),
    "RSQRT": (_takes("int8", "int16"),), "SOFTMAX": (small_softmax,), "MEAN": (modest_mean,),
    "MAXIMUM": (same_scale,), "MINIMUM": (same_scale,),
    "FULLY_CONNECTED": (byte_weights, multiplied), "AVERAGE_POOL_2D": (average_filter,),
    "MAX_POOL_2D": (maximum_filter,),
}  # fmt: skip
RULES = RuleSet(
    "ethos-u", "Arm Ethos-U55 and U65", "Vela 5.2.0, report of supported operators; finer constraints are Vela's "
    "alone: compile to be sure", "tflite", (static, integers, _scaled(_UNSCALED), one_scale),
    {
        **_BOTH, "ARG_MAX": (short_depth,), "BATCH_MATMUL": (multiplied,),
        "CONV_2D": (byte_weights, stride_of_convolution), "DEPTHWISE_CONV_2D": (byte_weights, stride_of_depthwise),
        "TRANSPOSE_CONV": (byte_weights, transposed_stride),
        "AVERAGE_POOL_2D": (average_filter, stride_of_convolution),
        "MAX_POOL_2D": (maximum_filter, stride_of_convolution),
        "RESIZE_BILINEAR": (power_of_two,), "RESIZE_NEAREST_NEIGHBOR": (power_of_two,),
    },
)  # fmt: skip
"""What Vela asks before it puts an operator on the NPU."""
_U85 = """
    ARG_MAX ASSIGN_VARIABLE BATCH_MATMUL CAST DIV EQUAL GATHER GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND
    LOGICAL_NOT LOGICAL_OR NOT_EQUAL READ_VARIABLE REDUCE_ALL REDUCE_ANY RESIZE_NEAREST_NEIGHBOR SCATTER_ND SELECT
    SELECT_V2
"""
U85_RULES = RuleSet(
    "ethos-u85", "Arm Ethos-U85", RULES.source, "tflite", (static, whole_numbers, _scaled(_UNSCALED_U85), one_scale),
    {
        **_BOTH, **dict.fromkeys(_U85.split(), ()),
        **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"), (byte_weights,)),
        "RESIZE_BILINEAR": (any_power_of_two,),
    },
)  # fmt: skip
"""The same for Ethos-U85."""
