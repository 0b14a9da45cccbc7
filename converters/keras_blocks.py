"""Which layers of a Keras model converters merge into one operator: padding, convolution, batch norm, activation."""

from __future__ import annotations

from typing import Any

NORMS = ("BatchNormalization", "SyncBatchNormalization")
FOLLOWERS = (*NORMS, "Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU")
"""Layers that are merged into the one before, if that has no other use."""
PREPARING = ("Normalization", "Rescaling", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
FORERUNNERS = (*NORMS, *PREPARING, "TFOpLambda")
"""Layers that may be merged into the one behind, if they have no other use."""


def block_of(layer: Any) -> tuple[Any, ...]:
    """Return a layer with those that may be merged with it, in the order in which they run."""
    block = [layer]
    while type(block[-1]).__name__ in PREPARING and _only_one(block[-1]):
        block.append(_after(block[-1]))
    while type(block[0]).__name__ in FOLLOWERS and _only_one(_before(block[0])):
        block.insert(0, _before(block[0]))
    while _only_one(block[-1]) and type(_after(block[-1])).__name__ in FOLLOWERS:
        block.append(_after(block[-1]))
    while _runs_into(block[0]):
        block.insert(0, _before(block[0]))
    return tuple(block)


def _runs_into(layer: Any) -> bool:
    """Whether the layer before this one may be merged into it, and not into one that comes earlier."""
    before = _before(layer)
    if type(before).__name__ not in FORERUNNERS or not _only_one(before):
        return False
    return type(before).__name__ not in NORMS or type(_before(before)).__name__ in FORERUNNERS


def _before(layer: Any) -> Any:
    """Return the one layer that a layer takes its input from; None where there are several, or none."""
    if layer is None or len(layer.inbound_nodes) != 1:
        return None
    before = layer.inbound_nodes[0].inbound_layers
    return None if isinstance(before, list) else before


def _after(layer: Any) -> Any:
    return layer.outbound_nodes[0].layer


def _only_one(layer: Any) -> bool:
    """Whether a layer is used once, by one other layer."""
    return layer is not None and len(layer.inbound_nodes) == 1 == len(layer.outbound_nodes)
