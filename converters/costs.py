"""What a Keras model costs: multiply-accumulate operations of one inference, parameters, zeros."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from edgevision.converters.keras_graph import Call, keras_graph
from edgevision.converters.keras_import import layer_names
from edgevision.errors import ConversionError

COUNTED = {
    "Conv1D": {"kernel": "output"},
    "Conv2D": {"kernel": "output"},
    "Conv3D": {"kernel": "output"},
    "Conv1DTranspose": {"kernel": "input"},
    "Conv2DTranspose": {"kernel": "input"},
    "Conv3DTranspose": {"kernel": "input"},
    "DepthwiseConv1D": {"depthwise_kernel": "output"},
    "DepthwiseConv2D": {"depthwise_kernel": "output"},
    "SeparableConv1D": {"depthwise_kernel": "output", "pointwise_kernel": "output"},
    "SeparableConv2D": {"depthwise_kernel": "output", "pointwise_kernel": "output"},
    "Dense": {"kernel": "output"},
}
"""Layer -> its kernels, and at the positions of which tensor each of their weights is multiplied once."""


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs.

    Attributes:
        name: Its name.
        kind: Its class.
        macs: Multiply-accumulate operations of one inference of one sample, over all its calls.
        parameters: Its weights.
        zeros: How many of them are exactly 0.
    """

    name: str
    kind: str
    macs: int
    parameters: int
    zeros: int


@dataclass(frozen=True)
class Costs:
    """What a model costs; operations of convolutions and dense layers, which are nearly all there are.

    Attributes:
        macs: Multiply-accumulate operations of one inference of one sample.
        parameters: Weights in the model.
        zeros: How many of them are exactly 0.
        layers: The same for each layer with weights, in the order of their first call.
        uncounted: Names of layers with matrices of weights whose operations are not counted.
    """

    macs: int
    parameters: int
    zeros: int
    layers: tuple[LayerCost, ...]
    uncounted: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the costs as JSON takes them."""
        return asdict(self)


def model_costs(model: Any) -> Costs:
    """Count a functional or sequential ``tf_keras`` model's operations, parameters and zeros.

    Wrappers of quantization-aware training are looked through: their layer counts, their ranges do not.

    Raises:
        ConversionError: A subclass of ``tf_keras.Model``, or a size that is not fixed.
    """
    import numpy as np

    layers: dict[int, Any] = {}
    macs: dict[int, int] = {}
    for call in keras_graph(model).calls:
        layer = call.layer
        layers[id(layer)] = layer
        macs[id(layer)] = macs.get(id(layer), 0) + sum(
            positions * math.prod(getattr(inner_layer(layer), kernel).shape)
            for kernel, positions in kernel_positions(call).items()
        )
    found, names = [], layer_names(model)
    for key, layer in layers.items():
        inner = inner_layer(layer)
        weights = [weight.numpy() for weight in _weights(layer)]
        if weights:
            zeros = sum(int(np.count_nonzero(weight == 0)) for weight in weights)
            size = sum(weight.size for weight in weights)
            name = names.get(key, layer.name) if inner is layer else inner.name
            found.append(LayerCost(name, type(inner).__name__, macs[key], size, zeros))
    return Costs(
        macs=sum(layer.macs for layer in found),
        parameters=sum(layer.parameters for layer in found),
        zeros=sum(layer.zeros for layer in found),
        layers=tuple(found),
        uncounted=tuple(names.get(key, layer.name) for key, layer in layers.items() if _is_uncounted(layer)),
    )


def kernel_positions(call: Call) -> dict[str, int]:
    """Return each kernel of a layer with the number of positions at which one call multiplies each of its weights."""
    layer = inner_layer(call.layer)
    kernels = COUNTED.get(type(layer).__name__, {})
    shapes = {"input": call.input_shapes[:1], "output": call.output_shapes[:1]}
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return {
        _attribute(layer, kernel): _positions(shapes[where][0], layer.name, first) for kernel, where in kernels.items()
    }


def inner_layer(layer: Any) -> Any:
    """Return the layer inside a wrapper of quantization-aware training, or the layer itself."""
    return layer.layer if type(layer).__name__.startswith("QuantizeWrapper") else layer


def _weights(layer: Any) -> list[Any]:
    """Return a layer's weights; a wrapper of quantization-aware training holds its layer's kernel itself."""
    inner = inner_layer(layer)
    if type(layer).__name__ == "QuantizeLayer":  # the input's range
        return []
    held = [] if inner is layer else [weight for weight, *_ in layer._weight_vars]
    known = {id(weight) for weight in inner.weights}
    return [*inner.weights, *(weight for weight in held if id(weight) not in known)]


def _attribute(layer: Any, kernel: str) -> str:
    """Return what the layer calls this kernel: depthwise convolutions have had two names for it."""
    return kernel if hasattr(layer, kernel) else "kernel"


def _positions(shape: tuple[int | None, ...], name: str, channels_first: bool) -> int:
    lengths = shape[2:] if channels_first else shape[1:-1]
    if any(length is None for length in lengths):
        raise ConversionError(
            f"operations of {name} cannot be counted: its size is open", got=shape,
            next_step="give the model an input of a fixed size",
        )  # fmt: skip
    return math.prod(length for length in lengths if length is not None)


def _is_uncounted(layer: Any) -> bool:
    return type(inner_layer(layer)).__name__ not in COUNTED and any(len(weight.shape) > 1 for weight in layer.weights)
