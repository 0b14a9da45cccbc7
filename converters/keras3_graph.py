"""The graph in a Keras 3 config: layers and operations, and which tensors each is called on.

Sequential models become chains, so that both kinds, and models inside them, are read as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgevision.errors import ArtifactError, UntranslatableError

MODELS = ("Functional", "Model", "Sequential")
"""Classes that are models; ``Model`` is what a functional model was called once."""


@dataclass(frozen=True)
class Ref:
    """A tensor: output ``tensor`` of call ``call`` of the layer ``layer``."""

    layer: str
    call: int
    tensor: int


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        args: Positional arguments; tensors are `Ref`.
        kwargs: Named arguments, likewise.
    """

    args: Sequence[Any]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A layer, an operation or a model inside the model.

    Attributes:
        name: Its name, unique in its graph.
        kind: Its class.
        config: Its arguments.
        calls: The calls in it, in order; none for an input.
        graph: What is inside, for a model.
        operation: Whether it is one of Keras 3's operations, which have no weights.
    """

    name: str
    kind: str
    config: Mapping[str, Any]
    calls: tuple[Call, ...]
    graph: Graph | None = None
    operation: bool = False


@dataclass(frozen=True)
class Graph:
    """A model.

    Attributes:
        name: Its name.
        nodes: What it consists of, in the order of the file.
        inputs: Its inputs, in order.
        outputs: Its outputs, in order.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]

    @property
    def layers(self) -> tuple[Node, ...]:
        """The nodes that Keras counts as layers, in order: all but operations."""
        return tuple(node for node in self.nodes if not node.operation)


def read_graph(config: Mapping[str, Any], what: str) -> Graph:
    """Read the config of a model that Keras 3 saved.

    Args:
        config: The config, with ``class_name`` and ``config``.
        what: The file, as errors name it.

    Raises:
        ArtifactError: It is damaged, or has no fixed input.
    """
    try:
        return _model(config)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise ArtifactError(
            f"{what}: its config is damaged, or of a model without a fixed input", got=reason,
            next_step="give the model an Input layer, and save it again with Keras 3",
        ) from exc  # fmt: skip


def _model(item: Mapping[str, Any]) -> Graph:
    config = item["config"]
    if item["class_name"] == "Sequential":
        return _chain(config)
    if item["class_name"] not in MODELS or "layers" not in config:
        raise ValueError(f"{item['class_name']} is no functional or sequential model")
    nodes = tuple(_node(entry, [_call(call) for call in entry["inbound_nodes"]]) for entry in config["layers"])
    kinds = {node.name: node for node in nodes}
    return Graph(
        config["name"],
        nodes,
        tuple(_end(leaf, kinds) for leaf in _leaves(config["input_layers"])),
        tuple(_end(leaf, kinds) for leaf in _leaves(config["output_layers"])),
    )


def _chain(config: Mapping[str, Any]) -> Graph:
    entries = list(config["layers"])
    if entries[0]["class_name"] != "InputLayer":
        shape = config.get("build_input_shape") or entries[0].get("build_config", {})["input_shape"]
        first = {"name": f"{config['name']}_input", "batch_shape": shape, "dtype": "float32"}
        entries.insert(0, {"class_name": "InputLayer", "config": first})
    nodes = [_node(entries[0], [])]
    for entry in entries[1:]:
        nodes.append(_node(entry, [Call([Ref(nodes[-1].name, 0, 0)])]))
    return Graph(config["name"], tuple(nodes), (Ref(nodes[0].name, 0, 0),), (Ref(nodes[-1].name, 0, 0),))


def _node(entry: Mapping[str, Any], calls: Sequence[Call]) -> Node:
    kind, config = entry["class_name"], entry["config"]
    graph = _model(entry) if kind in MODELS else None
    operation = str(entry.get("module", "")).startswith("keras.src.ops.")
    return Node(entry.get("name") or config["name"], kind, config, tuple(calls), graph, operation)


def _call(data: Any) -> Call:
    if isinstance(data, list):  # as Keras up to 2 wrote it, and Keras 3 still does into HDF5 files
        tensors = [Ref(*entry[:3]) for entry in data]
        return Call([tensors[0] if len(tensors) == 1 else tensors], data[0][3] if len(data[0]) > 3 else {})
    return Call([_value(item) for item in data["args"]], {key: _value(item) for key, item in data["kwargs"].items()})


def _value(data: Any) -> Any:
    """Return an argument of a call as Python has it, tensors being `Ref`."""
    if isinstance(data, list):
        return [_value(item) for item in data]
    if not isinstance(data, dict) or "class_name" not in data:
        return {key: _value(item) for key, item in data.items()} if isinstance(data, dict) else data
    kind, config = data["class_name"], data.get("config") or {}
    if kind == "__keras_tensor__":
        return Ref(*config["keras_history"])
    if kind in ("__numpy__", "__tensor__"):
        return np.array(config["value"], dtype=config["dtype"])
    if kind == "__slice__":
        return slice(*(_value(config[key]) for key in ("start", "stop", "step")))
    if kind == "__ellipsis__":
        return Ellipsis
    return data


def _leaves(ends: Any) -> Iterator[Sequence[Any]]:
    """Yield [layer, call, tensor] of each input or output; those with names are in the order of their names."""
    if isinstance(ends, dict):
        for key in sorted(ends):
            yield from _leaves(ends[key])
    elif len(ends) == 3 and isinstance(ends[0], str):
        yield ends
    else:
        for item in ends:
            yield from _leaves(item)


def _end(leaf: Sequence[Any], nodes: Mapping[str, Node]) -> Ref:
    name, call, tensor = leaf
    if nodes[name].kind in ("Functional", "Model"):
        call -= 1  # at the ends of a graph, these count the call that they were built with
    return Ref(name, max(call, 0), tensor)


def refs_in(value: Any) -> Iterator[Ref]:
    """Yield each tensor in the arguments of a call."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from refs_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from refs_in(item)


def replaced(value: Any, tensors: Mapping[Ref, Any]) -> Any:
    """Return the arguments of a call with each `Ref` replaced by its tensor."""
    if isinstance(value, Ref):
        return tensors[value]
    if isinstance(value, Mapping):
        return {key: replaced(item, tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replaced(item, tensors) for item in value]
    return value


def untranslatable(name: str, kind: str, reason: str) -> UntranslatableError:
    """Return the error for a layer that tf_keras cannot have."""
    return UntranslatableError(
        f"layer {name} ({kind}) cannot be translated into tf_keras", got=reason,
        next_step="edgevision convert, and quantize --method ptq, do without the translation; or replace the layer",
    )  # fmt: skip
