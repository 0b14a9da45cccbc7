"""Which operations of a converted model are a Keras layer's: OpenVINO forgets their names on the way.

The model is traced a second time with what goes in and out of those layers as further outputs. What lies between them
in that graph is the layer's; the graph itself is not used, because outputs in the middle keep transposes apart that
would cancel out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgevision.converters.keras_blocks import block_of
from edgevision.converters.keras_import import named_layers
from edgevision.errors import ConfigError, ConversionError
from edgevision.optional import require

HIDDEN = ("Parameter", "Result", "Constant", "Convert", "Transpose", "Reshape")
"""Operations that outputs in the middle of a graph may add or take away."""


class Marks:
    """Layers, and the tensors that go in and out of them while the model is traced.

    Attributes:
        blocks: the first and the last layer of what is kept together, for each chosen layer.
        inputs: tensors that go into blocks, one list a call.
        outputs: tensors that come out, as many lists.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        """Mark layers of a Keras model, with what is merged into them."""
        self.blocks = list(dict.fromkeys((block[0], block[-1]) for block in map(block_of, layers)))
        self.inputs: list[list[Any]] = []
        self.outputs: list[list[Any]] = []

    @property
    def tensors(self) -> list[Any]:
        """What was recorded: the inputs, then the outputs."""
        return [tensor for call in (*self.inputs, *self.outputs) for tensor in call]

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record what goes in and out while the block runs."""
        self.inputs, self.outputs = [], []
        with contextlib.ExitStack() as stack:
            for first, last in self.blocks:
                stack.enter_context(_watched(first, lambda taken, given: self.inputs.append(taken)))
                stack.enter_context(_watched(last, lambda taken, given: self.outputs.append(given)))
            yield


def operations_of(layers: Sequence[str], model: Any, graph: Any, trace: Callable[[Marks], Any]) -> set[str]:
    """Return the friendly names of the operations of ``graph`` that belong to Keras layers.

    Args:
        layers: Names of the layers.
        model: The Keras model.
        graph: The ``openvino.Model`` that it was converted to; its outputs are in the order of Keras.
        trace: Converts the model again, what `Marks.recording` recorded being further outputs behind its own.

    Raises:
        ConfigError: No operation is left of these layers.
        ConversionError: The second graph is not the first with more outputs.
    """
    marks = Marks([layer for name, layer in named_layers(model) if name in layers])
    marked = trace(marks)
    own, recorded = marked.outputs[: len(graph.outputs)], marked.outputs[len(graph.outputs) :]
    inside = _between(recorded, marks)
    theirs, mine = _visible(own, marked), _visible(graph.outputs, graph)
    if list(map(_kind, theirs)) != list(map(_kind, mine)):
        raise ConversionError(f"OpenVINO's graph does not tell which operations are those of {', '.join(layers)}")
    names = {
        operation.get_friendly_name()
        for operation, same in zip(mine, theirs, strict=True)
        if same.get_friendly_name() in inside
    }
    if not names:
        raise ConfigError("float_layers: no operation is left of these layers", got=", ".join(layers))
    return names


def _between(recorded: Sequence[Any], marks: Marks) -> set[str]:
    """Return the names of the operations from which a block's output depends on its input."""
    ports = iter(recorded)
    inputs = [[next(ports) for _ in call] for call in marks.inputs]
    outputs = [[next(ports) for _ in call] for call in marks.outputs]
    found: set[str] = set()
    for taken, given in zip(inputs, outputs, strict=True):
        found |= _ancestors(given) - _ancestors(taken)
    return found


def _ancestors(ports: Sequence[Any]) -> set[str]:
    found: dict[str, None] = {}
    waiting = [port.get_node() for port in ports]
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in found:
            found[node.get_friendly_name()] = None
            waiting += [value.get_source_output().get_node() for value in node.inputs()]
    return set(found)


def _visible(outputs: Sequence[Any], graph: Any) -> list[Any]:
    vendor = require("openvino")
    part = vendor.Model([port.get_node() for port in outputs], graph.get_sinks(), graph.get_parameters(), "part")
    return [operation for operation in part.get_ordered_ops() if operation.get_type_name() not in HIDDEN]


def _kind(operation: Any) -> tuple[str, list[int]]:
    """Return what is the same about an operation in any layout."""
    return operation.get_type_name(), sorted(operation.get_output_shape(0))


@contextlib.contextmanager
def _watched(layer: Any, record: Callable[[list[Any], list[Any]], None]) -> Iterator[None]:
    """Report each call of a layer: the tensors that it takes, those of the model apart, and those that it gives."""
    tf = require("tensorflow")
    own = layer.__dict__.get("call")
    call = layer.call

    def watched(*args: Any, **options: Any) -> Any:
        result = call(*args, **options)
        tensors = [value for value in tf.nest.flatten((args, options)) if isinstance(value, tf.Tensor)]
        taken = [tensor for tensor in tensors if tensor.op.type != "Placeholder"]
        record(taken, tf.nest.flatten(result))
        return result

    layer.call = watched
    try:
        yield
    finally:
        del layer.call
        if own is not None:
            layer.call = own
