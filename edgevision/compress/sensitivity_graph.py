"""A Keras model as the integer kernels see it: what is computed together, and which tensors are rounded in between.

A convolution with the batch norm and the ReLU after it is one unit, nested models are laid open, and layers that only
move values about belong to no unit: an integer tensor passes through them as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgevision.converters.keras_graph import Call, keras_graph
from edgevision.converters.keras_import import layer_names
from edgevision.optional import require

FOLDING = (
    "Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv1D", "DepthwiseConv2D",
    "SeparableConv2D", "Dense",
)  # fmt: skip
"""What a batch norm is folded into, and what has an activation of its own."""
BATCH_NORMS = ("BatchNormalization", "SyncBatchNormalization")
_PASSING_TEXT = """
Flatten Reshape Permute RepeatVector Identity Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianNoise
GaussianDropout AlphaDropout ActivityRegularization Masking MaxPooling1D MaxPooling2D MaxPooling3D GlobalMaxPooling1D
GlobalMaxPooling2D GlobalMaxPooling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D Cropping1D Cropping2D Cropping3D
UpSampling1D UpSampling3D SlicingOpLambda
"""
PASSING = frozenset(_PASSING_TEXT.split())
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
        names: Their names.
        steps: Positions of its steps in the graph.
    """

    name: str
    kind: str
    layers: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
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

    def followers(self, unit: int) -> set[int]:
        """Return the units that take what ``unit`` makes, and through units without weights those behind them."""
        found: set[int] = set()
        waiting = [unit]
        while waiting:
            made_by = waiting.pop()
            taken_by = {edge.consumer for edge in self.edges if edge.producer == made_by} - {None, unit, *found}
            found.update(consumer for consumer in taken_by if consumer is not None)
            waiting += [consumer for consumer in taken_by if consumer is not None and not self.units[consumer].layers]
        return found

    def producers(self, unit: int) -> set[int]:
        """Return the units whose results ``unit`` takes."""
        found = {edge.producer for edge in self.edges if edge.consumer == unit}
        return {producer for producer in found if producer is not None} - {unit}


def open_graph(model: Any) -> Graph:
    """Lay open a functional or sequential ``tf_keras`` model with one input and one output.

    Activations inside convolutions that integer kernels compute apart (swish, sigmoid, …) are taken out of their
    layers: the model is changed, so give a copy.

    Raises:
        ConversionError: A subclass of ``tf_keras.Model``, whose layers are called by code.
    """
    graph = keras_graph(model)
    reader = _Reader(1 + max(value for call in graph.calls for value in (*call.inputs, *call.outputs)))
    for call in graph.calls:
        reader.add(call)
    return _grouped(reader.steps, reader.now(graph.outputs[0]), layer_names(model))


class _Reader:
    """Makes steps of the calls of a model."""

    def __init__(self, values: int) -> None:
        self.steps: list[Step] = []
        self._values = values
        self._activated: dict[int, int] = {}
        self._taken_out: dict[int, Any] = {}

    def now(self, value: int) -> int:
        """Return what became of a value: what its layer's activation made of it, if that is a step of its own."""
        return self._activated.get(value, value)

    def add(self, call: Call) -> None:
        """Add the steps of one call."""
        layer, kind = call.layer, type(call.layer).__name__
        sources, results = tuple(self.now(value) for value in call.inputs), call.outputs
        if kind == "SeparableConv2D":
            sources = self._first_half(layer, sources)
        run = _second_half(layer) if kind == "SeparableConv2D" else _run_of(call.node)
        named = _function_of(layer) if kind in ("TFOpLambda", "Activation") else kind
        self.steps.append(Step(named, run, sources, results, layer, rounded=kind == "SeparableConv2D"))
        activation = self._separate_activation(layer)
        if activation is not None:
            after = self._new()
            name = getattr(activation, "__name__", "activation")
            self.steps.append(Step(name, lambda tensors: [activation(tensors[0])], results, after, rounded=True))
            self._activated[results[0]] = after[0]

    def _new(self) -> tuple[int]:
        self._values += 1
        return (self._values - 1,)

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


def _run_of(node: Any) -> Callable[[Sequence[Any]], Sequence[Any]]:
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


def _grouped(steps: list[Step], output: int, names: Mapping[int, str]) -> Graph:
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
            passed = (*through.get(step.sources[0], ()), names.get(id(step.layer), step.layer.name))
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
                units.append(Unit(names.get(id(step.layer), step.layer.name), type(step.layer).__name__))
        _record(units[unit], step, position, names)
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


def _record(unit: Unit, step: Step, position: int, names: Mapping[int, str]) -> None:
    unit.steps.append(position)
    if step.layer is not None and step.layer.weights and all(step.layer is not layer for layer in unit.layers):
        unit.layers.append(step.layer)
        unit.names.append(names.get(id(step.layer), step.layer.name))


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
