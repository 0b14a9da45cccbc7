"""Operators and tensors of a TFLite file. Field numbers are those of TFLite's schema, version 3."""

from __future__ import annotations

import numpy as np

from edgevision.flatbuffer import Table
from edgevision.graphs.graph import Graph, Node, Value
from edgevision.graphs.tflite_names import DTYPES, OPERATORS

_CUSTOM = OPERATORS.index("CUSTOM")
_ACTIVATIONS = ("", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
_INT, _BYTE = "<i", "<b"
_POOL = {"stride_w": (1, _INT), "stride_h": (2, _INT), "filter_w": (3, _INT), "filter_h": (4, _INT),
         "fused": (5, _BYTE)}  # fmt: skip
_RESIZE = {"align_corners": (2, _BYTE), "half_pixel_centers": (3, _BYTE)}
_OPTIONS = {
    "CONV_2D": {"stride_w": (1, _INT), "stride_h": (2, _INT), "fused": (3, _BYTE),
                "dilation_w": (4, _INT), "dilation_h": (5, _INT)},
    "DEPTHWISE_CONV_2D": {"stride_w": (1, _INT), "stride_h": (2, _INT), "depth_multiplier": (3, _INT),
                          "fused": (4, _BYTE), "dilation_w": (5, _INT), "dilation_h": (6, _INT)},
    "AVERAGE_POOL_2D": _POOL,
    "MAX_POOL_2D": _POOL,
    "FULLY_CONNECTED": {"fused": (0, _BYTE), "weights_format": (1, _BYTE), "keep_num_dims": (2, _BYTE)},
    "CONCATENATION": {"axis": (0, _INT), "fused": (1, _BYTE)},
    "ADD": {"fused": (0, _BYTE)}, "SUB": {"fused": (0, _BYTE)}, "MUL": {"fused": (0, _BYTE)},
    "RESIZE_BILINEAR": _RESIZE,
    "RESIZE_NEAREST_NEIGHBOR": {"align_corners": (0, _BYTE), "half_pixel_centers": (1, _BYTE)},
    "PACK": {"axis": (1, _INT)},
    "STRIDED_SLICE": {"ellipsis_mask": (2, _INT), "new_axis_mask": (3, _INT)},
}  # fmt: skip
"""Operator -> what its options are called -> field and kind."""
_INTEGERS = {"int32": "<i4", "int64": "<i8"}
_FEW = 16


def read(data: bytes, format_: str) -> Graph:
    """Read the first graph of the file; what is damaged raises ValueError or IndexError."""
    model = Table.root(data)
    buffers = list(model.tables(4))
    codes = [_kind(code) for code in model.tables(1)]
    graphs = list(model.tables(2))
    if not graphs:
        raise ValueError("no graph in the file")
    tensors = list(graphs[0].tables(0))
    names = _unique([tensor.text(3) for tensor in tensors])
    values = [_value(name, tensor, buffers) for name, tensor in zip(names, tensors, strict=True)]
    nodes = tuple(_node(i, table, codes, names) for i, table in enumerate(graphs[0].tables(3)))
    inputs, outputs = (tuple(_named(names, graphs[0].integers(field))) for field in (1, 2))
    return Graph(format_, nodes, dict(zip(names, values, strict=True)), inputs, outputs, len(data), len(graphs))


def _kind(code: Table) -> tuple[str, bool]:
    number = max(code.number(0, _BYTE), code.number(3, _INT))
    if number == _CUSTOM:
        return code.text(1), True
    return (OPERATORS[number] if 0 <= number < len(OPERATORS) else f"operator {number}"), False


def _unique(names: list[str]) -> list[str]:
    """Return names none of which comes twice: tensors are allowed to share one."""
    taken: set[str] = set()
    found = []
    for index, name in enumerate(names):
        name = name if name and name not in taken else f"{name}#{index}"
        taken.add(name)
        found.append(name)
    return found


def _named(names: list[str], indices: tuple[int, ...]) -> list[str]:
    if any(index >= len(names) for index in indices):
        raise ValueError(f"tensor {max(indices)} of {len(names)}")
    return [names[index] if index >= 0 else "" for index in indices]


def _value(name: str, tensor: Table, buffers: list[Table]) -> Value:
    signature, shape = tensor.integers(7), tensor.integers(0)
    # An open batch has its -1 in the signature alone; the shape beside it is the one that is allocated.
    axes = tuple(None if size < 0 else size for size in (shape if len(shape) == len(signature) else signature or shape))
    number = tensor.number(1, _BYTE)
    dtype = DTYPES[number] if 0 <= number < len(DTYPES) else f"type {number}"
    buffer = tensor.number(2, "<I")
    # Compiled files may name a buffer that is not there; such a tensor has no content.
    stored = buffers[buffer] if 0 < buffer < len(buffers) else None
    constant = stored is not None and (len(stored.places(0, 1)) > 0 or stored.number(2, "<Q") > 1)
    quant = tensor.table(4)
    scales = (quant.floats(2) if quant else None) or []
    points = np.frombuffer(quant.content(3, 8), "<i8") if quant else np.zeros(0, "<i8")
    zero_point = int(points[0]) if len(points) else 0
    raw = stored.content(0) if constant and stored is not None else b""
    content = None
    if dtype in _INTEGERS and raw and len(raw) <= _FEW * 8 and len(raw) % np.dtype(_INTEGERS[dtype]).itemsize == 0:
        content = tuple(np.frombuffer(raw, _INTEGERS[dtype]).tolist())
    zero = constant and bool(raw) and all(byte == zero_point & 0xFF for byte in raw)
    scale = scales[0] if scales else 0.0
    return Value(name, axes, dtype, constant, len(scales), scale, zero_point, content, zero, -1 in signature)


def _node(index: int, table: Table, codes: list[tuple[str, bool]], names: list[str]) -> Node:
    kind, custom = codes[table.number(0, "<I")]
    outputs = _named(names, table.integers(2))
    options = table.table(4)
    known = _OPTIONS.get(kind, {}) if options is not None else {}
    attributes = {key: options.number(*place) for key, place in known.items()} if options is not None else {}
    for key in ("dilation_w", "dilation_h"):
        if key in attributes:
            attributes[key] = attributes[key] or 1
    fused = attributes.pop("fused", 0)
    named = _ACTIVATIONS[fused] if 0 <= fused < len(_ACTIVATIONS) else str(fused)
    return Node(
        index, kind, outputs[0] if outputs else kind, tuple(_named(names, table.integers(1))), tuple(outputs),
        {**attributes, "fused_activation": named}, custom, table.content(5) if custom else b"",
    )  # fmt: skip
