"""What a training run is made of: everything that decides its result, in one frozen record."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from edgevision.data.batches import AUGMENTATIONS
from edgevision.errors import ConfigError, check_choice
from edgevision.train.schedules import SCHEDULES

OPTIMIZERS = ("sgd", "adamw")


@dataclass(frozen=True)
class Phase:
    """Epochs ``start`` up to ``end`` at one peak ``learning_rate``, of the classifier alone or of every layer."""

    start: int
    end: int
    classifier_only: bool
    learning_rate: float


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training run.

    Attributes:
        architecture: name of the network, see `edgevision.train.architectures`.
        width: multiplier of the network's channels.
        epochs: passes over the training images.
        batch_size: images a step, over all devices.
        optimizer: ``sgd`` (Nesterov momentum 0.9) or ``adamw``.
        learning_rate: the highest rate, after warm-up.
        schedule: ``cosine``, ``step`` or ``constant``.
        warmup_epochs: epochs over which the rate rises from zero.
        weight_decay: decoupled: each step subtracts rate · weight_decay · weight.
        augment: ``none``, ``flip`` or ``crop-flip``.
        label_smoothing: share of the target spread over all classes, 0 to 1.
        validation: share of the training images held out, 0 to below 1; 0 holds out none.
        patience: stop after this many epochs without a better validation loss and keep the best; None trains on.
        pretrained: weights that the backbone starts from: ``imagenet`` (downloads) or a file; '' starts at random.
        frozen_epochs: the first of ``epochs``, for the classifier alone; the rest train all at a tenth of the rate.
        mixed_precision: compute in float16 (GPU) or bfloat16 (CPU), keep weights in float32.
        seed: decides initial weights, shuffling and augmentation.
    """

    architecture: str = "resnet8"
    width: float = 1.0
    epochs: int = 30
    batch_size: int = 128
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    schedule: str = "cosine"
    warmup_epochs: float = 1.0
    weight_decay: float = 2e-3
    augment: str = "crop-flip"
    label_smoothing: float = 0.0
    validation: float = 0.0
    patience: int | None = None
    pretrained: str = ""
    frozen_epochs: int = 0
    mixed_precision: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot train.

        Raises:
            ConfigError: naming the value and what is allowed.
        """
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("augmentation", self.augment, AUGMENTATIONS)
        for name, low, high in (*_RANGES, ("frozen_epochs", 0, self.epochs - 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} is out of range", got=value, allowed=[f"{low} to {high}"])
        if self.patience is not None and not self.validation:
            raise ConfigError(
                "patience needs images to judge by", got="validation 0", next_step="set validation, for example 0.1"
            )

        if self.frozen_epochs and not self.pretrained:
            raise ConfigError("frozen_epochs needs pretrained weights", got="none", next_step="set pretrained")

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The stretches of epochs that train the same layers at the same rate."""
        if not self.frozen_epochs:
            return (Phase(0, self.epochs, False, self.learning_rate),)
        return (
            Phase(0, self.frozen_epochs, True, self.learning_rate),
            Phase(self.frozen_epochs, self.epochs, False, self.learning_rate / 10),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return dataclasses.asdict(self)


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("width", 0.05, 8.0),
    ("epochs", 1, 100_000),
    ("batch_size", 1, 1_000_000),
    ("learning_rate", 1e-8, 100.0),
    ("warmup_epochs", 0.0, 10_000.0),
    ("weight_decay", 0.0, 1.0),
    ("label_smoothing", 0.0, 0.9),
    ("validation", 0.0, 0.9),
    ("seed", 0, 2**31 - 1),
)
