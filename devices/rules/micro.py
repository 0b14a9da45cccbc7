"""Operators of TensorFlow Lite Micro, as its MicroMutableOpResolver registers them."""

from __future__ import annotations

from edgevision.devices.rules.base import RuleSet, rule
from edgevision.graphs import Graph, Node

_NAMES = """
    ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS
    BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTH_TO_SPACE DEPTHWISE_CONV_2D
    DEQUANTIZE DIV EMBEDDING_LOOKUP ELU EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED
    GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL
    LOG LOG_SOFTMAX LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC MAX_POOL_2D MAXIMUM MEAN MINIMUM MIRROR_PAD MUL
    NEG NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE READ_VARIABLE REDUCE_MAX REDUCE_MIN RELU RELU6 RESHAPE
    RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX
    SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM
    SVDF TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE WHILE ZEROS_LIKE
    TFLite_Detection_PostProcess SignalDelay SignalEnergy SignalFftAutoScale SignalFilterBank
    SignalFilterBankLog SignalFilterBankSpectralSubtraction SignalFilterBankSquareRoot SignalFramer SignalIrfft
    SignalOverlapAdd SignalPCAN SignalRfft SignalStacker SignalWindow ethos-u
"""
_HYBRID = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@rule("fix every axis; edgevision convert writes a batch of 1")
def allocated_once(graph: Graph, node: Node) -> str | None:
    """Its shapes are known: memory is planned once."""
    bad = next((v for v in (*graph.inputs_of(node), *graph.outputs_of(node)) if not v.static), None)
    return None if bad is None else str(bad)


@rule("quantize weights and activations (static_wi8_ai8), or neither")
def not_hybrid(graph: Graph, node: Node) -> str | None:
    """Weights are integers only where activations are."""
    if node.kind not in _HYBRID or not graph.inputs_of(node) or not graph.constants_of(node):
        return None
    data, weights = graph.inputs_of(node)[0], graph.constants_of(node)[0]
    mixed = data.dtype == "float32" and weights.dtype != "float32"
    return f"{weights.dtype} weights, {data.dtype} activations" if mixed else None


RULES = RuleSet(
    "tflite-micro", "TensorFlow Lite Micro on a microcontroller",
    "tflite-micro, micro_mutable_op_resolver.h and kernels/", "tflite", (allocated_once, not_hybrid),
    dict.fromkeys(_NAMES.split(), ()), rewrites={"SELECT": "use SELECT_V2", "POW": "multiply instead"},
)  # fmt: skip
"""What TensorFlow Lite Micro asks."""
