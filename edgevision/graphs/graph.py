"""What a model file is made of, whatever its format: operators in order, and the tensors between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgevision.tensors import Array

_BITS = {"float64": 64, "int64": 64, "uint64": 64, "float32": 32, "int32": 32, "uint32": 32, "complex64": 64,
         "float16": 16, "bfloat16": 16, "int16": 16, "uint16": 16, "int4": 4, "uint4": 4, "int2": 2}  # fmt: skip


_FEW = 16
"""Integers that a constant may have to be looked at as `Value.content`."""


@dataclass(frozen=True)
class Value:
    """A tensor.

    Attributes:
        name: As the file has it.
        shape: Axes in the file's order; None for an open one. None as a whole when the file does not say.
        dtype: As numpy calls it; "" when the file does not say.
        constant: Whether the file holds its content.
        scales: Its quantization scales, float32 as stored; empty when it is not quantized.
        zero_points: Its zero points, as many.
        axis: Which axis several scales lie along.
        data: Content of a constant, of ``shape`` and ``dtype``, as far as it is read: of TFLite files, unless it is
            sparse or of a type that numpy has not.
        resizable: Whether a TFLite file lets an axis be changed; ``shape`` is what it is without that.
        state: Whether it keeps its content from one inference to the next.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str
    constant: bool = False
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    data: Array | None = field(default=None, compare=False, repr=False)
    resizable: bool = False
    state: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape, an open axis being 1; empty when the file does not say."""
        return tuple(1 if size is None else size for size in self.shape or ())

    @property
    def content(self) -> tuple[int, ...] | None:
        """Its values, for constants of at most 16 integers; else None."""
        if self.data is None or self.dtype not in ("int32", "int64") or self.data.size > _FEW:
            return None
        return tuple(self.data.reshape(-1).tolist())

    @property
    def zero(self) -> bool:
        """Whether it is a constant that is all zero point."""
        point = self.zero_points[0] if self.zero_points else 0
        return self.data is not None and self.data.size > 0 and bool((self.data == point).all())

    @property
    def static(self) -> bool:
        """Whether every axis has a length."""
        return self.shape is not None and None not in self.shape

    @property
    def elements(self) -> int:
        """Number of values, open axes counted as 1; 0 when the shape is not known."""
        return math.prod(self.sizes) if self.shape is not None else 0

    @property
    def bytes(self) -> int:
        """Bytes of the values."""
        return (self.elements * _BITS.get(self.dtype, 8) + 7) // 8

    def __str__(self) -> str:
        shape = "?" if self.shape is None else "×".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype or 'unknown type'} {shape or 'scalar'}"


@dataclass(frozen=True)
class Node:
    """An operator.

    Attributes:
        index: Its place in the file, from 0.
        kind: What it computes, as its format calls it ("CONV_2D", "Conv", "Convolution"; a custom one by its name).
        name: The node's name, or that of its first output where nodes have none.
        inputs: Names of its tensors, in order; "" for one that is left out.
        outputs: Likewise.
        attributes: What else it says: strides, dilations, axes, fused activation.
        custom: Whether the format does not define it.
        payload: Content of a custom operator.
    """

    index: int
    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    custom: bool = False
    payload: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.index} ({self.name})"


@dataclass(frozen=True)
class Graph:
    """A model.

    Attributes:
        format: "tflite", "edgetpu", "vela", "onnx" or "openvino".
        nodes: Its operators, in the order of the file.
        values: Its tensors by name.
        inputs: Names of the model's inputs.
        outputs: Names of the model's outputs.
        file_bytes: Size of its files.
        subgraphs: How many graphs the file has: more than one where it branches or loops.
    """

    format: str
    nodes: tuple[Node, ...]
    values: Mapping[str, Value]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    file_bytes: int
    subgraphs: int = 1

    def inputs_of(self, node: Node) -> tuple[Value, ...]:
        """Return a node's inputs that are not constant."""
        return tuple(value for value in self._values(node.inputs) if not value.constant)

    def constants_of(self, node: Node) -> tuple[Value, ...]:
        """Return a node's constants."""
        return tuple(value for value in self._values(node.inputs) if value.constant)

    def outputs_of(self, node: Node) -> tuple[Value, ...]:
        """Return a node's outputs."""
        return self._values(node.outputs)

    def _values(self, names: tuple[str, ...]) -> tuple[Value, ...]:
        return tuple(self.values[name] for name in names if name in self.values)

    @property
    def constant_bytes(self) -> int:
        """Bytes of all constants."""
        return sum(value.bytes for value in self.values.values() if value.constant)
