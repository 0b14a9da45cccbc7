"""The graph of a ``.tflite`` file, read without a vendor's code: tensors, constants, operators and their options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgevision.converters import tflite_graph_schema as schema
from edgevision.errors import ArtifactError, IncompatibleModelError
from edgevision.flatbuffer import Table
from edgevision.tensors import Array, QuantParams

MAX_RANK = 8
MAX_ELEMENTS = 1 << 31


@dataclass(frozen=True)
class GraphTensor:
    """One tensor.

    Attributes:
        name: Its name.
        shape: Its axes; an open batch is 1 here, as the file stores it.
        dtype: "int8", "int32", "float32", ….
        scales: Its scales, float32 as stored; empty where it has none.
        zero_points: As many zero points.
        axis: Which axis several scales lie along.
        data: Its value where it is constant, of ``shape`` and ``dtype``; else None.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    data: Array | None = field(default=None, compare=False)

    @property
    def elements(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def quant(self) -> QuantParams | None:
        """Its quantization as a TensorSpec has it, or None."""
        if not self.scales or not np.issubdtype(np.dtype(self.dtype), np.integer):
            return None
        return QuantParams(self.scales, self.zero_points, self.axis if len(self.scales) > 1 else None)


@dataclass(frozen=True)
class GraphOperator:
    """One call of an operator.

    Attributes:
        index: Its position in the file.
        kind: "CONV_2D", …; a custom operator's own name in quotes.
        inputs: Indices of its tensors; -1 for an optional one that is left out.
        outputs: Indices of its tensors.
        options: Its options by name, enumerations as numbers; see `tflite_graph_schema.OPTIONS`.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, float]


@dataclass(frozen=True)
class Graph:
    """A model with one graph.

    Attributes:
        tensors: Its tensors.
        operators: Its operators in the order that they run in.
        inputs: Indices of the tensors that go in.
        outputs: Indices of those that come out.
    """

    tensors: tuple[GraphTensor, ...]
    operators: tuple[GraphOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_graph(content: bytes, name: str = "model.tflite") -> Graph:
    """Read a ``.tflite`` file; ``name`` is what errors call it.

    Raises:
        ArtifactError: It is damaged, or not a ``.tflite`` file.
        IncompatibleModelError: It has several graphs (control flow), sparse weights or state.
    """
    if content[4:8] != b"TFL3":
        raise ArtifactError(f"{name}: not a TFLite model", got=f"a file that starts with {content[:8]!r}")
    try:
        return _Reader(content, name).graph()
    except (ValueError, OverflowError) as exc:
        raise ArtifactError(f"{name}: a damaged TFLite model", got=str(exc)) from exc


class _Reader:
    def __init__(self, content: bytes, name: str) -> None:
        self._content, self._name = content, name
        self._model = Table.root(content)
        self._buffers = list(self._model.tables(schema.Model.BUFFERS))
        self._kinds = [_kind(code) for code in self._model.tables(schema.Model.OPERATOR_CODES)]

    def graph(self) -> Graph:
        graphs = list(self._model.tables(schema.Model.SUBGRAPHS))
        if len(graphs) != 1:
            raise IncompatibleModelError(
                f"{self._name}: models with control flow are not read", got=f"{len(graphs)} graphs"
            )
        table = graphs[0]
        tensors = tuple(self._tensor(one) for one in table.tables(schema.Subgraph.TENSORS))
        count = len(tensors)
        operators = tuple(
            self._operator(i, one, count) for i, one in enumerate(table.tables(schema.Subgraph.OPERATORS))
        )
        inputs = _indices(table, schema.Subgraph.INPUTS, count)
        return Graph(tensors, operators, inputs, _indices(table, schema.Subgraph.OUTPUTS, count))

    def _tensor(self, table: Table) -> GraphTensor:
        name, shape = table.text(schema.Tensor.NAME), table.integers(schema.Tensor.SHAPE)
        if len(shape) > MAX_RANK or any(size < 0 for size in shape) or math.prod(shape) > MAX_ELEMENTS:
            raise ValueError(f"tensor {name} of shape {list(shape)}")
        if table.number(schema.Tensor.IS_VARIABLE, "<b") or table.place(schema.Tensor.SPARSITY) is not None:
            raise IncompatibleModelError(f"{self._name}: tensor {name} is a state, or stored sparsely")
        dtype = _named(schema.TENSOR_TYPES, table.number(schema.Tensor.TYPE, "<b"), "tensor type")
        quantization = table.table(schema.Tensor.QUANTIZATION)
        scales: tuple[float, ...] = ()
        zero_points: tuple[int, ...] = ()
        axis = 0
        if quantization is not None:
            scales = tuple(quantization.floats(schema.Quantization.SCALE) or ())
            stored = quantization.content(schema.Quantization.ZERO_POINT, 8)
            zero_points = tuple(np.frombuffer(stored, "<i8").tolist()) or (0,) * len(scales)
            axis = quantization.number(schema.Quantization.AXIS, "<i")
            _check_quantization(name, shape, scales, zero_points, axis)
        data = self._constant(name, table.number(schema.Tensor.BUFFER, "<I"), shape, dtype)
        return GraphTensor(name, shape, dtype, scales, zero_points, axis, data)

    def _constant(self, name: str, index: int, shape: tuple[int, ...], dtype: str) -> Array | None:
        if index >= len(self._buffers):
            raise ValueError(f"tensor {name} in buffer {index} of {len(self._buffers)}")
        buffer = self._buffers[index]
        offset, size = (buffer.number(item, "<Q") for item in (schema.Buffer.OFFSET, schema.Buffer.SIZE))
        stored = buffer.content(schema.Buffer.DATA) if offset <= 1 else self._content[offset : offset + size]
        if not stored or dtype in ("string", "resource", "variant", "int4"):
            return None
        expected = math.prod(shape) * np.dtype(dtype).itemsize
        if len(stored) != expected:
            raise ValueError(f"tensor {name} with {len(stored)} bytes of data, its shape says {expected}")
        return np.frombuffer(stored, np.dtype(dtype).newbyteorder("<")).reshape(shape)

    def _operator(self, index: int, table: Table, tensors: int) -> GraphOperator:
        code = table.number(schema.Operator.CODE, "<I")
        kind = _named(self._kinds, code, "operator code")
        options = table.table(schema.Operator.OPTIONS)
        fields = schema.OPTIONS.get(kind, {})
        values = {key: (options.number(*place) if options is not None else 0) for key, place in fields.items()}
        for key in ("dilation_w", "dilation_h"):
            if key in values:
                values[key] = values[key] or 1
        inputs = _indices(table, schema.Operator.INPUTS, tensors, optional=True)
        return GraphOperator(index, kind, inputs, _indices(table, schema.Operator.OUTPUTS, tensors), values)


def _kind(code: Table) -> str:
    number = max(code.number(schema.OperatorCode.BYTE, "<b"), code.number(schema.OperatorCode.NUMBER, "<i"))
    if number == schema.CUSTOM:
        return f'"{code.text(schema.OperatorCode.CUSTOM)}"'
    known = 0 <= number < len(schema.BUILTIN_OPERATORS)
    return schema.BUILTIN_OPERATORS[number] if known else f"operator {number}"


def _named(names: tuple[str, ...] | list[str], number: int, what: str) -> str:
    if not 0 <= number < len(names):
        raise ValueError(f"{what} {number} of {len(names)}")
    return names[number]


def _indices(table: Table, field_id: int, count: int, *, optional: bool = False) -> tuple[int, ...]:
    found = table.integers(field_id)
    for index in found:
        if not (-1 if optional else 0) <= index < count:
            raise ValueError(f"tensor {index} of {count}")
    return found


def _check_quantization(
    name: str, shape: tuple[int, ...], scales: tuple[float, ...], zero_points: tuple[int, ...], axis: int
) -> None:
    if len(scales) != len(zero_points) or not all(math.isfinite(scale) and scale >= 0 for scale in scales):
        raise ValueError(f"tensor {name} with {len(scales)} scales and {len(zero_points)} zero points")
    if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
        raise ValueError(f"tensor {name} with {len(scales)} scales along axis {axis} of {list(shape)}")
