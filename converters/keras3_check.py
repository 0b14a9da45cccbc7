"""Does a translated model answer as the original? Both run on the same inputs, and the first difference is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.errors import UntranslatableError
from edgevision.golden import synthetic_images
from edgevision.optional import require
from edgevision.preprocessing import Preprocessing
from edgevision.tensors import Array

TOLERANCE = 1e-4
"""Largest difference of an output, relative to the largest value in it: rounding of float32, many times over."""
HALF_TOLERANCE = 2e-2
"""The same, for models that compute in 16 bits."""
OPEN_SIZE = 64
"""Length of height and width for models that take any."""


@dataclass(frozen=True)
class Equality:
    """How far the translation's answers were from the original's.

    Attributes:
        max_difference: Largest difference, relative to the largest value of that output on that sample.
        tolerance: What was allowed.
        samples: How many inputs were compared.
    """

    max_difference: float
    tolerance: float
    samples: int


def check_equal(
    original: Any, model: Any, tensors: Mapping[str, Any], preprocessing: Preprocessing | None = None
) -> Equality:
    """Compare the answers of a ``keras.Model`` with those of its translation.

    Args:
        original: The model, in Keras 3; inputs and outputs are lists.
        model: The translation, in tf_keras.
        tensors: Layer of the original -> its output in the translation.
        preprocessing: How an image becomes the input, where it is known: then images are among the samples.

    Raises:
        UntranslatableError: They differ by more than rounding; the first layer that does is named.
    """
    samples = _samples(model, preprocessing)
    half = any("16" in layer.compute_dtype for layer in model.layers if layer.compute_dtype)
    tolerance = HALF_TOLERANCE if half else TOLERANCE
    difference = max(map(_difference, _answers(original, samples), _answers(model, samples)))
    if not difference <= tolerance:
        layer = _first_differing(original, model, tensors, samples, tolerance)
        raise UntranslatableError(
            f"{original.name} translated into tf_keras answers differently, from {layer} on",
            got=f"a difference of {difference:.2g}", allowed=f"{tolerance:g} of the largest value",
            next_step="edgevision convert, and quantize --method ptq, do without the translation",
        )  # fmt: skip
    return Equality(difference, tolerance, len(samples[0]))


def _samples(model: Any, preprocessing: Preprocessing | None) -> list[Array]:
    """Return inputs of several magnitudes, samples along axis 0: the range that a model wants is in no file."""
    rng = np.random.default_rng(0)
    images = []
    if preprocessing is not None and len(model.inputs) == 1:
        made = synthetic_images(2, preprocessing.height, preprocessing.width, seed=0)
        images = [preprocessing.apply(image) for image in made]
    return [_drawn(rng, tensor, images) for tensor in model.inputs]


def _drawn(rng: np.random.Generator, tensor: Any, images: Sequence[Array]) -> Array:
    shape = tuple(OPEN_SIZE if size is None else size for size in tensor.shape[1:])
    dtype = tensor.dtype.as_numpy_dtype
    if not tensor.dtype.is_floating:
        drawn: Array = rng.integers(0, 256 if dtype == np.uint8 else 2, (4, *shape)).astype(dtype)
        return drawn
    kinds = [rng.standard_normal(shape), rng.random(shape), rng.random(shape) * 2 - 1, rng.random(shape) * 255]
    stacked: Array = np.stack([*kinds, *(image for image in images if image.shape == shape)]).astype(dtype)
    return stacked


def _answers(model: Any, samples: Sequence[Array]) -> list[Array]:
    answers = model(samples[0] if len(samples) == 1 and not isinstance(model.input, list) else list(samples),
                    training=False)  # fmt: skip
    flat = require("tensorflow").nest.flatten(answers)
    return [np.asarray(answer).astype(np.float64) for answer in flat]


def _difference(expected: Array, found: Array) -> float:
    """Return the largest difference on any sample, relative to its largest value; infinite for other shapes."""
    if expected.shape != found.shape:
        return np.inf
    if not expected.size:
        return 0.0
    expected, found = (array.reshape(len(array), -1) for array in (expected, found))
    if not np.array_equal(np.isfinite(expected), np.isfinite(found)):
        return np.inf
    expected, found = np.nan_to_num(expected), np.nan_to_num(found)
    largest = np.maximum(np.abs(expected).max(axis=1), 1e-6)
    return float((np.abs(expected - found).max(axis=1) / largest).max())


def _first_differing(
    original: Any, model: Any, tensors: Mapping[str, Any], samples: Sequence[Array], tolerance: float
) -> str:
    """Name the first layer whose output differs, or the outputs where only they do."""
    keras, tf_keras = require("keras"), require("tf_keras")
    layers = [layer for layer in original.layers if layer.name in tensors]
    theirs = keras.Model(original.inputs, [_first_output(layer) for layer in layers])
    ours = tf_keras.Model(model.inputs, [tensors[layer.name] for layer in layers])
    for layer, expected, found in zip(layers, _answers(theirs, samples), _answers(ours, samples), strict=True):
        if _difference(expected, found) > tolerance:
            return f"layer {layer.name} ({type(layer).__name__})"
    return "the outputs"


def _first_output(layer: Any) -> Any:
    """Return what a layer of Keras 3 gives at its first call; models inside count the one they were built with."""
    nodes = layer._inbound_nodes
    return nodes[1 if hasattr(layer, "layers") and len(nodes) > 1 else 0].output_tensors[0]
