"""How far two sets of outputs are apart, in the output's own units and in steps of its quantization."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgevision.documents import check_fields
from edgevision.errors import ArtifactError
from edgevision.tensors import Array, TensorSpec, dequantize


@dataclass(frozen=True)
class Distance:
    """Distance of an output to what was expected, over some samples.

    Attributes:
        max_abs_error: Largest difference of one value, in real units.
        mean_abs_error: Mean difference of all values, in real units.
        max_lsb: Largest difference in steps of the stored integers; None for float outputs.
    """

    max_abs_error: float
    mean_abs_error: float
    max_lsb: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    def within(self, tolerance: Distance) -> bool:
        """Whether it is no larger than this, in real units."""
        return self.max_abs_error <= tolerance.max_abs_error and self.mean_abs_error <= tolerance.mean_abs_error

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Distance:
        """Read the JSON form, where null is a figure that is not finite; raises ConfigError."""
        known = check_fields("distance", data, required=("max_abs_error", "mean_abs_error", "max_lsb"))
        largest, mean = (known[name] for name in ("max_abs_error", "mean_abs_error"))
        return cls(math.nan if largest is None else largest, math.nan if mean is None else mean, known["max_lsb"])

    def widest(self, other: Distance) -> Distance:
        """Return the larger of each figure."""
        lsb = None if self.max_lsb is None or other.max_lsb is None else max(self.max_lsb, other.max_lsb)
        return Distance(
            max(self.max_abs_error, other.max_abs_error), max(self.mean_abs_error, other.mean_abs_error), lsb
        )


FLOAT_REPEAT = 2.0**-20
"""What float values may differ under the same conditions, as a share of the largest expected one."""


def least(expected: Array, spec: TensorSpec) -> Distance:
    """Return what values may differ by under the same conditions: nothing in integers, `FLOAT_REPEAT` in floats."""
    largest = 0.0 if spec.is_integer else float(np.abs(expected).max(initial=0))
    return Distance(FLOAT_REPEAT * largest, FLOAT_REPEAT * largest, 0 if spec.is_integer else None)


def tolerated(allowance: Distance, expected: Array, spec: TensorSpec) -> Distance:
    """Return what values may differ by under other conditions, from what they moved by when the input trembled.

    The mean over a few samples scatters, so twice of it is allowed; and one step at least.
    """
    step = spec.quant.scale[0] if spec.quant is not None else float(spec.is_integer)
    twice = Distance(allowance.max_abs_error, 2 * allowance.mean_abs_error, allowance.max_lsb)
    return twice.widest(least(expected, spec)).widest(Distance(step, step, 1 if spec.is_integer else None))


def stored_distance(got: Array, expected: Array, spec: TensorSpec) -> Distance:
    """Compare stored values of one output.

    Raises:
        ArtifactError: The expected values are of another shape or dtype than the model's.
    """
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise ArtifactError(
            f"output {spec.name}: the sealed values do not belong to this model",
            got=f"{expected.dtype} {list(expected.shape)}",
            allowed=f"{got.dtype} {list(got.shape)}",
        )
    real = real_distance(real_stored(got, spec), real_stored(expected, spec))
    if not spec.is_integer:
        return real
    steps = int(np.abs(got.astype(np.int64) - expected.astype(np.int64)).max(initial=0))
    return Distance(real.max_abs_error, real.mean_abs_error, steps)


def finite(distance: Distance) -> dict[str, Any]:
    """Return the JSON form; a figure that is not finite (NaN on one side) is null there."""
    values = distance.to_dict()
    return {name: value if value is None or math.isfinite(value) else None for name, value in values.items()}


def step_histogram(got: Array, expected: Array) -> dict[int, int]:
    """Return how many stored integers differ by so many steps: signed difference -> count, in ascending order.

    >>> step_histogram(np.array([3, 4, 9], np.int8), np.array([3, 5, 9], np.int8))
    {-1: 1, 0: 2}
    """
    steps, counts = np.unique(got.astype(np.int64) - expected.astype(np.int64), return_counts=True)
    return {int(step): int(count) for step, count in zip(steps, counts, strict=True)}


def float_distance(got: Array, reference: Array, spec: TensorSpec) -> Distance | None:
    """Compare stored values with the float model's real ones; None where the shapes do not match."""
    real = real_values(got, reference, spec)
    return None if real is None else real_distance(real, reference)


def real_values(got: Array, reference: Array, spec: TensorSpec) -> Array | None:
    """Return stored values in real units and the shape of ``reference``; None where the shapes do not match."""
    if got.size != reference.size or got.shape[0] != reference.shape[0]:
        return None
    return real_stored(got, spec).reshape(reference.shape)


def real_distance(got: Array, expected: Array) -> Distance:
    """Compare real values; a NaN on one side only is an infinite distance."""
    first, second = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(first - second)
    error[np.isnan(first) & np.isnan(second) | (first == second)] = 0.0
    error[np.isnan(error)] = np.inf
    return Distance(float(error.max(initial=0.0)), float(error.mean()) if error.size else 0.0)


def real_stored(stored: Array, spec: TensorSpec) -> Array:
    """Return stored values in real units; integers without a scale stand for themselves."""
    if spec.is_integer and spec.quant is None:
        return stored.astype(np.float64)
    return dequantize(stored, spec)
