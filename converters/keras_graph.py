"""The calls of a Keras model in the order they run, with nested models laid open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgevision.errors import ConversionError

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Call:
    """One use of a layer; a layer that is shared has several.

    Attributes:
        layer: The layer, never a model.
        inputs: Numbers of the tensors it takes.
        outputs: Numbers of the tensors it gives.
        input_shapes: Their shapes, with the batch axis.
        output_shapes: Their shapes, with the batch axis.
        arguments: Everything that it was called with but those tensors, flat.
        node: The call as Keras keeps it: ``keras_inputs``, ``call_args``, ``call_kwargs``, ``outputs``.
    """

    layer: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    arguments: tuple[Any, ...] = ()
    node: Any = None


@dataclass(frozen=True)
class KerasGraph:
    """A functional model as a list of calls.

    Attributes:
        inputs: Numbers of the model's inputs, in order.
        outputs: Numbers of its outputs, in order.
        calls: Every call, each after those that it depends on.
        nested: id of a model inside the model -> numbers of the tensors that it takes, at its first call.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    calls: tuple[Call, ...]
    nested: Mapping[int, tuple[int, ...]]


def keras_graph(model: Any) -> KerasGraph:
    """Read the calls of a functional or sequential ``tf_keras`` model.

    Raises:
        ConversionError: A subclass of ``tf_keras.Model``, whose calls are code.
    """
    walker = _Walker()
    inputs = tuple(walker.new() for _ in model.inputs or ())
    outputs = walker.walk(model, inputs)
    return KerasGraph(inputs, outputs, tuple(walker.calls), walker.nested)


class _Walker:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.nested: dict[int, tuple[int, ...]] = {}
        self._tensors = 0

    def new(self) -> int:
        self._tensors += 1
        return self._tensors - 1

    def walk(self, model: Any, inputs: tuple[int, ...]) -> tuple[int, ...]:
        """Append the calls of ``model`` on these tensors, and return the numbers of its outputs."""
        nodes = getattr(model, "_nodes_by_depth", None)
        if not nodes or not inputs:
            raise ConversionError(
                f"{model.name}: its layers are called by code", got=type(model).__name__,
                allowed=("a functional model", "a sequential model"),
                next_step="build it with tf_keras.Model(inputs, outputs)",
            )  # fmt: skip
        known = {id(tensor): number for tensor, number in zip(model.inputs, inputs, strict=True)}
        for depth in sorted(nodes, reverse=True):
            for node in nodes[depth]:
                if not node.is_input:
                    self._call(node, known)
        return tuple(known[id(tensor)] for tensor in model.outputs)

    def _call(self, node: Any, known: dict[int, int]) -> None:
        taken, given = list(node.keras_inputs), _tensors(node.outputs)
        inputs = tuple(known[id(tensor)] for tensor in taken)
        if getattr(node.layer, "_nodes_by_depth", None):
            self.nested.setdefault(id(node.layer), inputs)
            outputs = self.walk(node.layer, inputs)
        else:
            outputs = tuple(self.new() for _ in given)
            shapes = [tuple(tuple(tensor.shape) for tensor in tensors) for tensors in (taken, given)]
            constants = tuple(value for value in _flat((node.call_args, node.call_kwargs)) if not _is_tensor(value))
            self.calls.append(Call(node.layer, inputs, outputs, shapes[0], shapes[1], constants, node))
        known.update(zip((id(tensor) for tensor in given), outputs, strict=True))


def _tensors(value: Any) -> list[Any]:
    return [item for item in _flat(value) if _is_tensor(item)]


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "_keras_history") or type(value).__name__ == "KerasTensor"


def _flat(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [item for key in sorted(value) for item in _flat(value[key])]
    if isinstance(value, list | tuple):
        return [item for part in value for item in _flat(part)]
    return [] if value is None else [value]
