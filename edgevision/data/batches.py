"""The one tf.data input pipeline, for training and for every fine-tuning.

What an epoch holds depends on (seed, epoch) alone: a run that was killed and resumed sees the same batches,
in the same order and with the same augmentation, as one that was not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgevision.errors import DatasetError, check_choice
from edgevision.optional import require

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset
    from edgevision.preprocessing import Preprocessing
    from edgevision.tensors import Array

AUGMENTATIONS = ("none", "flip", "crop-flip")


def materialize(dataset: ImageDataset, preprocessing: Preprocessing) -> Array:
    """Return every image at model size, uint8, shape (N, height, width, channels); N·height·width·channels bytes."""
    import numpy as np

    return np.stack([preprocessing.pixels(dataset.image(i))[0] for i in range(len(dataset))])


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return the whole batches in ``count`` images; the rest of an epoch's shuffle is left out."""
    if batch_size < 1 or count < batch_size:
        raise DatasetError(
            "the batch size must lie between 1 and the number of images", got=batch_size, allowed=[f"1..{count}"]
        )
    return count // batch_size


def tf_batches(
    pixels: Array,
    targets: Array,
    preprocessing: Preprocessing,
    *,
    batch_size: int,
    seed: int,
    augment: str = "none",
    start_epoch: int = 0,
    epochs: int = 1,
) -> Any:
    """Return a ``tf.data.Dataset`` of (float32 NHWC batch, int64 targets) for epochs ``start_epoch`` to ``epochs``.

    Args:
        pixels: uint8 images at model size, (N, height, width, channels), as `materialize` returns them.
        targets: class of each image, (N,).
        preprocessing: gives mean and standard deviation, in pixel units.
        batch_size: images a batch; only whole batches are formed.
        seed: with the epoch's number, decides shuffling and augmentation.
        augment: ``none``, ``flip`` (left-right) or ``crop-flip`` (also a shift of up to an eighth, mirrored borders).
        start_epoch: first epoch to produce.
        epochs: the epoch after the last.

    Raises:
        ConfigError: unknown ``augment``.
        DatasetError: fewer images than one batch.
    """
    check_choice("augmentation", augment, AUGMENTATIONS)
    tf = require("tensorflow")
    steps = steps_per_epoch(len(pixels), batch_size)
    images, classes = tf.constant(pixels), tf.constant(targets, tf.int64)
    mean = tf.constant(preprocessing.mean, tf.float32)
    std = tf.constant(preprocessing.std, tf.float32)

    def epoch_of_batches(epoch: Any) -> Any:
        order = tf.random.experimental.stateless_shuffle(tf.range(len(pixels)), seed=[seed, epoch])
        batches = tf.reshape(order[: steps * batch_size], (steps, batch_size))
        numbers = tf.range(steps, dtype=tf.int64)
        return tf.data.Dataset.from_tensor_slices((batches, epoch * steps + numbers))

    def load(indices: Any, step: Any) -> Any:
        batch = _augment(tf, tf.gather(images, indices), augment, tf.stack([tf.constant(seed, tf.int64), step]))
        return (tf.cast(batch, tf.float32) - mean) / std, tf.gather(classes, indices)

    numbers = tf.data.Dataset.range(start_epoch, epochs)
    return numbers.flat_map(epoch_of_batches).map(load, num_parallel_calls=2).prefetch(4)


def _augment(tf: Any, batch: Any, augment: str, seed: Any) -> Any:
    if augment == "none":
        return batch
    count = tf.shape(batch)[0]
    flip = tf.random.stateless_uniform((count, 1, 1, 1), seed) < 0.5
    batch = tf.where(flip, tf.reverse(batch, [2]), batch)
    if augment == "flip":
        return batch
    height, width = batch.shape[1], batch.shape[2]
    down, across = height // 8, width // 8
    padded = tf.pad(batch, [[0, 0], [down, down], [across, across], [0, 0]], mode="REFLECT")
    top = tf.random.stateless_uniform((count, 1), seed + 1, maxval=2 * down + 1, dtype=tf.int32)
    left = tf.random.stateless_uniform((count, 1), seed + 2, maxval=2 * across + 1, dtype=tf.int32)
    rows = tf.gather(padded, top + tf.range(height)[None], axis=1, batch_dims=1)
    return tf.gather(rows, left + tf.range(width)[None], axis=2, batch_dims=1)
