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
    real = real_distance(_real(got, spec), _real(expected, spec))
    if not spec.is_integer:
        return real
    steps = int(np.abs(got.astype(np.int64) - expected.astype(np.int64)).max(initial=0))
    return Distance(real.max_abs_error, real.mean_abs_error, steps)


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
    return _real(got, spec).reshape(reference.shape)


def real_distance(got: Array, expected: Array) -> Distance:
    """Compare real values; a NaN on one side only is an infinite distance."""
    first, second = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(first - second)
    error[np.isnan(first) & np.isnan(second) | (first == second)] = 0.0
    error[np.isnan(error)] = np.inf
    return Distance(float(error.max(initial=0.0)), float(error.mean()) if error.size else 0.0)


def _real(stored: Array, spec: TensorSpec) -> Array:
    if spec.is_integer and spec.quant is None:
        return stored.astype(np.float64)
    return dequantize(stored, spec)
