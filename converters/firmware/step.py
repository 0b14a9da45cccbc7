"""What an operator becomes: calls of C functions, with their constants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgevision.graphs import Graph, Node, Value
from edgevision.tensors import Array

Field = int | tuple[int, ...] | Array | Mapping[str, "Field"]
"""A field of a C struct: a number, some of them, a pointer to a constant array, or a struct."""


@dataclass(frozen=True)
class Step:
    """One call of a kernel.

    Attributes:
        kernel: Its C function, and the file in ``kernels/`` that defines it.
        fields: Its parameters: the fields of the C struct with its name.
        reads: Names of the tensors that it reads, in the order of its arguments.
        writes: Name of the tensor that it writes.
        scratch_bytes: Memory that it needs while it runs; None for a kernel that takes none.
        macs: Multiply-accumulate operations.
        in_place: Positions in ``reads`` of tensors whose memory the result may take.
        taps: Positions under the window of a depthwise convolution; 0 for others.
        parts: Files in ``kernels/`` that it builds on, beyond those of every such step.
    """

    kernel: str
    fields: Mapping[str, Field]
    reads: tuple[str, ...]
    writes: str
    scratch_bytes: int | None = None
    macs: int = 0
    in_place: tuple[int, ...] = ()
    taps: int = 0
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alias:
    """A tensor with the bytes of another: a reshape."""

    source: str
    target: str


Lowered = Sequence[Step | Alias]


class Unsupported(Exception):
    """An operator that cannot be generated; the text is the reason."""


@dataclass(frozen=True)
class Call:
    """An operator with its tensors at hand.

    Attributes:
        graph: The graph.
        operator: The operator.
        rounding: One of `fixed_point.ROUNDINGS`.
    """

    graph: Graph
    operator: Node
    rounding: str = "tflite-micro"

    def input(self, position: int) -> Value:
        """Return an input; raises Unsupported where it is left out."""
        if not self.has(position):
            raise Unsupported(f"input {position} is missing")
        return self.graph.values[self.operator.inputs[position]]

    def has(self, position: int) -> bool:
        """Whether there is such an input."""
        inputs = self.operator.inputs
        return position < len(inputs) and inputs[position] != ""

    def output(self, position: int = 0) -> Value:
        """Return an output."""
        if position >= len(self.operator.outputs):
            raise Unsupported(f"output {position} is missing")
        return self.graph.values[self.operator.outputs[position]]

    def option(self, name: str) -> int:
        """Return an option that is a whole number."""
        return int(self.operator.attributes.get(name, 0))

    @property
    def activation(self) -> str:
        """The fused activation; empty where there is none."""
        return str(self.operator.attributes["fused_activation"])

    def constant(self, position: int) -> Array:
        """Return the value of an input that has to be constant."""
        tensor = self.input(position)
        if tensor.data is None:
            how = "is stored in a way that is not read" if tensor.constant else "is not constant"
            raise Unsupported(f"input {position} {how}")
        return tensor.data


def int8_scale(tensor: Value) -> tuple[float, int]:
    """Return scale and zero point of an int8 activation; raises Unsupported for anything else."""
    if tensor.dtype != "int8":
        raise Unsupported(f"tensor {tensor.name} is {tensor.dtype}, not int8")
    if len(tensor.scales) != 1 or tensor.scales[0] <= 0:
        raise Unsupported(f"tensor {tensor.name} has {len(tensor.scales)} scales, not one")
    if len(tensor.zero_points) != 1 or not math.isfinite(tensor.scales[0]):
        raise Unsupported(f"tensor {tensor.name} has a damaged scale or zero point")
    if not -128 <= tensor.zero_points[0] <= 127:
        raise Unsupported(f"tensor {tensor.name} has the zero point {tensor.zero_points[0]}")
    return tensor.scales[0], tensor.zero_points[0]


def positive_sizes(tensor: Value) -> tuple[int, ...]:
    """Return the shape; raises Unsupported where it is empty somewhere."""
    if any(size < 1 for size in tensor.sizes):
        raise Unsupported(f"tensor {tensor.name} is empty: {list(tensor.sizes)}")
    return tensor.sizes
