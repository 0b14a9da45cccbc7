"""A few epochs on labelled images after a change to a model: what pruning and quantization-aware training share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgevision.converters.distillation import (
    Distillation,
    check_teacher,
    distillation_accuracy,
    distillation_loss,
    with_answers,
)
from edgevision.converters.keras_import import SourceModel, layer_names, leaf_layers, named_layers
from edgevision.converters.layer_choice import matching_names
from edgevision.converters.vendor import telling_line, vendor_step
from edgevision.data.batches import AUGMENTATIONS, materialize, steps_per_epoch, tf_batches
from edgevision.data.classes import match_targets
from edgevision.errors import ConfigError, ConversionError, DatasetError, EdgeVisionError, check_choice
from edgevision.optional import require

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset

Progress = Callable[[int, dict[str, float]], None]

OPTIMIZERS = ("adam", "sgd")

WARM_UP = 0.1
"""Share of the steps over which the learning rate rises; then it falls to zero along a cosine."""


@dataclass(frozen=True)
class FineTuning:
    """How a model is trained on.

    Attributes:
        epochs: Passes over the images.
        batch_size: Images a step; only whole batches are formed.
        learning_rate: Highest rate of the optimizer.
        seed: With the epoch, decides shuffling and augmentation.
        augment: One of `edgevision.data.batches.AUGMENTATIONS`.
        optimizer: One of `OPTIMIZERS`; ``sgd`` has Nesterov momentum of 0.9, and wants a rate of 0.01 to 0.1.
        weight_decay: Share of each weight that a step at rate 1 takes away; decoupled from the gradient.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    augment: str
    optimizer: str = "adam"
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_choice("augmentation", self.augment, AUGMENTATIONS)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        if self.epochs < 0:
            raise ConfigError("epochs", got=self.epochs, allowed="0 or more")
        if self.batch_size < 1:
            raise ConfigError("batch size", got=self.batch_size, allowed="1 or more")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ConfigError("learning rate", got=self.learning_rate, allowed="more than 0")
        if not 0 <= self.seed < 2**32:
            raise ConfigError("seed", got=self.seed, allowed="0 to 4294967295")
        if not 0 <= self.weight_decay < 1:
            raise ConfigError("weight decay", got=self.weight_decay, allowed="0 or more, below 1")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as the lineage keeps them."""
        return asdict(self)


STATISTICS_BATCHES = 100
"""Batches that statistics of batch norms are measured on."""


class FineTuner:
    """Labelled images at a model's input size, and the loop that trains on them."""

    def __init__(
        self,
        source: SourceModel,
        dataset: ImageDataset,
        settings: FineTuning,
        distillation: Distillation | None = None,
    ) -> None:
        """Bring ``dataset`` to the size of the source's input.

        Args:
            source: The model that is changed.
            dataset: Labelled images.
            settings: How it is trained on.
            distillation: Whose answers it learns from beside the labels.

        Raises:
            ConfigError: It is not known how an image becomes the input, or what the outputs mean; or the teacher
                does not fit.
            DatasetError: No images, fewer than a batch, or of other classes.
        """
        if source.preprocessing is None:
            raise ConfigError(
                f"{source.name}: how an image becomes its input is not known", next_step="give its preprocessing"
            )
        if len(dataset) == 0:
            raise DatasetError("no image to fine-tune on", next_step="name a data set with images")
        _check_classes(source)
        if distillation is not None:
            check_teacher(source, distillation.teacher)
        self.steps = steps_per_epoch(len(dataset), settings.batch_size)
        self.settings = settings
        self.preprocessing = source.preprocessing
        self._activation = str(source.decoding["activation"])
        self._classes = int(source.model.outputs[0].shape[-1])
        self._distillation = distillation
        self._targets = match_targets(dataset, source.labels, self._classes)
        self._pixels = materialize(dataset, source.preprocessing)

    def batches(self, start_epoch: int, epochs: int, augment: str | None = None) -> Any:
        """Return the ``tf.data.Dataset`` of the epochs from ``start_epoch`` up to ``epochs``."""
        return tf_batches(
            self._pixels,
            self._targets,
            self.preprocessing,
            batch_size=self.settings.batch_size,
            seed=self.settings.seed,
            augment=augment or self.settings.augment,
            start_epoch=start_epoch,
            epochs=epochs,
        )

    def run(
        self,
        model: Any,
        callbacks: Sequence[Any] = (),
        progress: Progress | None = None,
        epochs: int | None = None,
    ) -> list[dict[str, float]]:
        """Train ``model`` in place; return a record an epoch: ``loss``, ``accuracy`` (0 to 1), ``seconds``.

        Args:
            model: What is trained.
            callbacks: More Keras callbacks.
            progress: Called after each epoch.
            epochs: Passes over the images; None for those of the settings.

        Raises:
            ConversionError: The loss is no longer a number, or a layer cannot be trained.
        """
        keras = require("tf_keras")
        keras.utils.set_random_seed(self.settings.seed)
        epochs = self.settings.epochs if epochs is None else epochs
        loss, accuracy, batches = self._goal(epochs)
        model.compile(self._optimizer(epochs), loss, metrics=[accuracy])
        history: list[dict[str, float]] = []
        started = time.perf_counter()

        def note(epoch: int, logs: dict[str, float]) -> None:
            nonlocal started
            now = time.perf_counter()
            record = {name: float(value) for name, value in logs.items()}
            history.append({**record, "seconds": now - started})
            started = now
            if not math.isfinite(history[-1]["loss"]):
                raise ConversionError(
                    "fine-tuning diverged", got=f"loss {history[-1]['loss']}", next_step="lower the learning rate"
                )
            if progress:
                progress(len(history), history[-1])

        watch = keras.callbacks.LambdaCallback(on_epoch_end=note)
        try:
            model.fit(
                batches,
                epochs=epochs,
                steps_per_epoch=self.steps,
                callbacks=[*callbacks, watch],
                verbose=0,
            )
        except (EdgeVisionError, MemoryError):
            raise
        except Exception as exc:  # whatever a layer raises when it is trained
            raise ConversionError(f"fine-tuning {model.name} failed: {telling_line(exc)}") from exc
        return history

    def settle_statistics(self, model: Any) -> None:
        """Measure the statistics of batch norms anew: their mean over up to `STATISTICS_BATCHES` batches.

        Changed weights give other activations, and in a short fine-tuning the running averages lag far behind (B. Li
        et al., "EagleEye", ECCV 2020). Frozen batch norms keep what they have.
        """
        norms = [layer for layer in leaf_layers(model) if type(layer).__name__ == "BatchNormalization"]
        norms = [layer for layer in norms if layer.trainable]
        momenta = [layer.momentum for layer in norms]
        if not norms:
            return
        try:
            for count, (inputs, _) in enumerate(self.batches(0, 1, "none").take(STATISTICS_BATCHES)):
                for layer in norms:
                    layer.momentum = count / (count + 1)
                model(inputs, training=True)
        finally:
            for layer, momentum in zip(norms, momenta, strict=True):
                layer.momentum = momentum

    def loss(self) -> Any:
        """Return the cross-entropy of integer targets (N,) and the model's outputs (N, classes)."""
        return require("tf_keras").losses.SparseCategoricalCrossentropy(from_logits=self._activation == "logits")

    def _goal(self, epochs: int) -> tuple[Any, Any, Any]:
        """Return the loss, the metric named accuracy, and the batches that both are for."""
        batches = self.batches(0, epochs)
        if self._distillation is None:
            return self.loss(), "accuracy", batches
        return (
            distillation_loss(self._distillation, self._classes, self._activation),
            distillation_accuracy(self._classes),
            with_answers(batches, self._distillation, self._classes),
        )

    def _optimizer(self, epochs: int) -> Any:
        optimizers, rate = require("tf_keras").optimizers, self._rate(epochs)
        decay = self.settings.weight_decay or None
        if self.settings.optimizer == "adam":
            return optimizers.Adam(rate, weight_decay=decay)
        return optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)

    def _rate(self, epochs: int) -> Any:
        total = self.steps * epochs
        warm_up = max(1, round(total * WARM_UP))
        return require("tf_keras").optimizers.schedules.CosineDecay(
            0.0,
            decay_steps=max(1, total - warm_up),
            warmup_target=self.settings.learning_rate,
            warmup_steps=warm_up,
        )


def copy_model(source: SourceModel, wrap: Callable[[str, Any], Any] | None = None) -> Any:
    """Return a copy with weights of its own; ``wrap(name, layer)`` replaces each layer, inside nested models too.

    The names are those of `edgevision.converters.keras_import.named_layers`.

    Raises:
        ConversionError: The model is a subclass of ``tf_keras.Model``, or has a layer that cannot be copied.
    """
    keras = require("tf_keras")

    def replace(layer: Any) -> Any:
        if isinstance(layer, keras.Model):
            return keras.models.clone_model(layer, clone_function=replace)
        return wrap(names[id(layer)], layer) if wrap else layer

    with vendor_step(f"copying {source.name}"):
        copy = keras.models.clone_model(source.model)
        copy.set_weights(source.model.get_weights())
        names = layer_names(copy)
        return keras.models.clone_model(copy, clone_function=replace) if wrap else copy


def matching_layers(model: Any, patterns: Iterable[str] | None) -> tuple[list[tuple[str, Any]], set[str]]:
    """Return the layers that ``patterns`` (``stage1_*``) choose, with their names, and which were named in full.

    The names are those of `edgevision.converters.keras_import.named_layers`.

    Raises:
        ConfigError: A pattern matches no layer; the nearest names are listed.
    """
    layers = named_layers(model)
    if patterns is None:
        return layers, set()
    known = {name: layer.name for name, layer in layers}
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    chosen = set(matching_names("", patterns, known))
    if not chosen:
        raise ConfigError("no layer was chosen", got="an empty list", next_step="name layers, or leave the list out")
    in_full = {name for name in chosen if not {name, known[name]}.isdisjoint(patterns)}
    return [(name, layer) for name, layer in layers if name in chosen], in_full


def _check_classes(source: SourceModel) -> None:
    outputs = source.model.outputs
    if len(outputs) != 1 or len(outputs[0].shape) != 2:
        raise ConfigError(
            f"{source.name}: fine-tuning needs a classifier", got=f"outputs {[tuple(o.shape) for o in outputs]}"
        )
    activation = source.decoding.get("activation")
    if activation not in ("softmax", "logits"):
        raise ConfigError(
            f"{source.name}: what its outputs mean is not known", got=activation, allowed=("softmax", "logits")
        )
