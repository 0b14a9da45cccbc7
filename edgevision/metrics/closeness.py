"""How alike two tensors are: signal to noise, and direction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgevision.documents import check_fields
from edgevision.tensors import Array


@dataclass(frozen=True)
class Closeness:
    """How alike a tensor and its reference are, in real units.

    Attributes:
        sqnr_db: Signal to quantization noise ratio, see `sqnr_db`; None where they are equal, or the reference is 0.
        cosine: Cosine of the angle between them, -1 to 1; None where one of them is 0 or not finite.
    """

    sqnr_db: float | None
    cosine: float | None

    @classmethod
    def of(cls, reference: Array, got: Array) -> Closeness:
        """Compare ``got`` with ``reference``, of one shape."""
        return cls(sqnr_db(reference, got), cosine(reference, got))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Closeness:
        """Read the JSON form; raises ConfigError."""
        return cls(**check_fields("closeness", data, required=("sqnr_db", "cosine")))


def sqnr_db(signal: Array, changed: Array) -> float | None:
    """Return 10·log10(Σx² / Σ(x − x̂)²) in decibels; None where nothing changed, or one side is not finite.

    >>> sqnr_db(np.full(4, 10.0), np.full(4, 9.0))
    20.0
    """
    wide = signal.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        noise = float(np.square(wide - changed).sum())
        power = float(np.square(wide).sum())
    usable = math.isfinite(noise) and math.isfinite(power) and noise > 0 and power > 0
    return 10 * math.log10(power / noise) if usable else None


def cosine(first: Array, second: Array) -> float | None:
    """Return the cosine of the angle between two tensors of one shape; None where one is all 0 or not finite.

    >>> round(cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])), 4)
    0.7071
    """
    one, other = first.astype(np.float64).ravel(), second.astype(np.float64).ravel()
    with np.errstate(invalid="ignore", over="ignore"):
        length = float(np.linalg.norm(one) * np.linalg.norm(other))
        product = float(one @ other)
    return product / length if math.isfinite(length) and math.isfinite(product) and length > 0 else None
