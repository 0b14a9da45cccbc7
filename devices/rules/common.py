"""Rules that several sets share, and the sets of runtimes that take whatever their format defines."""

from __future__ import annotations

from edgevision.devices.rules.base import RuleSet, rule
from edgevision.graphs import Graph, Node

_BROUGHT = ("TFLite_Detection_PostProcess", "AudioSpectrogram", "Mfcc", "Convolution2DTransposeBias",
            "MaxPoolingWithArgmax2D", "MaxUnpooling2D")  # fmt: skip


@rule("replace it by operators of the format, or bring the library that has it")
def standard(graph: Graph, node: Node) -> str | None:
    """The operator is one that its format defines, or a custom one that ai-edge-litert and tflite-runtime bring."""
    return node.kind if node.custom and node.kind not in _BROUGHT else None


@rule("export the model with fixed sizes: edgevision convert writes a batch of 1")
def fixed_shape(graph: Graph, node: Node) -> str | None:
    """Every shape that the file states has a fixed length for each axis."""
    values = (*graph.inputs_of(node), *graph.outputs_of(node))
    bad = next((value for value in values if value.shape is not None and not value.static), None)
    return None if bad is None else str(bad)


@rule("quantize with integer inputs and outputs: edgevision quantize --scheme static_wi8_ai8")
def eight_bits(graph: Graph, node: Node) -> str | None:
    """Tensors are int8 or uint8."""
    values = (*graph.inputs_of(node), *graph.outputs_of(node))
    bad = next((value for value in values if value.dtype not in ("int8", "uint8")), None)
    return None if bad is None else str(bad)


def _whole_format(name: str, title: str, source: str) -> RuleSet:
    return RuleSet(name, title, source, name, (standard,), {}, open=True, needs_static=False)


TFLITE = _whole_format(
    "tflite", "LiteRT and tflite-runtime on a processor", "TFLite schema, version 3: builtin operators; the custom "
    "ones that the wheels of ai-edge-litert 2.3 and tflite-runtime 2.14 hold",
)  # fmt: skip
ONNX = _whole_format("onnx", "ONNX Runtime on a processor", "ONNX operator schemas, domain ai.onnx")
OPENVINO = _whole_format("openvino", "OpenVINO on a processor", "OpenVINO operation sets, opset1 and newer")
STATIC_ONNX = RuleSet(
    "static-onnx", "Compilers of vendors that read ONNX with fixed shapes (Hailo Dataflow Compiler, RKNN-Toolkit2)",
    "Hailo Dataflow Compiler user guide and RKNN-Toolkit2 user guide: fixed input shapes; their operator lists are "
    "the compilers' own and are not repeated here", "onnx", (standard, fixed_shape), {}, open=True,
)  # fmt: skip
STATIC_OPENVINO = RuleSet(
    "static-openvino", "OpenVINO on an NPU", "OpenVINO documentation, NPU device: static shapes", "openvino",
    (standard, fixed_shape), {}, open=True,
)  # fmt: skip
VX = RuleSet(
    "vx", "VX delegate on the NPU of an i.MX 8M Plus", "i.MX Machine Learning User's Guide: 8-bit models, fixed "
    "shapes; which operators is for the delegate to say", "tflite", (standard, fixed_shape, eight_bits), {}, open=True,
)  # fmt: skip
