"""How much each set of coupled channels matters; the least important go first.

``l1`` and ``l2`` are the norms of the filters that make a channel (Li et al., "Pruning Filters for Efficient ConvNets",
ICLR 2017), ``bn_scale`` the size of its batch norm's scale (Liu et al., "Network Slimming", ICCV 2017), ``taylor`` the
squared first-order estimate of what the loss changes without it, on labelled images (Molchanov et al., "Importance
Estimation for Neural Network Pruning", CVPR 2019). A set's importance is the mean over the layers that share it, each
layer's own divided by its mean, so that layers are comparable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.optional import require
from edgevision.tensors import Array

if TYPE_CHECKING:
    from edgevision.converters.channel_graph import Axis, ChannelGraph
    from edgevision.converters.fine_tuning import FineTuner

IMPORTANCES = ("l1", "l2", "bn_scale", "taylor")
ROLES = {"l1": ("output", "through"), "l2": ("output", "through"), "bn_scale": ("norm",)}
"""Whose weights speak for a channel; for ``taylor`` those of its batch norm, or where it has none of its filters."""

TAYLOR_BATCHES = 20
"""Batches that gradients are averaged over."""


def channel_importance(
    graph: ChannelGraph, importance: str, model: Any, tuner: FineTuner | None = None
) -> dict[int, float]:
    """Return the importance of each set of channels that anything speaks for: root -> score, 1.0 on average.

    Args:
        graph: The channels of ``model``.
        importance: One of `IMPORTANCES`.
        model: The model.
        tuner: Labelled images, for ``taylor``.
    """
    if importance == "taylor" and tuner is not None:
        rows = _taylor(graph, model, tuner)
    else:
        rows = _magnitudes(graph, importance)
    sums: dict[int, float] = {}
    counts: dict[int, int] = {}
    for channels, scores in rows:
        mean = float(scores.mean()) or 1.0
        for root, score in zip(graph.roots(channels).tolist(), (scores / mean).tolist(), strict=True):
            sums[root] = sums.get(root, 0.0) + score
            counts[root] = counts.get(root, 0) + 1
    return {root: total / counts[root] for root, total in sums.items()}


def _magnitudes(graph: ChannelGraph, importance: str) -> Iterator[tuple[Array, Array]]:
    for axis in graph.axes:
        weight = axis.layer.weights[axis.weight]
        if axis.role not in ROLES[importance] or (axis.role != "norm" and len(weight.shape) < 2):
            continue
        if axis.role == "norm" and "gamma" not in weight.name:
            continue
        values = np.abs(_by_channel(weight.numpy().astype(np.float64), axis.axis))
        yield axis.channels, np.sqrt((values**2).sum(1)) if importance == "l2" else values.sum(1)


def _taylor(graph: ChannelGraph, model: Any, tuner: FineTuner) -> Iterator[tuple[Array, Array]]:
    """Yield (Σ weight · gradient)² of each channel, over its batch norm where it has one, else over its filter."""
    norms = [axis for axis in graph.axes if axis.role == "norm"]
    behind = {root for axis in norms for root in graph.roots(axis.channels).tolist()}
    filters = [axis for axis in graph.axes if axis.role in ("output", "through")]
    bare = [axis for axis in filters if not behind & set(graph.roots(axis.channels).tolist())]
    axes = [*norms, *bare]
    products = _products(model, tuner, [axis.layer.weights[axis.weight] for axis in axes])
    for members in _by_layer(axes):
        total = sum(_by_channel(products[position], axis.axis).sum(1) for position, axis in members)
        yield members[0][1].channels, np.asarray(total) ** 2


def _products(model: Any, tuner: FineTuner, variables: list[Any]) -> list[Array]:
    """Return weight · gradient of the loss for each variable, summed over batches, the model in inference mode."""
    tf = require("tensorflow")
    loss = tuner.loss()
    sums = [np.zeros(variable.shape, np.float64) for variable in variables]

    @tf.function  # type: ignore[untyped-decorator]
    def gradients(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(loss(targets, model(inputs, training=False)))
        return tape.gradient(value, variables)

    for inputs, targets in tuner.batches(0, 1, "none").take(TAYLOR_BATCHES):
        for total, variable, gradient in zip(sums, variables, gradients(inputs, targets), strict=True):
            if gradient is not None:
                total += variable.numpy().astype(np.float64) * gradient.numpy()
    return sums


def _by_layer(axes: Iterable[Axis]) -> list[list[tuple[int, Axis]]]:
    """Group axes with their positions: those of one layer, which speak for the same channels, stand together."""
    groups: dict[int, list[tuple[int, Axis]]] = {}
    for position, axis in enumerate(axes):
        groups.setdefault(id(axis.layer), []).append((position, axis))
    return list(groups.values())


def _by_channel(weight: Array, axis: int) -> Array:
    """Return a weight as one row a channel."""
    return np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
