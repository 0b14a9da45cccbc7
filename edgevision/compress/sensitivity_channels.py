"""Taking channels away from one group of layers at a time: what channel pruning would cost before any fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgevision.compress.sensitivity_weights import Altered, Change
from edgevision.converters.channel_graph import ChannelGraph
from edgevision.converters.channel_importance import channel_importance
from edgevision.converters.channel_plan import blocks_of
from edgevision.converters.channel_surgery import masked_model
from edgevision.converters.keras_import import leaf_layers

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any


@dataclass(frozen=True)
class Group:
    """Layers whose channels go together.

    Attributes:
        layers: Names of the layers that make them.
        channels: How many there are.
        gone: How many of them go.
        change: What the weights become.
    """

    layers: tuple[str, ...]
    channels: int
    gone: int
    change: Change


def channel_groups(model: Any, copy: Any, share: float, wanted: Collection[str] | None) -> list[Group]:
    """Return every group that can lose channels, each with the share of the least important ones masked.

    Args:
        model: The model.
        copy: The model that is changed: with the layers of ``model``, in the same order.
        share: Of the channels, above 0 and below 1; by L1 norm, at least one goes and one stays.
        wanted: Names of the layers to look at; None for all.
    """
    graph = ChannelGraph(model)
    variables = [variable for layer in leaf_layers(copy) for variable in layer.weights]
    groups = []
    for block in blocks_of(graph, channel_importance(graph, "l1", model, None), leaf_layers(model)):
        count = len(block.roots)
        if count < 2 or (wanted is not None and not set(wanted) & set(block.layers)):
            continue
        gone = min(count - 1, max(1, round(share * count)))
        masked = masked_model(model, graph, block.roots[:gone])
        after = [weight for layer in leaf_layers(masked) for weight in layer.get_weights()]
        change = [
            Altered(variable, variable.numpy(), values, np.abs(values).reshape(-1, 1))
            for variable, values in zip(variables, after, strict=True)
            if not np.array_equal(variable.numpy(), values)
        ]
        groups.append(Group(block.layers, block.width * count, block.width * gone, change))
    return groups
