"""Operators and tensors of an ONNX file. Field numbers are those of onnx.proto."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgevision.graphs.graph import Graph, Node, Value
from edgevision.protobuf import Bytes, fields

_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string",
           9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16", 17: "float8",
           18: "float8", 19: "float8", 20: "float8", 21: "uint4", 22: "int4", 23: "float4"}  # fmt: skip
_BYTES = ("int8", "uint8")
"""Types whose constants are looked at: zero points are of them."""
_DOMAINS = ("", "ai.onnx")
_MOST = 64


def read_onnx(data: bytes) -> Graph:
    """Read the graph of the file; what is damaged raises ValueError."""
    graph = next(message for number, message in fields(memoryview(data)) if number == 7)
    nodes: list[Node] = []
    values: dict[str, Value] = {}
    inputs: list[str] = []
    outputs: list[str] = []
    for number, part in fields(_message(graph)):
        if number == 1:
            nodes.append(_node(len(nodes), _message(part)))
        elif number == 5:
            value = _initializer(_message(part))
            values[value.name] = value
        elif number in (11, 12, 13):
            value = _value_info(_message(part))
            values.setdefault(value.name, value)
            {11: inputs, 12: outputs, 13: []}[number].append(value.name)
    for node in nodes:
        if node.kind == "Constant" and node.outputs:
            values[node.outputs[0]] = Value(node.outputs[0], None, "", True)
        for name in node.outputs:
            values.setdefault(name, Value(name, None, ""))
    fed = tuple(name for name in inputs if not values[name].constant)  # older files list initializers as well
    return Graph("onnx", tuple(nodes), values, fed, tuple(outputs), len(data))


def _message(value: Bytes | int) -> Bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value


def _text(value: Bytes | int) -> str:
    return bytes(_message(value)).decode()


def _signed(value: Bytes | int) -> int:
    if not isinstance(value, int):
        raise ValueError("a message where a number belongs")
    return value - (1 << 64) if value >= 1 << 63 else value


def _integers(value: Bytes | int) -> Iterator[int]:
    """Yield the numbers of a repeated field, which may be packed."""
    if isinstance(value, int):
        yield _signed(value)
        return
    position = 0
    while position < len(value):
        number, shift = 0, 0
        while position < len(value) and value[position] & 0x80:
            number, shift, position = number | (value[position] & 0x7F) << shift, shift + 7, position + 1
        if position >= len(value) or shift > _MOST:
            raise ValueError("an integer without an end")
        yield _signed((number | value[position] << shift) & (1 << 64) - 1)
        position += 1


def _node(index: int, message: Bytes) -> Node:
    found: dict[int, list[Any]] = {1: [], 2: [], 3: [], 4: [], 5: [], 7: []}
    for number, value in fields(message):
        if number in found:
            found[number].append(value if number == 5 else _text(value))
    outputs = tuple(found[2])
    kind = found[4][0] if found[4] else ""
    name = (found[3] or [""])[0] or (outputs[0] if outputs else kind)
    attributes = dict(_attribute(_message(part)) for part in found[5])
    custom = bool(found[7]) and found[7][0] not in _DOMAINS
    return Node(index, kind, name, tuple(found[1]), outputs, attributes, custom)


def _attribute(message: Bytes) -> tuple[str, Any]:
    name, numbers = "", list[int]()
    value: int | str | None = None
    for number, part in fields(message):
        if number == 1:
            name = _text(part)
        elif number == 3:
            value = _signed(part)
        elif number == 4:
            value = bytes(_message(part)).decode("utf-8", "replace")
        elif number == 8:
            numbers.extend(_integers(part))
    return name, tuple(numbers) if numbers else value


def _initializer(message: Bytes) -> Value:
    dims, dtype, name, numbers, raw = list[int](), 0, "", list[int](), b""
    for number, part in fields(message):
        if number == 1:
            dims.extend(_integers(part))
        elif number == 2:
            dtype = _signed(part)
        elif number == 5:  # int32_data, where bytes may be too
            numbers.extend(_integers(part))
        elif number == 8:
            name = _text(part)
        elif number == 9:  # raw_data
            raw = bytes(_message(part))
    kind = _DTYPES.get(dtype, f"type {dtype}")
    data = None
    if kind in _BYTES:
        found = np.frombuffer(raw, kind) if raw else np.array(numbers, np.int64).astype(kind)
        data = found.reshape(dims) if found.size == math.prod(dims) else None
    return Value(name, tuple(dims), kind, True, data=data)


def _value_info(message: Bytes) -> Value:
    name, dtype = "", ""
    shape: tuple[int | None, ...] | None = None
    for number, part in fields(message):
        if number == 1:
            name = _text(part)
        elif number == 2:
            for kind, tensor in fields(_message(part)):
                if kind == 1:
                    dtype, shape = _tensor_type(_message(tensor))
    return Value(name, shape, dtype)


def _tensor_type(message: Bytes) -> tuple[str, tuple[int | None, ...] | None]:
    dtype, shape = "", None
    for number, part in fields(message):
        if number == 1:
            dtype = _DTYPES.get(_signed(part), f"type {part!r}")
        elif number == 2:
            shape = tuple(_dimension(_message(axis)) for kind, axis in fields(_message(part)) if kind == 1)
    return dtype, shape


def _dimension(message: Bytes) -> int | None:
    return next((_signed(value) or None for number, value in fields(message) if number == 1), None)
