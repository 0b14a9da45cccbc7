"""Input tensors to time a model with: real images where the artifact has some."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgevision.artifact import Artifact
from edgevision.data.dataset import Images
from edgevision.errors import ConfigError
from edgevision.preprocessing import Preprocessing
from edgevision.tensors import Array, TensorSpec, integer_range

RANDOM_COUNT = 8
IMAGES = 64


def inputs_for(
    artifact: Artifact, specs: Sequence[TensorSpec], seed: int, images: Sequence[Array] | None = None
) -> tuple[list[list[Array]], str]:
    """Make several sets of input tensors.

    Args:
        artifact: Its golden samples are used when it has them, knows its preprocessing, and has one input.
        specs: The inputs as loaded, without open dimensions.
        seed: Seed of random inputs.
        images: uint8 RGB images (height, width, 3) to use instead; None for the golden samples.

    Returns:
        Lists of tensors for `CompiledModel.infer`, and a sentence on where they came from.

    Raises:
        ConfigError: Images for a model that does not say how they become its inputs.
    """
    manifest = artifact.manifest
    if images is not None:
        if manifest.preprocessing is None or len(specs) != 1 or not specs[0].layout:
            raise ConfigError(
                f"{manifest.name}: how images become its inputs is not known",
                next_step="adopt it with its preprocessing, or leave the images out",
            )
        return _bound(manifest.preprocessing, specs, images), f"{len(images)} images that were given"
    golden = artifact.golden() if manifest.preprocessing is not None and len(specs) == 1 else None
    if golden is not None and manifest.preprocessing is not None and specs[0].layout:
        samples = golden.samples
        return _bound(manifest.preprocessing, specs, samples), f"{len(samples)} golden samples of the artifact"
    generator = np.random.default_rng(seed)
    sets = [[_random(spec, generator) for spec in specs] for _ in range(RANDOM_COUNT)]
    return sets, f"{RANDOM_COUNT} random inputs (seed {seed}): the artifact has no samples, or not all that they need"


def _bound(preprocessing: Preprocessing, specs: Sequence[TensorSpec], images: Sequence[Array]) -> list[list[Array]]:
    """Bring images into the input's batches; the last one is filled up from the beginning."""
    bound, batch = preprocessing.bind(specs[0]), batch_of(specs)
    groups = [[images[(start + i) % len(images)] for i in range(batch)] for start in range(0, len(images), batch)]
    return [[bound.batch(group)[0]] for group in groups]


def images_of(dataset: Images, count: int = IMAGES, seed: int = 0) -> list[Array]:
    """Return some images of a dataset to time with, of each class as many: uint8 RGB (height, width, 3)."""
    drawn = dataset.balanced(min(count, len(dataset)), seed)
    return [drawn.image(place) for place in range(len(drawn))]


def batch_of(specs: Sequence[TensorSpec], asked: int | None = None) -> int:
    """How many images one inference takes: the length of N; where no layout is known, what was asked for, or 1."""
    if specs and not specs[0].layout:
        return asked or 1
    return (specs[0].length("N") or 1) if specs and "N" in specs[0].layout else 1


def _random(spec: TensorSpec, generator: np.random.Generator) -> Array:
    """Uniform over what the dtype holds; floats in [-1, 1); wide integers, which are often indices, in 0..255."""
    shape = tuple(size or 1 for size in spec.shape)
    if spec.dtype == "bool":
        return generator.integers(0, 2, shape).astype(bool)
    if not spec.is_integer:
        return generator.uniform(-1, 1, shape).astype(spec.dtype)
    low, high = integer_range(spec.dtype)
    if high > 65535:
        low, high = 0, 255
    return generator.integers(low, high + 1, shape).astype(spec.dtype)
