"""Field ids and enumerations of ``schema.fbs`` (TFLite, version 3) that a graph is read with.

A field's id is its position in its table; a union takes two, its type first.
"""

BUILTIN_OPERATORS = (
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE",
    "EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D",
    "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU",
    "RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
    "CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB",
    "DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN", "EXP",
    "TOPK_V2", "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM",
    "ARG_MAX", "MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT", "SLICE",
    "SIN", "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL", "NOT_EQUAL", "LOG", "SUM", "SQRT",
    "RSQRT", "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR",
    "ONE_HOT", "LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY", "SQUARE",
    "ZEROS_LIKE", "FILL", "FLOOR_MOD", "RANGE", "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE",
    "MIRROR_PAD", "ABS", "SPLIT_V", "UNIQUE", "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK",
    "ELU", "REVERSE_SEQUENCE", "MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE",
    "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM",
    "BATCH_MATMUL", "PLACEHOLDER_FOR_GREATER_OP_CODES", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D",
    "CONV_3D", "IMAG", "REAL", "COMPLEX_ABS", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE",
    "REDUCE_ALL", "CONV_3D_TRANSPOSE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "BROADCAST_ARGS",
    "RANDOM_STANDARD_NORMAL", "BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL", "GELU",
)  # fmt: skip
"""BuiltinOperator, in the order of its numbers; StableHLO's operators, which follow, are left out."""

CUSTOM = BUILTIN_OPERATORS.index("CUSTOM")

TENSOR_TYPES = (
    "float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8", "float64",
    "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4",
)  # fmt: skip
"""TensorType, in the order of its numbers, as numpy calls them where it has them."""

PADDINGS = ("SAME", "VALID")
ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
"""ActivationFunctionType."""


class Model:
    """Root."""

    OPERATOR_CODES, SUBGRAPHS, DESCRIPTION, BUFFERS = 1, 2, 3, 4


class OperatorCode:
    """Which operator; files before 2020 have the byte alone."""

    BYTE, CUSTOM, VERSION, NUMBER = 0, 1, 2, 3


class Subgraph:
    """One graph."""

    TENSORS, INPUTS, OUTPUTS, OPERATORS = 0, 1, 2, 3


class Tensor:
    """One tensor."""

    SHAPE, TYPE, BUFFER, NAME, QUANTIZATION, IS_VARIABLE, SPARSITY = 0, 1, 2, 3, 4, 5, 6


class Quantization:
    """QuantizationParameters."""

    SCALE, ZERO_POINT, AXIS = 2, 3, 6


class Operator:
    """One call of an operator."""

    CODE, INPUTS, OUTPUTS, OPTIONS = 0, 1, 2, 4


class Buffer:
    """Constants; with an offset they lie behind the flatbuffer."""

    DATA, OFFSET, SIZE = 0, 1, 2


_CONVOLUTION = {"padding": (0, "<b"), "stride_w": (1, "<i"), "stride_h": (2, "<i")}
_POOLING = {**_CONVOLUTION, "filter_w": (3, "<i"), "filter_h": (4, "<i"), "activation": (5, "<b")}
_ACTIVATION = {"activation": (0, "<b")}

OPTIONS = {
    "ADD": _ACTIVATION,
    "SUB": _ACTIVATION,
    "MUL": _ACTIVATION,
    "AVERAGE_POOL_2D": _POOLING,
    "MAX_POOL_2D": _POOLING,
    "CONV_2D": {**_CONVOLUTION, "activation": (3, "<b"), "dilation_w": (4, "<i"), "dilation_h": (5, "<i")},
    "DEPTHWISE_CONV_2D": {
        **_CONVOLUTION,
        "depth_multiplier": (3, "<i"),
        "activation": (4, "<b"),
        "dilation_w": (5, "<i"),
        "dilation_h": (6, "<i"),
    },
    "TRANSPOSE_CONV": {**_CONVOLUTION, "activation": (3, "<b")},
    "FULLY_CONNECTED": {**_ACTIVATION, "weights_format": (1, "<b"), "keep_num_dims": (2, "<b")},
    "SOFTMAX": {"beta": (0, "<f")},
    "CONCATENATION": {"axis": (0, "<i"), "activation": (1, "<b")},
    "MEAN": {"keep_dims": (0, "<b")},
    "LEAKY_RELU": {"alpha": (0, "<f")},
    "RESIZE_BILINEAR": {"align_corners": (2, "<b"), "half_pixel_centers": (3, "<b")},
    "RESIZE_NEAREST_NEIGHBOR": {"align_corners": (0, "<b"), "half_pixel_centers": (1, "<b")},
    "SPLIT": {"num_splits": (0, "<i")},
    "PACK": {"count": (0, "<i"), "axis": (1, "<i")},
    "GATHER": {"axis": (0, "<i"), "batch_dims": (1, "<i")},
    "STRIDED_SLICE": {
        "begin_mask": (0, "<i"),
        "end_mask": (1, "<i"),
        "ellipsis_mask": (2, "<i"),
        "new_axis_mask": (3, "<i"),
        "shrink_axis_mask": (4, "<i"),
        "offset": (5, "<b"),
    },
}
"""Operator -> its options: field id and `struct` format; what a file leaves out is 0, dilations 1."""
