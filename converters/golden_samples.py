"""Choosing the golden samples of a model: a few images, with what the float model answers to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConfigError, check_choice
from edgevision.golden import Golden, synthetic_images

if TYPE_CHECKING:
    from edgevision.converters.keras_import import SourceModel
    from edgevision.data.dataset import ImageDataset
    from edgevision.preprocessing import Preprocessing
    from edgevision.tensors import Array

POLICIES = ("data", "synthetic", "none")
CANDIDATES = 16
"""How many images are looked at for each one that is taken."""


def make_golden(
    source: SourceModel,
    dataset: ImageDataset | None = None,
    *,
    policy: str = "data",
    count: int = 8,
    seed: int = 0,
) -> Golden | None:
    """Choose samples and let the float model answer: half of them at random, half where it was least sure.

    The margin between the two best scores decides how sure it was; where a model's first output has fewer than two
    values, all samples are drawn at random.

    Args:
        source: the float model, with its preprocessing.
        dataset: images to choose from, with policy ``data``.
        policy: ``data`` takes real images, ``synthetic`` makes images of nothing, ``none`` gives None.
        count: how many samples.
        seed: decides the choice.

    Raises:
        ConfigError: unknown policy, no images for ``data``, or a model whose preprocessing is unknown.
    """
    check_choice("golden", policy, POLICIES)
    if policy == "none":
        return None
    preprocessing = source.preprocessing
    if preprocessing is None or len(source.inputs) != 1:
        raise ConfigError(
            "golden samples need a model with one image input and known preprocessing",
            next_step="say how images become its input, or pass golden none",
        )
    if policy == "synthetic":
        images = list(synthetic_images(count, preprocessing.height, preprocessing.width, seed))
        names = [f"synthetic {index} of seed {seed}" for index in range(count)]
        return Golden(tuple(images), (None,) * count, tuple(names), _answers(source, preprocessing, images))
    if dataset is None:
        raise ConfigError("golden data needs images", next_step="name a dataset, or pass golden synthetic or none")
    return _from_data(source, preprocessing, dataset, count, seed)


def _from_data(
    source: SourceModel, preprocessing: Preprocessing, dataset: ImageDataset, count: int, seed: int
) -> Golden:
    rng = np.random.default_rng(seed)
    pool = rng.choice(len(dataset), min(len(dataset), CANDIDATES * count), replace=False)
    count = min(count, len(pool))
    images = [dataset.image(int(index)) for index in pool]
    answers = _answers(source, preprocessing, images)
    chosen = _least_sure_and_random(answers[0], count)
    kept = [int(pool[position]) for position in chosen]
    return Golden(
        samples=tuple(images[position] for position in chosen),
        targets=tuple(int(dataset.targets[index]) for index in kept),
        provenance=tuple(dataset.name(index) for index in kept),
        float_outputs=tuple(output[chosen] for output in answers),
    )


def _least_sure_and_random(scores: Array, count: int) -> list[int]:
    """Return positions: the pool is in random order, so its first entries are a random draw."""
    if scores.ndim != 2 or scores.shape[1] < 2:
        return list(range(count))
    best = np.sort(scores, axis=1)
    by_margin = np.argsort(best[:, -1] - best[:, -2], kind="stable").tolist()
    unsure: list[int] = by_margin[: count // 2]
    others = [position for position in range(len(scores)) if position not in unsure]
    return unsure + others[: count - len(unsure)]


def _answers(source: SourceModel, preprocessing: Preprocessing, images: list[Array]) -> tuple[Array, ...]:
    inputs = np.stack([preprocessing.apply(image) for image in images])
    with vendor_step(f"running {source.name} on golden samples"):
        results = source.model(inputs, training=False)
    outputs = results if isinstance(results, list | tuple) else [results]
    return tuple(np.asarray(output, np.float32) for output in outputs)
