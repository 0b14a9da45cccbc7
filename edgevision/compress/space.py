"""What a search chooses from: formats, numerics, channels that go, and training on, each a recipe in the end.

The channels that stay are a percentage of the parameters (what bytes follow) or of the operations (what time follows).
What costs seconds comes first: every scheme without any training; then recipes aimed at the limits themselves.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edgevision.compress.recipe import CompressionRecipe
from edgevision.compress.steps import INT8, PruneChannels, Quantize, QuantizeAware, Step, Target, Teaching
from edgevision.converters.formats import FORMATS, SCHEMES

ALL_STAY = "all"
KINDS = ("parameters", "macs")
MULTIPLES = {"parameters": 4, "macs": 8}
"""What channels stay in multiples of: bytes are met more closely with fours, vector units want eights."""
AUGMENT = "crop-flip"
LEAST_PERCENT = 15
IMAGES_SEEN = 250_000
"""A fine-tuning sees about so many images, unless told otherwise."""
MOST_EPOCHS = 30

MANY_IMAGES = 10_000
"""From so many on, models with batch norms are trained as if anew."""

Room = Callable[[str, str], int]
"""(format, scheme) -> the percentage of parameters that may stay, as far as is known."""


class Trial(Protocol):
    """What a recipe is drawn with; Optuna's trials are such."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Draw one of several."""
        ...

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """Draw a whole number."""
        ...


@dataclass(frozen=True)
class Proposal:
    """A candidate: a recipe for one format."""

    format: str
    recipe: CompressionRecipe

    @property
    def key(self) -> str:
        """What tells candidates apart."""
        return f"{self.format}-{self.recipe.digest}"


@dataclass(frozen=True)
class Manner:
    """How candidates are trained on.

    Attributes:
        batch_size: Images a step.
        channels: Options of `PruneChannels`: how channels go, and how what is left learns.
        quantization_rate: Learning rate of quantization-aware training, which Adam does: batch norms stand still in it,
            and larger steps diverge.
        recovery_points: Points of accuracy that a whole fine-tuning is trusted to win back over a glance at it, unless
            a search has seen more.
    """

    batch_size: int
    channels: Mapping[str, Any]
    quantization_rate: float
    recovery_points: float

    @classmethod
    def fitting(cls, images: int, *, normalized: bool) -> Manner:
        """Return what suits so many training images, and a model with batch norms (``normalized``) or without.

        A few images are best used for small steps, between which channels go in turn. Many allow the large steps of SGD
        after which it matters little what the weights were, nor how bad a glance looked (half of ResNet-8's parameters
        gone: 31 points lost at the glance, 2 after 12 epochs); without batch norms those steps diverge.
        """
        if images >= MANY_IMAGES and normalized:
            return cls(128, {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.002, "steps": 1}, 5e-4, 60.0)
        return cls(32, {"learning_rate": 1e-3, "steps": 4}, 1e-4, 20.0)


@dataclass(frozen=True)
class Space:
    """What may be chosen.

    Attributes:
        formats: Formats to convert to.
        epochs: Passes over the images of the longest fine-tuning; the short one has a quarter of them.
        seed: Of every step.
        manner: How candidates are trained on; None where the model is no classifier, which cannot be.
    """

    formats: tuple[str, ...]
    epochs: int
    seed: int
    manner: Manner | None

    def draw(self, trial: Trial, room: Room) -> Proposal:
        """Draw a candidate."""
        format = trial.suggest_categorical("format", self.formats)
        scheme = trial.suggest_categorical(f"{format} scheme", FORMATS[format].schemes)
        manner = self.manner
        channels = trial.suggest_categorical("channels", (ALL_STAY, *KINDS)) if manner else ALL_STAY
        percent, training = 100, False
        if channels != ALL_STAY:
            most = room(format, scheme) if channels == "parameters" else 95
            percent = trial.suggest_int("percent", LEAST_PERCENT, max(LEAST_PERCENT, min(95, most)))
        if manner and scheme == INT8:
            training = trial.suggest_categorical("quantization-aware", (False, True))
        epochs, teaching = 0, None
        if percent < 100 or training:
            epochs = self.epochs if trial.suggest_categorical("training", ("short", "long")) == "long" else self.short
            teaching = Teaching() if trial.suggest_categorical("distillation", (False, True)) else None
        granularity, method = "per_channel", "min_max"
        if scheme == INT8 and not training:
            granularity = trial.suggest_categorical(f"{format} granularity", FORMATS[format].granularities)
            method = trial.suggest_categorical(f"{format} calibration", FORMATS[format].calibration_methods[scheme])
        steps: list[Step] = []
        if manner and percent < 100:
            steps.append(self._channels(manner, channels, percent, epochs, teaching))
        if manner and training:
            steps.append(self._quantization(manner, teaching))
        else:
            numerics = {"scheme": scheme, "granularity": granularity, "calibration_method": method}
            steps.append(Quantize(**numerics, seed=self.seed))
        return Proposal(format, CompressionRecipe(_name(steps), tuple(steps)))

    @property
    def short(self) -> int:
        """Epochs of the short fine-tuning."""
        return max(1, self.epochs // 4)

    def untrained(self) -> list[dict[str, Any]]:
        """Return the parameters of every scheme without training; int8 of every format first, then by size."""
        found = [
            self._whole(format, scheme, "per_channel", "min_max")
            for format in self.formats
            for scheme in FORMATS[format].schemes
        ]
        order = [INT8, *sorted(SCHEMES, key=lambda scheme: SCHEMES[scheme].weight_bits)]
        return sorted(found, key=lambda entry: order.index(entry[f"{entry['format']} scheme"]))

    def calibrated(self, format: str) -> list[dict[str, Any]]:
        """Return the parameters of int8 without training in all the other ways: per tensor, ranges by other rules."""
        row = FORMATS[format]
        ways = itertools.product(row.granularities, row.calibration_methods[INT8])
        return [self._whole(format, INT8, *way) for way in ways if way != ("per_channel", "min_max")]

    def _whole(self, format: str, scheme: str, granularity: str, method: str) -> dict[str, Any]:
        return {
            "format": format, f"{format} scheme": scheme, "channels": ALL_STAY, "quantization-aware": False,
            f"{format} granularity": granularity, f"{format} calibration": method,
        }  # fmt: skip

    def aimed(self, format: str, kind: str, percent: int, *, trained: bool) -> dict[str, Any]:
        """Return the parameters of a well-trained int8 candidate with so many channels; ``trained`` for that itself."""
        return {
            "format": format, f"{format} scheme": INT8, "channels": kind if percent < 100 else ALL_STAY,
            "percent": percent, "training": "long", "distillation": True, "quantization-aware": trained,
            f"{format} granularity": "per_channel", f"{format} calibration": "min_max",
        }  # fmt: skip

    def _channels(
        self, manner: Manner, kind: str, percent: int, epochs: int, teaching: Teaching | None
    ) -> PruneChannels:
        target = Target(kind=kind, value=percent / 100)
        options = {**manner.channels, "steps": min(manner.channels["steps"], epochs)}
        return PruneChannels(
            target=target, multiple=MULTIPLES[kind], epochs=epochs, batch_size=manner.batch_size, seed=self.seed,
            augment=AUGMENT, distillation=teaching, **options,
        )  # fmt: skip

    def _quantization(self, manner: Manner, teaching: Teaching | None) -> QuantizeAware:
        return QuantizeAware(
            epochs=self.short, batch_size=manner.batch_size, learning_rate=manner.quantization_rate, seed=self.seed,
            distillation=teaching,
        )  # fmt: skip


def default_epochs(images: int) -> int:
    """Return how many passes over so many images a long fine-tuning makes.

    >>> [default_epochs(count) for count in (100, 2_000, 10_000, 50_000)]
    [30, 30, 25, 5]
    """
    return max(2, min(MOST_EPOCHS, round(IMAGES_SEEN / max(1, images))))


def _name(steps: list[Step]) -> str:
    """Return what people call a recipe of these steps.

    >>> _name([PruneChannels(target=Target(kind="macs", value=0.5)), Quantize(granularity="per_tensor")])
    'channels to 50% of macs, static_wi8_ai8 per_tensor'
    """
    parts = []
    for step in steps:
        if isinstance(step, PruneChannels):
            parts.append(f"channels to {step.target.value:.0%} of {step.target.kind}")
        elif isinstance(step, QuantizeAware):
            parts.append(f"{step.scheme} trained")
        elif isinstance(step, Quantize):
            ways = [way for way in (step.granularity, step.calibration_method) if way not in ("per_channel", "min_max")]
            parts.append(" ".join([step.scheme, *ways]))
    return ", ".join(parts)
