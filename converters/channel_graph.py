"""Which channels of a model belong together: what has to go, everywhere, when one of them goes.

Every channel of every tensor has a number; layers that keep channels pass the numbers on, layers that add or multiply
tensors make the numbers of both one. Each axis of each weight is noted with the numbers of its elements, so that
removing a number says which rows and columns of which weights go with it. Fang et al., "DepGraph: Towards Any
Structural Pruning" (CVPR 2023), with the dependencies between single channels in place of those between layers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.converters.channel_rules import RULES, UNKNOWN
from edgevision.converters.keras_graph import Call, keras_graph
from edgevision.converters.keras_import import layer_names
from edgevision.tensors import Array


@dataclass(frozen=True)
class Axis:
    """One axis of one weight, and the channels that its elements belong to.

    Attributes:
        layer: The layer.
        weight: Position of the weight in ``layer.weights``.
        axis: The axis.
        role: ``output`` (filters of a layer that makes channels), ``through`` (of one that keeps them), ``norm``
            (scale and offset of a batch norm), ``other`` (its statistics, a PReLU's slopes), or ``input``.
        channels: Number of each element's channel, int64; see `ChannelGraph.roots`.
    """

    layer: Any
    weight: int
    axis: int
    role: str
    channels: Array


class ChannelGraph:
    """The channels of a functional or sequential ``tf_keras`` model, and what depends on them.

    Attributes:
        calls: The calls of the model.
        axes: Every axis of every weight whose elements are channels.
        nested: id of a model inside the model -> numbers of the tensors that it takes.
        tensors: Number of a tensor -> the channels of its last axis, int64.
        names: id of a layer -> its name, as `edgevision.converters.keras_import.named_layers` has it.
        skipped: (layer, reason) for each layer whose channels stay whole.
    """

    def __init__(self, model: Any) -> None:
        """Follow the channels through ``model``.

        Raises:
            ConversionError: A subclass of ``tf_keras.Model``.
        """
        graph = keras_graph(model)
        self.calls = graph.calls
        self.nested = graph.nested
        self.names = layer_names(model)
        self.axes: list[Axis] = []
        self.tensors: dict[int, Array] = {}
        self.skipped: list[tuple[str, str]] = []
        self._parents: list[int] = []
        self._roots: Array | None = None
        self._frozen: list[int] = []
        self._made: dict[int, Array] = {}
        for number, tensor in zip(graph.inputs, model.inputs, strict=True):
            self.tensors[number] = self.new(tensor.shape[-1])
            self.freeze(self.tensors[number])
        for call in graph.calls:
            self._follow(call)
        for number in graph.outputs:
            self.freeze(self.tensors[number])

    def roots(self, channels: Array) -> Array:
        """Return for each channel the number of the set that it belongs to."""
        if self._roots is None:
            roots = np.array(self._parents, np.int64)
            while not np.array_equal(higher := roots[roots], roots):
                roots = higher
            self._roots = roots
        found: Array = self._roots[channels]
        return found

    def frozen_roots(self) -> set[int]:
        """Return the sets of channels that must stay."""
        return set(self.roots(np.array(self._frozen, np.int64)).tolist())

    # What the rules call.

    def new(self, count: int | None) -> Array:
        """Return the numbers of ``count`` channels that nothing depends on yet."""
        self._roots = None
        start = len(self._parents)
        self._parents.extend(range(start, start + (count or 0)))
        return np.arange(start, len(self._parents))

    def made(self, layer: Any, count: int) -> Array:
        """Return the channels that a layer makes: the same at each of its calls."""
        if id(layer) not in self._made:
            self._made[id(layer)] = self.new(count)
        return self._made[id(layer)]

    def join(self, one: Array, other: Array) -> None:
        """Make each channel of ``one`` and its neighbour in ``other`` one and the same."""
        self._roots = None
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            first, second = sorted((self._root(a), self._root(b)))
            self._parents[second] = first

    def freeze(self, channels: Array) -> None:
        """Let these channels stay."""
        self._frozen.extend(channels.tolist())

    def depends(self, layer: Any, attribute: str, axis: int, channels: Array, role: str) -> None:
        """Note that the elements of a weight along ``axis`` are these channels; of a shared layer, those of each call.

        A weight that the layer does without (``use_bias=False``) is passed over.
        """
        variable = getattr(layer, attribute, None)
        place = next((place for place, weight in enumerate(layer.weights) if weight is variable), None)
        if variable is None or place is None:
            return
        axis %= len(variable.shape)
        for known in self.axes:
            if (known.layer, known.weight, known.axis) == (layer, place, axis):
                self.join(known.channels, channels)
                return
        self.axes.append(Axis(layer, place, axis, role, channels))

    def _follow(self, call: Call) -> None:
        inputs = [self.tensors[number] for number in call.inputs]
        kind = type(call.layer).__name__
        found = RULES.get(kind, UNKNOWN)(self, call, inputs)
        if isinstance(found, str):
            name = self.names.get(id(call.layer), call.layer.name)
            self.skipped.append((name, found if kind in RULES else f"{kind}: {found}"))
            self._leave_whole(call, inputs)
            return
        for number in call.outputs:
            self.tensors[number] = found

    def _leave_whole(self, call: Call, inputs: Iterable[Array]) -> None:
        for channels in inputs:
            self.freeze(channels)
        for number, shape in zip(call.outputs, call.output_shapes, strict=True):
            self.tensors[number] = self.new(shape[-1] if len(shape) > 1 else 0)
            self.freeze(self.tensors[number])

    def _root(self, channel: int) -> int:
        while self._parents[channel] != channel:
            self._parents[channel] = self._parents[self._parents[channel]]
            channel = self._parents[channel]
        return channel
