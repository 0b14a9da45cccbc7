"""Which images become golden samples: half of them where the model is least sure, half at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from edgevision.errors import ConfigError
from edgevision.golden import Golden
from edgevision.tensors import Array

if TYPE_CHECKING:
    from edgevision.data.dataset import Images

GOLDEN_SAMPLES = 8
"""How many samples an artifact gets, unless told."""
CANDIDATES = 16
"""How many images are looked at for each one that is taken."""


def choose_golden(
    dataset: Images,
    answer: Callable[[list[Array]], tuple[Array, ...]],
    *,
    count: int = GOLDEN_SAMPLES,
    seed: int = 0,
) -> Golden:
    """Take samples from a random draw of images: half where the model is least sure, the others at random.

    The margin between the two best scores decides how sure it is; where the first output has fewer than two values
    per image, all samples are random.

    Args:
        dataset: Images to choose from; all of them when there are fewer than ``count``.
        answer: The model: images (uint8 RGB HWC) to its outputs, one row per image along axis 0.
        count: How many samples.
        seed: Decides the choice.

    Returns:
        The samples, with the model's answers as ``float_outputs``.

    Raises:
        ConfigError: The dataset is empty.
    """
    if len(dataset) == 0:
        raise ConfigError("no golden samples can be taken from an empty dataset")
    rng = np.random.default_rng(seed)
    pool = rng.choice(len(dataset), min(len(dataset), CANDIDATES * count), replace=False)
    images = [dataset.image(int(index)) for index in pool]
    outputs = answer(images)
    chosen = _least_sure_and_random(outputs[0], min(count, len(pool)))
    kept = [int(pool[position]) for position in chosen]
    return Golden(
        samples=tuple(images[position] for position in chosen),
        targets=tuple(dataset.target(index) for index in kept),
        provenance=tuple(dataset.name(index) for index in kept),
        float_outputs=tuple(output[chosen] for output in outputs),
    )


def _least_sure_and_random(scores: Array, count: int) -> list[int]:
    """Return positions: the pool is in random order, so its first entries are a random draw."""
    if scores.ndim != 2 or scores.shape[1] < 2:
        return list(range(count))
    best = np.sort(scores.astype(np.float64), axis=1)  # differences of int8 scores do not fit int8
    by_margin = np.argsort(best[:, -1] - best[:, -2], kind="stable").tolist()
    unsure: list[int] = by_margin[: count // 2]
    others = [position for position in range(len(scores)) if position not in unsure]
    return unsure + others[: count - len(unsure)]
