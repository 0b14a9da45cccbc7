"""How channels pass through each kind of layer. A rule gives the output's channels, or says why it cannot.

A layer without a rule keeps the channels of its inputs and outputs whole, and is named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.tensors import Array

if TYPE_CHECKING:
    from edgevision.converters.channel_graph import ChannelGraph
    from edgevision.converters.keras_graph import Call

Found = Array | str
Rule = Callable[["ChannelGraph", "Call", "list[Array]"], Found]

ACROSS = "it computes across its channels: none can go without changing the others"
CHANNELS_FIRST = "its channels come first (data_format)"


def _unknown(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    return "channel pruning does not know this layer"


def _across(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    return ACROSS


def _same(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    """Channels pass through one by one."""
    if _channels_first(call.layer):
        return CHANNELS_FIRST
    return _kept_whole(graph, inputs) if _mixes(call.layer) else inputs[0]


def _dropout(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    """Channels pass through one by one, unless the layer was told how many there are."""
    told = (call.layer.noise_shape or (None,))[-1]
    return _same(graph, call, inputs) if told in (None, 1) else _kept_whole(graph, inputs)


def _softmax(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    axes = call.layer.axis if isinstance(call.layer.axis, list | tuple) else [call.layer.axis]
    rank = len(call.input_shapes[0])
    return _kept_whole(graph, inputs) if any(axis % rank == rank - 1 for axis in axes) else inputs[0]


def _elementwise(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    """Tensors are combined element by element: channels that meet are one; one channel is stretched over the others."""
    widest = max(inputs, key=len)
    for channels in inputs:
        if len(channels) == len(widest):
            graph.join(widest, channels)
        elif len(channels) == 1:
            graph.freeze(channels)
        else:
            return "its inputs have other numbers of channels"
    return widest


def _concatenate(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    rank = len(call.output_shapes[0])
    if call.layer.axis % rank != rank - 1:
        return _elementwise(graph, call, inputs)
    return np.concatenate(inputs)


def _convolution(input_axis: int, output_axis: int) -> Rule:
    """A layer that makes new channels of all that it sees."""

    def rule(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
        layer = call.layer
        if _channels_first(layer):
            return CHANNELS_FIRST
        if getattr(layer, "groups", 1) != 1:
            return _grouped(graph, call, inputs)
        made = graph.made(layer, int(call.output_shapes[0][-1] or 0))
        graph.depends(layer, "kernel", output_axis, made, "output")
        graph.depends(layer, "bias", 0, made, "output")
        graph.depends(layer, "kernel", input_axis, inputs[0], "input")
        return _finished(graph, call, made)

    return rule


def _grouped(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    """A convolution in groups loses whole groups: what they see, and what they make."""
    layer = call.layer
    groups = inputs[0].reshape(layer.groups, -1)
    for channels in groups.T[1:]:
        graph.join(groups[:, 0], channels)
    made = np.repeat(groups[:, 0], layer.filters // layer.groups)
    graph.depends(layer, "kernel", -1, made, "through")
    graph.depends(layer, "bias", 0, made, "through")
    return _finished(graph, call, made)


def _depthwise(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    """Each channel makes ``depth_multiplier`` channels of its own, which go when it goes."""
    layer = call.layer
    if _channels_first(layer):
        return CHANNELS_FIRST
    made = np.repeat(inputs[0], layer.depth_multiplier)
    kernel = "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel"
    graph.depends(layer, kernel, -2, inputs[0], "through")
    graph.depends(layer, "bias", 0, made, "through")
    return _finished(graph, call, made)


def _separable(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    layer = call.layer
    if _channels_first(layer):
        return CHANNELS_FIRST
    made = graph.made(layer, int(layer.filters))
    graph.depends(layer, "depthwise_kernel", -2, inputs[0], "input")
    graph.depends(layer, "pointwise_kernel", -1, made, "output")
    graph.depends(layer, "bias", 0, made, "output")
    graph.depends(layer, "pointwise_kernel", -2, np.repeat(inputs[0], layer.depth_multiplier), "input")
    return _finished(graph, call, made)


def _batch_norm(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    layer, rank = call.layer, len(call.input_shapes[0])
    axes = layer.axis if isinstance(layer.axis, list | tuple) or hasattr(layer.axis, "__iter__") else [layer.axis]
    if [axis % rank for axis in axes] != [rank - 1]:
        return "it normalises another axis than the last"
    for attribute in ("gamma", "beta", "moving_mean", "moving_variance"):
        graph.depends(layer, attribute, 0, inputs[0], "norm" if attribute in ("gamma", "beta") else "other")
    return inputs[0]


def _prelu(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    if call.layer.alpha.shape[-1] == len(inputs[0]):
        graph.depends(call.layer, "alpha", -1, inputs[0], "other")
    return inputs[0]


def _flatten(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    """Rows, columns and channels become one axis: each channel stands in it once for each position."""
    if _channels_first(call.layer):
        return CHANNELS_FIRST
    return _tiled(call, inputs[0])


def _reshape(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    taken, given = call.input_shapes[0], call.output_shapes[0]
    if taken[-1] == given[-1]:
        return inputs[0]
    return _tiled(call, inputs[0]) if len(given) == 2 else "channels cannot be followed into this shape"


def _tiled(call: Call, channels: Array) -> Found:
    positions = call.input_shapes[0][1:-1]
    if any(length is None for length in positions):
        return "its input has an open size"
    return np.tile(channels, math.prod(length for length in positions if length is not None))


def _permute(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    rank = len(call.input_shapes[0])
    return inputs[0] if call.layer.dims[-1] == rank - 1 else "it moves the channels to another axis"


def _normalization(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    """The statistics of its channels are constants of the layer."""
    return _kept_whole(graph, inputs)


def _rescaling(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    single = all(np.ndim(value) == 0 for value in (call.layer.scale, call.layer.offset))
    return inputs[0] if single else "it has a factor for each channel"


def _operator(graph: ChannelGraph, call: Call, inputs: list[Array]) -> Found:
    """A TensorFlow function in the place of a layer."""
    symbol = str(getattr(call.layer, "symbol", None) or call.layer.get_config().get("function"))
    name = symbol.rpartition(".")[2]
    constants = [value for value in call.arguments if not isinstance(value, str)]
    if any(np.ndim(value) for value in constants):
        return f"tf.{symbol}: it takes a tensor of constants"
    if name in REDUCTIONS and len(inputs) == 1:
        rank = len(call.input_shapes[0])
        axes = [value for value in constants if type(value) is int]
        return inputs[0] if axes and all(axis % rank != rank - 1 for axis in axes) else f"tf.{symbol}: {ACROSS}"
    if name in OPERATORS_OF_ONE and len(inputs) == 1:
        return inputs[0]
    if name in OPERATORS_OF_TWO:
        return _elementwise(graph, call, inputs)
    return f"tf.{symbol}: channel pruning does not know this function"


def _finished(graph: ChannelGraph, call: Call, made: Array) -> Found:
    """Return the channels that a layer made; those under a softmax of its own stay whole."""
    return _kept_whole(graph, [made]) if _mixes(call.layer) else made


def _kept_whole(graph: ChannelGraph, inputs: list[Array]) -> Array:
    graph.freeze(inputs[0])
    return inputs[0]


def _mixes(layer: Any) -> bool:
    return getattr(getattr(layer, "activation", None), "__name__", "") in ("softmax", "log_softmax")


def _channels_first(layer: Any) -> bool:
    return getattr(layer, "data_format", None) == "channels_first"


_OF_TWO_TEXT = "add add_n subtract multiply maximum minimum truediv divide"
_OF_ONE_TEXT = """
abs cast clip_by_value elu exp floor gelu hard_sigmoid hard_swish identity leaky_relu negative pow relu relu6 round selu
sigmoid sign silu softplus softsign sqrt square swish tanh
"""
REDUCTIONS = frozenset(("reduce_mean", "reduce_max", "reduce_min", "reduce_sum"))
OPERATORS_OF_TWO = frozenset(_OF_TWO_TEXT.split())
OPERATORS_OF_ONE = frozenset((_OF_ONE_TEXT + _OF_TWO_TEXT).split())
"""Functions of one tensor, and of one tensor and numbers, that work element by element."""

_SAME = (
    "Activation ReLU LeakyReLU ELU ThresholdedReLU GELU GaussianDropout GaussianNoise "
    "SpatialDropout1D SpatialDropout2D SpatialDropout3D ActivityRegularization Identity RepeatVector "
    "MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D "
    "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D "
    "GlobalMaxPooling3D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D Cropping1D "
    "Cropping2D Cropping3D Resizing CenterCrop RandomFlip RandomCrop"
)
_ACROSS = "LayerNormalization GroupNormalization UnitNormalization"
_ELEMENTWISE = "Add Subtract Multiply Average Maximum Minimum"

UNKNOWN: Rule = _unknown
RULES: Mapping[str, Rule] = {
    **{kind: _same for kind in _SAME.split()},
    **{kind: _across for kind in _ACROSS.split()},
    **{kind: _elementwise for kind in _ELEMENTWISE.split()},
    "BatchNormalization": _batch_norm,
    "Concatenate": _concatenate,
    "Conv1D": _convolution(-2, -1),
    "Conv1DTranspose": _convolution(-1, -2),
    "Conv2D": _convolution(-2, -1),
    "Conv2DTranspose": _convolution(-1, -2),
    "Conv3D": _convolution(-2, -1),
    "Conv3DTranspose": _convolution(-1, -2),
    "AlphaDropout": _dropout,
    "Dense": _convolution(-2, -1),
    "DepthwiseConv1D": _depthwise,
    "DepthwiseConv2D": _depthwise,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Normalization": _normalization,
    "PReLU": _prelu,
    "Permute": _permute,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "SeparableConv1D": _separable,
    "SeparableConv2D": _separable,
    "Softmax": _softmax,
    "SyncBatchNormalization": _batch_norm,
    "TFOpLambda": _operator,
}
"""Class of a layer -> how channels pass through it."""
