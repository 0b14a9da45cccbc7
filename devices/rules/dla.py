"""Operators of the deep-learning accelerator (DLA) of Jetson AGX Orin and Orin NX, as TensorRT exposes them."""

from __future__ import annotations

from edgevision.devices.rules.base import RuleSet, rule
from edgevision.devices.rules.common import fixed_shape, standard
from edgevision.graphs import Graph, Node

LARGEST_BATCH, LARGEST_AXIS = 4096, 8192
_PLAIN = """
    Abs Add BatchNormalization Clip Constant Cos Div Equal LRN LeakyRelu Max Min Mul Pow Relu Resize Sigmoid Slice
    Softmax Sub Sum Tanh Upsample
"""
_REWRITES = {
    "GlobalAveragePool": "an AveragePool with a window of at most 8 × 8",
    "GlobalMaxPool": "a MaxPool with a window of at most 8 × 8",
    **dict.fromkeys(
        ("QuantizeLinear", "DequantizeLinear"),
        "up to TensorRT 10 int8 ranges come from a table: edgevision quantize --to tensorrt-plan --dla 0",
    ),
    "HardSwish": "Relu or Clip",
    "Elu": "Relu or LeakyRelu",
}


@rule("smaller tensors")
def small_axes(graph: Graph, node: Node) -> str | None:
    """The batch is at most 4096, every other axis at most 8192."""
    for value in (*graph.inputs_of(node), *graph.outputs_of(node)):
        batch, *others = value.shape or (1,)
        if (batch or 1) > LARGEST_BATCH or any((length or 1) > LARGEST_AXIS for length in others):
            return str(value)
    return None


@rule("a kernel of at most 32 × 32 over images")
def convolution(graph: Graph, node: Node) -> str | None:
    """It is 2-D, its kernel is constant and 1 to 32 long on each side, its strides are 1 to 8."""
    constants = graph.constants_of(node)
    kernel = node.attributes.get("kernel_shape") or (constants[0].shape or ())[2:] if constants else ()
    if len(kernel) != 2:
        return "a kernel that is not constant" if not constants else f"{len(kernel)} axes"
    if not all(1 <= (length or 0) <= 32 for length in kernel):
        return "×".join(map(str, kernel))
    strides = node.attributes.get("strides") or (1, 1)
    return None if all(1 <= stride <= 8 for stride in strides) else f"strides {'×'.join(map(str, strides))}"


@rule("pad by cropping afterwards, and neither group nor dilate")
def deconvolution(graph: Graph, node: Node) -> str | None:
    """It has no padding, one group and no dilation."""
    if any(node.attributes.get("pads") or ()) or str(node.attributes.get("auto_pad", "NOTSET")).startswith("SAME"):
        return "padding"
    if (node.attributes.get("group") or 1) != 1:
        return f"{node.attributes['group']} groups"
    return "dilation" if any(step != 1 for step in node.attributes.get("dilations") or ()) else None


@rule("pool in two steps")
def small_window(graph: Graph, node: Node) -> str | None:
    """The window is 2-D and 1 to 8 long on each side, strides are 1 to 16, padding is at most 7."""
    window = node.attributes.get("kernel_shape") or ()
    strides, pads = node.attributes.get("strides") or (1, 1), node.attributes.get("pads") or (0,)
    if len(window) != 2 or not all(1 <= length <= 8 for length in window):
        return "a window of " + "×".join(map(str, window))
    if not all(1 <= stride <= 16 for stride in strides):
        return f"strides {'×'.join(map(str, strides))}"
    return None if max(pads) <= 7 else f"padding {max(pads)}"


@rule("join channels")
def along_channels(graph: Graph, node: Node) -> str | None:
    """It joins two tensors or more along the channels."""
    rank = next((len(value.shape) for value in graph.inputs_of(node) if value.shape is not None), 4)
    axis = node.attributes.get("axis", 1) or 0
    if axis not in (1, 1 - rank):
        return f"axis {axis}"
    return None if len(node.inputs) > 1 else "one tensor"


@rule("store it in the model")
def constant_second(graph: Graph, node: Node) -> str | None:
    """The second input is constant."""
    value = graph.values.get(node.inputs[1]) if len(node.inputs) > 1 else None
    return None if value is not None and value.constant else "a second input that is computed"


@rule("keep images in four axes up to the end")
def four_axes(graph: Graph, node: Node) -> str | None:
    """What it takes has four axes."""
    value = next(iter(graph.inputs_of(node)), None)
    return None if value is None or value.shape is None or len(value.shape) == 4 else str(value)


RULES = RuleSet(
    "tensorrt-dla", "TensorRT on the DLA of a Jetson Orin",
    "NVIDIA Deep-Learning-Accelerator-SW, operators/README.md, Supported ONNX Operators on Orin DLA (column TensorRT); "
    "TensorRT documentation, DLA Supported Layers and Restrictions, which adds Div, Min and Pow; its conditions on "
    "Resize, Slice and Softmax depend on constants and are left to TensorRT", "onnx",
    (standard, fixed_shape, small_axes),
    {
        **dict.fromkeys(_PLAIN.split(), ()),
        "Conv": (convolution,), "ConvTranspose": (convolution, deconvolution),
        "AveragePool": (small_window,), "MaxPool": (small_window,), "Concat": (along_channels,),
        "Gemm": (constant_second,), "MatMul": (constant_second,), "PRelu": (constant_second,),
        "Reshape": (four_axes,), "Transpose": (four_axes,),
    },
    rewrites=_REWRITES,
)  # fmt: skip
"""What the DLA takes; the rest runs on the GPU, or, without GPU fallback, is an error of the build."""
