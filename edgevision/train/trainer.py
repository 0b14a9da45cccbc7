"""The training loop: deterministic in its configuration, resumable after a kill, on one device or many."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgevision.data.batches import materialize, steps_per_epoch, tf_batches
from edgevision.errors import ConfigError
from edgevision.optional import require
from edgevision.train import architectures
from edgevision.train.checkpoints import Checkpoints
from edgevision.train.config import Phase, TrainingConfig
from edgevision.train.schedules import learning_rate_schedule

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset
    from edgevision.preprocessing import Preprocessing
    from edgevision.tensors import Array

Progress = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainedModel:
    """What a run gives.

    Attributes:
        model: the ``tf_keras.Model``, not compiled.
        history: one record an epoch: ``loss`` and ``accuracy`` (0 to 1), ``val_…`` where images were held out,
            ``seconds``.
    """

    model: Any
    history: list[dict[str, float]]


def train(
    dataset: ImageDataset,
    preprocessing: Preprocessing,
    config: TrainingConfig,
    *,
    checkpoints: Path | None = None,
    resume: bool = False,
    strategy: Any = None,
    tensorboard: Path | None = None,
    progress: Progress | None = None,
) -> TrainedModel:
    """Train ``config.architecture`` on ``dataset``.

    Args:
        dataset: labelled images; a share of ``config.validation`` is held out, the same for a seed.
        preprocessing: gives the model's input size, channels, mean and standard deviation.
        config: everything else that decides the result.
        checkpoints: directory for the state after each epoch; None keeps none.
        resume: go on from ``checkpoints``; where there is none yet, begin.
        strategy: a ``tf.distribute.Strategy``; None trains on the default device.
        tensorboard: directory for TensorBoard's event files.
        progress: called after each epoch with the finished epochs and that epoch's record.

    Raises:
        ConfigError: ``checkpoints`` holds a run and ``resume`` is off, or it holds another run.
        DatasetError: fewer images than one batch.
        BackendUnavailableError: the ``train`` extra is not installed.
    """
    train_images, held_out = _split(dataset, config)
    pixels = materialize(train_images, preprocessing)
    state = Checkpoints(checkpoints, config, _digest(pixels, train_images.targets)) if checkpoints else None
    if state and state.exists() and not resume:
        raise ConfigError(
            f"{state.directory} holds an earlier run", next_step="add --resume to go on with it, or --overwrite"
        )
    history = state.history() if state and state.exists() else []
    model = _build(config, preprocessing, len(dataset.labels), strategy)
    best = _Best(model, config.patience)
    steps = steps_per_epoch(len(pixels), config.batch_size)
    validation = _validation_batches(held_out, preprocessing, config)
    records = _Records(history, best, state, _tensorboard_log(tensorboard), progress)
    for phase in config.phases:
        _compile(model, config, phase, steps, strategy)
        records.tracked = {"model": model, "optimizer": model.optimizer, **best.tracked}
        if state and phase.start < len(history) <= phase.end:
            state.restore(records.tracked)
        start = max(phase.start, len(history))
        if start >= phase.end or best.gave_up(history):
            continue
        model.fit(
            _batches(pixels, train_images.targets, preprocessing, config, start, phase.end),
            initial_epoch=start,
            epochs=phase.end,
            steps_per_epoch=steps,
            validation_data=validation,
            callbacks=[_after_each_epoch(records.add)],
            verbose=0,
        )
    return TrainedModel(best.choose(), history)


@dataclass
class _Records:
    """Where each finished epoch goes: the history, the best weights, the checkpoint, the log, the caller."""

    history: list[dict[str, float]]
    best: _Best
    state: Checkpoints | None
    log: Progress
    progress: Progress | None
    tracked: dict[str, Any] = field(default_factory=dict)

    def add(self, record: dict[str, float]) -> bool:
        """Take an epoch's record and return whether training is to stop."""
        self.history.append(record)
        self.best.note(self.history)
        if self.state:
            self.state.save(self.tracked, self.history)
        self.log(len(self.history) - 1, record)
        if self.progress:
            self.progress(len(self.history), record)
        return self.best.gave_up(self.history)


def _batches(
    pixels: Array, targets: Array, preprocessing: Preprocessing, config: TrainingConfig, start: int, end: int
) -> Any:
    return tf_batches(
        pixels,
        targets,
        preprocessing,
        batch_size=config.batch_size,
        seed=config.seed,
        augment=config.augment,
        start_epoch=start,
        epochs=end,
    )


def _after_each_epoch(finish: Callable[[dict[str, float]], bool]) -> Any:
    """Return a callback that gives each epoch's record to ``finish`` and stops when that returns True."""
    keras = require("tf_keras")

    class AfterEachEpoch(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._started = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            record = {name: float(value) for name, value in (logs or {}).items()}
            self.model.stop_training = finish({**record, "seconds": time.perf_counter() - self._started})

    return AfterEachEpoch()


def _build(config: TrainingConfig, preprocessing: Preprocessing, classes: int, strategy: Any) -> Any:
    require("tf_keras").utils.set_random_seed(config.seed)
    shape = (preprocessing.height, preprocessing.width, preprocessing.channels)
    with _precision(config), _scope(strategy):
        return architectures.build(
            config.architecture, shape, classes, width=config.width, pretrained=config.pretrained
        )


def _compile(model: Any, config: TrainingConfig, phase: Phase, steps: int, strategy: Any) -> None:
    """Give ``model`` a fresh optimizer for ``phase``, with its state created so that a checkpoint can be restored."""
    for layer in model.layers:
        layer.trainable = layer.name == "logits" or not phase.classifier_only
    length = steps * (phase.end - phase.start)
    with _scope(strategy):
        rate = learning_rate_schedule(
            config.schedule,
            phase.learning_rate,
            steps=length,
            warmup_steps=min(length // 2, round(steps * config.warmup_epochs)),
        )
        model.compile(_optimizer(config, rate), _loss(config, model.output_shape[-1]), metrics=["accuracy"])
        model.optimizer.build(model.trainable_variables)


def _scope(strategy: Any) -> contextlib.AbstractContextManager[Any]:
    scope: contextlib.AbstractContextManager[Any] = strategy.scope() if strategy else contextlib.nullcontext()
    return scope


def _optimizer(config: TrainingConfig, rate: Any) -> Any:
    optimizers = require("tf_keras").optimizers
    if config.optimizer == "adamw":
        return optimizers.AdamW(rate, weight_decay=config.weight_decay)
    return optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=config.weight_decay or None)


def _loss(config: TrainingConfig, classes: int) -> Any:
    keras, tf = require("tf_keras"), require("tensorflow")
    if not config.label_smoothing:
        return keras.losses.SparseCategoricalCrossentropy()
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing)

    def loss(targets: Any, predicted: Any) -> Any:
        return smoothed(tf.one_hot(tf.cast(tf.reshape(targets, [-1]), tf.int32), classes), predicted)

    return loss


@contextlib.contextmanager
def _precision(config: TrainingConfig) -> Iterator[None]:
    """Set Keras's dtype policy while a model is built, and put the old one back."""
    keras, tf = require("tf_keras"), require("tensorflow")
    if not config.mixed_precision:
        yield
        return
    before = keras.mixed_precision.global_policy()
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    keras.mixed_precision.set_global_policy("mixed_float16" if on_gpu else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


class _Best:
    """The weights with the lowest validation loss so far, where early stopping is on."""

    def __init__(self, model: Any, patience: int | None) -> None:
        self._current, self._patience = model, patience
        self.model = model if patience is None else require("tf_keras").models.clone_model(model)

    @property
    def tracked(self) -> dict[str, Any]:
        return {} if self._patience is None else {"best": self.model}

    def gave_up(self, history: list[dict[str, float]]) -> bool:
        if self._patience is None or not history:
            return False
        return len(history) - 1 - _best_epoch(history) >= self._patience

    def note(self, history: list[dict[str, float]]) -> None:
        if self._patience is not None and _best_epoch(history) == len(history) - 1:
            self.model.set_weights(self._current.get_weights())

    def choose(self) -> Any:
        """Return the model to keep, freed of its training state."""
        return require("tf_keras").Model(self.model.inputs, self.model.outputs, name=self._current.name)


def _best_epoch(history: list[dict[str, float]]) -> int:
    return min(range(len(history)), key=lambda epoch: history[epoch]["val_loss"])


def _split(dataset: ImageDataset, config: TrainingConfig) -> tuple[ImageDataset, ImageDataset | None]:
    """Hold out ``config.validation`` of the images, drawn by the seed."""
    if not config.validation:
        return dataset, None
    import numpy as np

    order = np.random.default_rng(config.seed).permutation(len(dataset))
    held_out = max(1, round(len(dataset) * config.validation))
    return dataset.subset(np.sort(order[held_out:]).tolist()), dataset.subset(np.sort(order[:held_out]).tolist())


def _validation_batches(held_out: ImageDataset | None, preprocessing: Preprocessing, config: TrainingConfig) -> Any:
    if held_out is None:
        return None
    import numpy as np

    tf = require("tensorflow")
    pixels = materialize(held_out, preprocessing).astype(np.float32)
    inputs = (pixels - np.array(preprocessing.mean, np.float32)) / np.array(preprocessing.std, np.float32)
    return tf.data.Dataset.from_tensor_slices((inputs, held_out.targets)).batch(config.batch_size)


def _digest(pixels: Array, targets: Array) -> str:
    return hashlib.sha256(pixels.tobytes() + targets.tobytes()).hexdigest()


def _tensorboard_log(directory: Path | None) -> Progress:
    if directory is None:
        return lambda epoch, record: None
    require("tensorboard")
    tf = require("tensorflow")
    writer = tf.summary.create_file_writer(str(directory))

    def log(epoch: int, record: dict[str, float]) -> None:
        with writer.as_default(step=epoch):
            for name, value in record.items():
                tf.summary.scalar(name, value)
        writer.flush()

    return log
