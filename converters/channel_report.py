"""What channel pruning is asked for, and what it says that it did."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from edgevision.converters.costs import Costs
from edgevision.converters.keras_import import SourceModel
from edgevision.errors import ConfigError, check_choice

TARGETS = ("macs", "parameters", "bytes", "latency_ms")


@dataclass(frozen=True)
class ChannelTarget:
    """How small the model is to become.

    Attributes:
        kind: ``macs``, ``parameters``, ``bytes`` (of the exported file) or ``latency_ms`` (p50 of an inference).
        value: Below 1: the share of the original that may remain, for all but ``latency_ms``. Above: the number itself.
        measure: Measures a model, in bytes or milliseconds; needed for those two.
    """

    kind: str
    value: float
    measure: Callable[[SourceModel], float] | None = None

    def __post_init__(self) -> None:
        check_choice("target of channel pruning", self.kind, TARGETS)
        latency = self.kind == "latency_ms"
        if not (math.isfinite(self.value) and self.value > 0) or (self.value == 1 and not latency):
            allowed = "milliseconds above 0" if latency else "a share below 1, or a number above 1"
            raise ConfigError(f"target {self.kind}", got=self.value, allowed=allowed)
        if self.kind in ("bytes", "latency_ms") and self.measure is None:
            raise ConfigError(f"target {self.kind} needs a measurement", next_step="give measure=")


@dataclass(frozen=True)
class LayerChannels:
    """The channels that one layer makes.

    Attributes:
        layer: Its name.
        before: Their number in the original.
        kept: Positions of those that stayed, ascending.
    """

    layer: str
    before: int
    kept: tuple[int, ...]

    @property
    def after(self) -> int:
        """How many stayed."""
        return len(self.kept)


@dataclass(frozen=True)
class ChannelPruningReport:
    """What channel pruning did.

    Attributes:
        target: Kind of the target.
        wanted: Its value, as a number of operations, parameters, bytes or milliseconds.
        reached: The same of the pruned model.
        before: Costs of the original.
        after: Costs of the pruned model.
        layers: The channels of each layer that lost any.
        groups: Names of the layers of each block of channels that could lose some; they lose the same.
        identity_error: Largest difference from the masked original, as a share of what the outputs (of probabilities:
            their logarithms) range over; 0 where rounding explains it.
        skipped: (layer, reason) for each layer whose channels stayed whole though they were to be pruned.
        history: A record an epoch of fine-tuning: ``loss``, ``accuracy`` (0 to 1, on training images), ``seconds``.
    """

    target: str
    wanted: float
    reached: float
    before: Costs
    after: Costs
    layers: tuple[LayerChannels, ...]
    groups: tuple[tuple[str, ...], ...]
    identity_error: float
    skipped: tuple[tuple[str, str], ...] = ()
    history: tuple[dict[str, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        layers = [{**asdict(layer), "after": layer.after} for layer in self.layers]
        costs = {"before": self.before.to_dict(), "after": self.after.to_dict()}
        return {**asdict(self), **costs, "layers": layers}
