"""Operators and tensors of a TFLite file, also of one that was compiled for the Edge TPU or by Vela."""

from __future__ import annotations

import math

import numpy as np

from edgevision.flatbuffer import Table
from edgevision.graphs import tflite_schema as schema
from edgevision.graphs.graph import Graph, Node, Value
from edgevision.tensors import Array

_UNREAD = {"string", "resource", "variant", "int4", "uint4", "int2", "bfloat16", "float8_e4m3fn", "float8_e5m2"}
"""Types that numpy has no values of."""
_MOST = 1 << 31


def read_tflite(data: bytes, format_: str = "tflite") -> Graph:
    """Read the first graph of the file; what is damaged raises ValueError or IndexError."""
    return _Reader(data).graph(format_)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._model = Table.root(data)
        self._buffers = list(self._model.tables(schema.Model.BUFFERS))
        self._codes = [_kind(code) for code in self._model.tables(schema.Model.CODES)]

    def graph(self, format_: str) -> Graph:
        graphs = list(self._model.tables(schema.Model.SUBGRAPHS))
        if not graphs:
            raise ValueError("no graph in the file")
        first = graphs[0]
        tensors = list(first.tables(schema.Subgraph.TENSORS))
        names = _unique([tensor.text(schema.Tensor.NAME) for tensor in tensors])
        values = {name: self._value(name, tensor) for name, tensor in zip(names, tensors, strict=True)}
        nodes = tuple(self._node(i, one, names) for i, one in enumerate(first.tables(schema.Subgraph.OPERATORS)))
        inputs, outputs = (
            _named(names, first.integers(field)) for field in (schema.Subgraph.INPUTS, schema.Subgraph.OUTPUTS)
        )
        return Graph(format_, nodes, values, inputs, outputs, len(self._data), len(graphs))

    def _value(self, name: str, table: Table) -> Value:
        signature, stated = table.integers(schema.Tensor.SIGNATURE), table.integers(schema.Tensor.SHAPE)
        # An open batch has its -1 in the signature alone; the shape beside it is the one that is allocated.
        axes = stated if len(stated) == len(signature) else signature or stated
        shape = tuple(None if size < 0 else size for size in axes)
        if math.prod(size or 1 for size in shape) > _MOST:
            raise ValueError(f"tensor {name} of shape {list(axes)}")
        number = table.number(schema.Tensor.TYPE, "<b")
        dtype = schema.DTYPES[number] if 0 <= number < len(schema.DTYPES) else f"type {number}"
        scales, zero_points, axis = _quantization(table.table(schema.Tensor.QUANTIZATION))
        stored = self._stored(table.number(schema.Tensor.BUFFER, "<I"))
        sparse = table.place(schema.Tensor.SPARSITY) is not None
        return Value(
            name, shape, dtype, bool(stored), scales, zero_points, axis,
            None if sparse else _content(name, stored, shape, dtype),
            resizable=-1 in signature, state=bool(table.number(schema.Tensor.VARIABLE, "<b")),
        )  # fmt: skip

    def _stored(self, index: int) -> bytes:
        """Return the bytes of a constant; none for a tensor that is computed."""
        if not 0 < index < len(self._buffers):  # compiled files may name a buffer that is not there
            return b""
        buffer = self._buffers[index]
        offset, size = (buffer.number(field, "<Q") for field in (schema.Buffer.OFFSET, schema.Buffer.SIZE))
        if offset <= 1:
            return buffer.content(schema.Buffer.DATA)
        if offset + size > len(self._data):
            raise ValueError(f"{size} bytes at {offset} of {len(self._data)}")
        return self._data[offset : offset + size]

    def _node(self, index: int, table: Table, names: list[str]) -> Node:
        kind, custom = self._codes[table.number(schema.Operator.CODE, "<I")]
        options = table.table(schema.Operator.OPTIONS)
        fields = {} if custom else schema.OPTIONS.get(kind, {})
        attributes = {key: options.number(*place) if options is not None else 0 for key, place in fields.items()}
        for key in ("dilation_w", "dilation_h"):
            if key in attributes:
                attributes[key] = attributes[key] or 1
        fused = attributes.pop("fused_activation", 0)
        named = schema.ACTIVATIONS[fused] if 0 <= fused < len(schema.ACTIVATIONS) else str(fused)
        inputs = _named(names, table.integers(schema.Operator.INPUTS))
        outputs = _named(names, table.integers(schema.Operator.OUTPUTS))
        payload = table.content(schema.Operator.PAYLOAD) if custom else b""
        name = outputs[0] if outputs else kind
        return Node(index, kind, name, inputs, outputs, {**attributes, "fused_activation": named}, custom, payload)


def _kind(code: Table) -> tuple[str, bool]:
    number = max(code.number(schema.Code.BYTE, "<b"), code.number(schema.Code.NUMBER, "<i"))
    if number == schema.CUSTOM:
        return code.text(schema.Code.CUSTOM), True
    return (schema.OPERATORS[number] if 0 <= number < len(schema.OPERATORS) else f"operator {number}"), False


def _unique(names: list[str]) -> list[str]:
    """Return names none of which comes twice: tensors are allowed to share one."""
    taken: set[str] = set()
    found = []
    for index, name in enumerate(names):
        name = name if name and name not in taken else f"{name}#{index}"
        taken.add(name)
        found.append(name)
    return found


def _named(names: list[str], indices: tuple[int, ...]) -> tuple[str, ...]:
    if any(not -1 <= index < len(names) for index in indices):
        raise ValueError(f"tensors {min(indices)} to {max(indices)} of {len(names)}")
    return tuple(names[index] if index >= 0 else "" for index in indices)


def _quantization(table: Table | None) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    if table is None:
        return (), (), 0
    scales = tuple(table.floats(schema.Quantization.SCALE) or ())
    points = tuple(np.frombuffer(table.content(schema.Quantization.ZERO_POINT, 8), "<i8").tolist())
    return scales, points or (0,) * len(scales), table.number(schema.Quantization.AXIS, "<i")


def _content(name: str, stored: bytes, shape: tuple[int | None, ...], dtype: str) -> Array | None:
    if not stored or dtype in _UNREAD or dtype.startswith("type "):
        return None
    sizes = tuple(size or 0 for size in shape)
    expected = math.prod(sizes) * np.dtype(dtype).itemsize
    if len(stored) != expected:
        raise ValueError(f"tensor {name} with {len(stored)} bytes of data, its shape says {expected}")
    return np.frombuffer(stored, np.dtype(dtype).newbyteorder("<")).reshape(sizes)
