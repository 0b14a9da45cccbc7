"""A graph of Keras 3, built again layer by layer in tf_keras: flat, with the names and the weights that it had.

Models inside the model are built in their place, so that pruning and quantization, which know flat models, reach their
layers; a model that is used twice still has one set of weights. Layers that only change training images are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from edgevision.converters.keras3_activations import apply_activation
from edgevision.converters.keras3_graph import Call, Graph, Node, Ref, refs_in, replaced, untranslatable
from edgevision.converters.keras3_layers import build_layer, is_augmentation
from edgevision.converters.keras3_operations import Operation, translate_operation
from edgevision.converters.keras3_weights import StoredWeights
from edgevision.errors import ArtifactError
from edgevision.optional import require


@dataclass
class Translation:
    """A model of Keras 3 in tf_keras.

    Attributes:
        model: The ``tf_keras.Model``.
        tensors: Node of the outermost graph -> its first output in ``model``, at its first call.
        left_out: Names of the layers that were left out.
    """

    model: Any
    tensors: dict[str, Any]
    left_out: list[str] = field(default_factory=list)


def build(graph: Graph, weights: StoredWeights) -> Translation:
    """Build a graph in tf_keras.

    Raises:
        UntranslatableError: A layer or operation that tf_keras does not have.
        ArtifactError: The graph or the weights are damaged.
    """
    builder = _Builder(graph, weights)
    inputs = [builder.input(node) for ref in graph.inputs for node in graph.nodes if node.name == ref.layer]
    tensors, outputs = builder.run(graph, inputs, "", "")
    model = require("tf_keras").Model(inputs, outputs, name=graph.name)
    builder.set_weights()
    weights.check_all_used()
    first_calls = {ref.layer: tensor for ref, tensor in reversed(tensors.items()) if ref.tensor == 0 and ref.call == 0}
    return Translation(model, first_calls, builder.left_out)


class _Builder:
    """Layers that were made so far, their names, and where their weights are."""

    def __init__(self, graph: Graph, weights: StoredWeights) -> None:
        self._weights = weights
        self._layers: dict[str, tuple[Any, Any]] = {}
        self._names = {node.name for node in graph.nodes}
        self._reserved = set(self._names)
        self.left_out: list[str] = []

    def input(self, node: Node) -> Any:
        config = node.config
        shape = config.get("batch_shape") or config["batch_input_shape"]
        if config.get("sparse") or config.get("ragged"):
            raise untranslatable(node.name, node.kind, "a sparse or ragged input")
        dtype = config.get("dtype", "float32")
        dtype = dtype["config"]["name"] if isinstance(dtype, dict) else dtype
        return require("tf_keras").Input(tuple(shape[1:]), name=node.name, dtype=dtype)

    def run(self, graph: Graph, inputs: Sequence[Any], root: str, prefix: str) -> tuple[dict[Ref, Any], list[Any]]:
        """Put a graph behind tensors; return every tensor in it, and its outputs.

        Args:
            graph: The graph.
            inputs: What stands for its inputs.
            root: Group of its weights, with a final slash.
            prefix: What makes names of its layers its own where they are taken.
        """
        tensors: dict[Ref, Any] = dict(zip(graph.inputs, inputs, strict=True))
        places = self._weights.places(graph, root)
        open_calls = [(node, number, call) for node in graph.nodes for number, call in enumerate(node.calls)]
        while open_calls:
            waiting = []
            for node, number, call in open_calls:
                if all(ref in tensors for ref in (*refs_in(call.args), *refs_in(call.kwargs))):
                    given = self._called(node, call, tensors, places.get(node.name, ""), prefix)
                    given = given if isinstance(given, list | tuple) else [given]
                    tensors.update({Ref(node.name, number, index): tensor for index, tensor in enumerate(given)})
                else:
                    waiting.append((node, number, call))
            if len(waiting) == len(open_calls):
                raise ArtifactError(f"{graph.name}: its graph is damaged", got=f"{waiting[0][0].name} has no input")
            open_calls = waiting
        missing = [ref.layer for ref in graph.outputs if ref not in tensors]
        if missing:
            raise ArtifactError(f"{graph.name}: its graph is damaged", got=f"no output {missing[0]}")
        return tensors, [tensors[ref] for ref in graph.outputs]

    def _called(self, node: Node, call: Call, tensors: dict[Ref, Any], place: str, prefix: str) -> Any:
        args, kwargs = replaced(call.args, tensors), replaced(call.kwargs, tensors)
        kwargs = {key: value for key, value in kwargs.items() if value is not None and key != "training"}
        if node.graph is not None:
            flat = list(require("tensorflow").nest.flatten([args, list(kwargs.values())]))
            if len(flat) != len(node.graph.inputs):
                raise untranslatable(node.name, node.kind, f"a model inside that is called with {len(flat)} tensors")
            return self.run(node.graph, flat, f"{place}/", f"{prefix}{node.name}_")[1]
        if node.operation:
            return self._operation(node, [*args, *kwargs.values()], prefix)
        if is_augmentation(node.kind):
            self.left_out.append(node.name)
            return args[0]
        return self._layer(node, args, kwargs, place, prefix)

    def _operation(self, node: Node, args: list[Any], prefix: str) -> Any:
        def name(part: str) -> str:
            return self._name(f"{node.name}_{part}" if part else node.name, prefix)

        try:
            given = translate_operation(Operation(node.kind, node.config, args, name))
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as exc:
            raise untranslatable(node.name, node.kind, str(exc).splitlines()[0][:120]) from exc
        if given is None:
            raise untranslatable(node.name, node.kind, "no layer of tf_keras does this")
        return given

    def _layer(self, node: Node, args: list[Any], kwargs: dict[str, Any], place: str, prefix: str) -> Any:
        if place not in self._layers:
            self._layers[place] = build_layer(self._name(node.name, prefix), node.kind, node.config)
        layer, activation = self._layers[place]
        try:
            tensor = layer(*args, **kwargs)
        except (TypeError, ValueError) as exc:
            raise untranslatable(node.name, node.kind, str(exc).splitlines()[0][:120]) from exc
        if activation is None:
            return tensor
        if isinstance(activation, dict):
            follower, further = self._follower(node, activation, f"{place}/activation", prefix)
            activated = follower(tensor) if further is None else None
        else:
            activated = apply_activation(activation, tensor, lambda part: self._name(f"{node.name}_{part}", prefix))
        if activated is None:
            raise untranslatable(node.name, node.kind, f"tf_keras does not have its activation {activation}")
        return activated

    def _follower(self, node: Node, item: dict[str, Any], place: str, prefix: str) -> tuple[Any, Any]:
        """Return the layer that is another's activation; made once, as that one is."""
        if place not in self._layers:
            name = self._name(f"{node.name}_{item['config'].get('name', 'activation')}", prefix)
            self._layers[place] = build_layer(name, item["class_name"], item["config"])
        return self._layers[place]

    def _name(self, wanted: str, prefix: str) -> str:
        """Return a name that no other layer has; the outermost graph's nodes keep theirs."""
        if not prefix and wanted in self._reserved:
            self._reserved.discard(wanted)
            return wanted
        name, number = wanted if wanted not in self._names else f"{prefix}{wanted}", 1
        while name in self._names:
            number += 1
            name = f"{prefix}{wanted}_{number}"
        self._names.add(name)
        return name

    def set_weights(self) -> None:
        for place, (layer, _) in self._layers.items():
            self._weights.set(layer, place)
