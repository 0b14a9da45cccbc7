"""Choosing the golden samples of a model: a few images, with what the float model answers to them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edgevision.converters.keras_import import SourceModel
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConfigError, check_choice
from edgevision.golden import Golden, synthetic_images
from edgevision.golden_selection import GOLDEN_SAMPLES, choose_golden

if TYPE_CHECKING:
    from edgevision.converters.file_source import Source
    from edgevision.data.dataset import Images
    from edgevision.preprocessing import Preprocessing
    from edgevision.tensors import Array

Answer = Callable[[list["Array"]], tuple["Array", ...]]

POLICIES = ("data", "synthetic", "none")


def make_golden(
    source: Source,
    dataset: Images | None = None,
    *,
    policy: str = "data",
    count: int = GOLDEN_SAMPLES,
    seed: int = 0,
    answer: Answer | None = None,
) -> Golden | None:
    """Choose samples, as `edgevision.golden_selection.choose_golden` does, and let the float model answer.

    Args:
        source: the float model, with its preprocessing.
        dataset: images to choose from, with policy ``data``.
        policy: ``data`` takes real images, ``synthetic`` makes images of nothing, ``none`` gives None.
        count: how many samples.
        seed: decides the choice.
        answer: the float model: images (uint8 RGB HWC) to its outputs, one row per image along axis 0. None for a
            Keras model's own; other sources are run by `edgevision.export.make_golden`.

    Raises:
        ConfigError: unknown policy, no images for ``data`` or none in them, or a model whose preprocessing is unknown.
    """
    check_choice("golden", policy, POLICIES)
    if policy == "none":
        return None
    preprocessing = source.preprocessing
    if preprocessing is None or len(source.inputs) != 1:
        raise ConfigError(
            "golden samples need a model with one image input and known preprocessing",
            next_step="declare it: edgevision adopt MODEL --mean … --std …; or keep no samples: --golden none",
        )
    if answer is None:
        if not isinstance(source, SourceModel):
            raise ConfigError("golden samples of a model without a Keras form", next_step="say what runs it (answer=)")
        answer = partial(_answers, source, preprocessing)
    if policy == "synthetic":
        images = list(synthetic_images(count, preprocessing.height, preprocessing.width, seed))
        names = [f"synthetic {index} of seed {seed}" for index in range(count)]
        return Golden(tuple(images), (None,) * count, tuple(names), answer(images))
    if dataset is None:
        raise ConfigError("golden data needs images", next_step="name a dataset, or pass golden synthetic or none")
    return choose_golden(dataset, answer, count=count, seed=seed)


def _answers(source: SourceModel, preprocessing: Preprocessing, images: list[Array]) -> tuple[Array, ...]:
    inputs = np.stack([preprocessing.apply(image) for image in images])
    with vendor_step(f"running {source.name} on golden samples"):
        results = source.model(inputs, training=False)
    outputs = results if isinstance(results, list | tuple) else [results]
    return tuple(np.asarray(output, np.float32) for output in outputs)
