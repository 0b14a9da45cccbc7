"""A Keras model as the integer kernels see it: what is computed together, and which tensors are rounded in between.

A convolution with the batch norm and the ReLU after it is one unit, nested models are laid open, and layers that only
move values about belong to no unit: an integer tensor passes through them as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgevision.optional import require

FOLDING = (
    "Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv1D", "DepthwiseConv2D",
    "SeparableConv2D", "Dense",
)  # fmt: skip
"""What a batch norm is folded into, and what has an activation of its own."""
BATCH_NORMS = ("BatchNormalization", "SyncBatchNormalization")
PASSING = frozenset(
    """Flatten Reshape Permute RepeatVector Identity Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D
    GaussianNoise GaussianDropout AlphaDropout ActivityRegularization Masking MaxPooling1D MaxPooling2D MaxPooling3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D Cropping1D
    Cropping2D Cropping3D UpSampling1D UpSampling3D SlicingOpLambda""".split()
)
"""Layers that round nothing: what comes out of them was in what went in (or is 0)."""
PASSING_FUNCTIONS = frozenset(("reshape", "transpose", "squeeze", "expand_dims", "identity", "pad", "stop_gradient"))


@dataclass(frozen=True)
class Step:
    """One computation on values.

    Attributes:
        kind: The layer's class; the function's name for an activation or an operation without a layer.
        call: Tensors of ``sources`` -> tensors of ``results``.
        sources: Values that it takes.
        results: Values that it makes.
        layer: The layer; None for an activation that was taken out of its layer.
        rounded: Whether what it takes is rounded even where the same unit made it.
    """

    kind: str
    call: Callable[[Sequence[Any]], Sequence[Any]]
    sources: tuple[int, ...]
    results: tuple[int, ...]
    layer: Any = None
    rounded: bool = False


@dataclass
class Unit:
    """What the kernels compute at once.

    Attributes:
        name: Of its first layer, as a recipe names it.
        kind: That layer's class.
        layers: Its layers with weights, in order.
        steps: Positions of its steps in the graph.
    """

    name: str
    kind: str
    layers: list[Any] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Edge:
    """A tensor on its way from one unit to another, where it may be rounded.

    Attributes:
        value: The value whose range decides the rounding.
        producer: The unit that made it; None for the model's input.
        consumer: The unit that takes it; None where it is an output of the model.
        step: The step that takes it; None likewise.
        through: Names of the layers that it passes through on the way.
    """

    value: int
    producer: int | None
    consumer: int | None
    step: int | None
    through: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """A model laid open.

    Attributes:
        steps: In the order in which they are computed; value 0 is the model's input.
        units: In that order.
        unit_of: Step -> its unit, None for a step that passes values on.
        edges: Every place where a value may be rounded.
        origin: Value -> the value that it is a rearrangement of, itself mostly.
        maker: Value -> the step that makes it, where it is not a rearrangement.
        output: The value that the model returns.
    """

    steps: tuple[Step, ...]
    units: tuple[Unit, ...]
    unit_of: tuple[int | None, ...]
    edges: tuple[Edge, ...]
    origin: Mapping[int, int]
    maker: Mapping[int, int]
    output: int

    def name_of(self, value: int) -> str:
        """Return the name of the unit that makes a value."""
        unit = self.unit_of[self.maker[value]] if value in self.maker else None
        return "the input" if unit is None else self.units[unit].name

    def kind_of(self, value: int) -> str:
        """Return the kind of the step that makes a value, "" for the model's input."""
        return self.steps[self.maker[value]].kind if value in self.maker else ""

    def consumers(self, unit: int) -> set[int]:
        """Return the units that take what ``unit`` makes."""
        found = {edge.consumer for edge in self.edges if edge.producer == unit and edge.consumer is not None}
        return {consumer for consumer in found if consumer is not None} - {unit}

    def producers(self, unit: int) -> set[int]:
        """Return the units whose results ``unit`` takes."""
        found = {edge.producer for edge in self.edges if edge.consumer == unit}
        return {producer for producer in found if producer is not None} - {unit}


def open_graph(model: Any) -> Graph:
    """Lay open a functional or sequential ``tf_keras`` model with one input and one output.

    Activations inside convolutions that integer kernels compute apart (swish, sigmoid, …) are taken out of their
    layers: the model is changed, so give a copy.
    """
    reader = _Reader()
    bound = {id(model.inputs[0]): 0}
    reader.read(model, bound)
    return _grouped(reader.steps, bound[id(model.outputs[0])])


class _Reader:
    """Collects the steps of a model, those of nested models in their place."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.values = 1
        self._taken_out: dict[int, Any] = {}

    def read(self, model: Any, bound: dict[int, int]) -> None:
        """Add the steps of ``model``; ``bound`` maps its symbolic tensors to values, and grows."""
        nest = require("tensorflow").nest
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if node.is_input or any(id(tensor) not in bound for tensor in node.keras_inputs):
                    continue
                sources = tuple(bound[id(tensor)] for tensor in node.keras_inputs)
                outputs = nest.flatten(node.outputs)
                if getattr(node.layer, "_nodes_by_depth", None):
                    inner = dict(zip(map(id, node.layer.inputs), sources, strict=True))
                    self.read(node.layer, inner)
                    results = tuple(inner[id(tensor)] for tensor in node.layer.outputs)
                else:
                    results = self._add(node, sources, len(outputs))
                bound.update(zip(map(id, outputs), results, strict=True))

    def _new(self, count: int = 1) -> tuple[int, ...]:
        self.values += count
        return tuple(range(self.values - count, self.values))

    def _add(self, node: Any, sources: tuple[int, ...], count: int) -> tuple[int, ...]:
        layer, kind = node.layer, type(node.layer).__name__
        if kind == "SeparableConv2D":
            sources = self._first_half(layer, sources)
        results = self._new(count)
        call = _second_half(layer) if kind == "SeparableConv2D" else _call_of(node)
        named = _function_of(layer) if kind in ("TFOpLambda", "Activation") else kind
        self.steps.append(Step(named, call, sources, results, layer, rounded=kind == "SeparableConv2D"))
        activation = self._separate_activation(layer)
        if activation is None:
            return results
        after = self._new()
        name = getattr(activation, "__name__", "activation")
        self.steps.append(Step(name, lambda tensors: [activation(tensors[0])], results, after, rounded=True))
        return after

    def _first_half(self, layer: Any, sources: tuple[int, ...]) -> tuple[int, ...]:
        results = self._new()
        nn = require("tensorflow").nn
        channels_last = {"strides": (1, *layer.strides, 1), "dilations": layer.dilation_rate}

        def call(tensors: Sequence[Any]) -> Sequence[Any]:
            padding = layer.padding.upper()
            return [nn.depthwise_conv2d(tensors[0], layer.depthwise_kernel, padding=padding, **channels_last)]

        self.steps.append(Step("DepthwiseConv2D", call, sources, results, layer))
        return results

    def _separate_activation(self, layer: Any) -> Any:
        """Return the activation that kernels compute after this layer and not within, taken out of it; or None."""
        if id(layer) not in self._taken_out:
            activation = getattr(layer, "activation", None) if type(layer).__name__ in FOLDING else None
            if getattr(activation, "__name__", None) in (None, "linear", "relu", "relu6"):
                activation = None
            elif type(layer).__name__ != "SeparableConv2D":
                layer.activation = require("tf_keras").activations.linear
            self._taken_out[id(layer)] = activation
        return self._taken_out[id(layer)]


def _call_of(node: Any) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return the call that a node stands for, on tensors in the order of its symbolic inputs."""
    import inspect

    nest, layer = require("tensorflow").nest, node.layer
    fixed = {"training": False} if "training" in inspect.signature(layer.call).parameters else {}
    places = {id(tensor): position for position, tensor in enumerate(node.keras_inputs)}

    def call(tensors: Sequence[Any]) -> Sequence[Any]:
        def actual(argument: Any) -> Any:
            return tensors[places[id(argument)]] if id(argument) in places else argument

        args = nest.map_structure(actual, node.call_args)
        kwargs = {name: nest.map_structure(actual, value) for name, value in node.call_kwargs.items()}
        return list(nest.flatten(layer(*args, **{**kwargs, **fixed})))

    return call


def _second_half(layer: Any) -> Callable[[Sequence[Any]], Sequence[Any]]:
    nn = require("tensorflow").nn
    name = getattr(layer.activation, "__name__", "linear")

    def call(tensors: Sequence[Any]) -> Sequence[Any]:
        made = nn.conv2d(tensors[0], layer.pointwise_kernel, strides=1, padding="VALID")
        made = nn.bias_add(made, layer.bias) if layer.use_bias else made
        return [layer.activation(made) if name in ("relu", "relu6") else made]

    return call


def _function_of(layer: Any) -> str:
    """Return the bare name of the function of an ``Activation`` or of an operation without a layer."""
    function = getattr(layer, "activation", None) or getattr(layer, "function", None)
    return str(getattr(function, "__name__", type(layer).__name__)).rpartition(".")[2]


def _grouped(steps: list[Step], output: int) -> Graph:
    """Put the steps into units and find what lies between them."""
    uses = Counter(value for step in steps for value in step.sources)
    uses[output] += 1
    calls = Counter(id(step.layer) for step in steps if step.kind == type(step.layer).__name__)
    origin, maker = {0: 0}, dict[int, int]()
    through: dict[int, tuple[str, ...]] = {}
    units: list[Unit] = []
    places: dict[int, int] = {}  # layer -> unit
    unit_of: list[int | None] = []
    edges: list[Edge] = []
    for position, step in enumerate(steps):
        if _passes(step):
            unit_of.append(None)
            origin.update(dict.fromkeys(step.results, origin[step.sources[0]]))
            passed = (*through.get(step.sources[0], ()), step.layer.name)
            through.update(dict.fromkeys(step.results, passed))
            continue
        before = maker.get(step.sources[0])
        joins = before is not None and uses[step.sources[0]] == 1 and _joins(steps[before], step, calls)
        owner = unit_of[before] if before is not None and (joins or step.layer is None) else None
        if owner is not None:
            unit = owner
        else:
            unit = places.setdefault(id(step.layer), len(units))
            if unit == len(units):
                units.append(Unit(step.layer.name, type(step.layer).__name__))
        _record(units[unit], step, position)
        unit_of.append(unit)
        for source in dict.fromkeys(step.sources):
            if step.rounded or not joins:
                value = origin[source]
                producer = unit_of[maker[value]] if value in maker else None
                edges.append(Edge(value, producer, unit, position, through.get(source, ())))
        origin.update((value, value) for value in step.results)
        maker.update((value, position) for value in step.results)
    last = origin[output]
    edges.append(Edge(last, unit_of[maker[last]] if last in maker else None, None, None, through.get(output, ())))
    return Graph(tuple(steps), tuple(units), tuple(unit_of), tuple(edges), origin, maker, output)


def _record(unit: Unit, step: Step, position: int) -> None:
    unit.steps.append(position)
    if step.layer is not None and step.layer.weights and all(step.layer is not layer for layer in unit.layers):
        unit.layers.append(step.layer)


def _passes(step: Step) -> bool:
    if type(step.layer).__name__ in ("Activation", "TFOpLambda"):
        return step.kind == "linear" or (len(step.sources) == 1 and step.kind in PASSING_FUNCTIONS)
    if type(step.layer).__name__ == "UpSampling2D":
        return bool(step.layer.interpolation == "nearest")
    return type(step.layer).__name__ in PASSING


def _joins(before: Step, step: Step, calls: Mapping[int, int]) -> bool:
    """Whether a step is computed by the kernel of the step before it."""
    if before.layer is None or _is_relu(before):
        return False
    if step.kind in BATCH_NORMS:
        once = calls[id(before.layer)] == calls[id(step.layer)] == 1
        return once and before.kind in FOLDING and getattr(before.layer.activation, "__name__", "") == "linear"
    halves = before.layer is step.layer and before.kind != step.kind  # of a separable convolution
    return halves or (_is_relu(step) and before.kind != "Concatenate")


def _is_relu(step: Step) -> bool:
    if step.kind != "ReLU":
        return step.kind in ("relu", "relu6")
    return float(step.layer.negative_slope) == 0.0 and step.layer.max_value in (None, 6.0)
