"""Confidence intervals of measured proportions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from statistics import NormalDist
from typing import Any

from edgevision.documents import check_fields
from edgevision.errors import ConfigError


@dataclass(frozen=True)
class Proportion:
    """A share of trials, with its Wilson interval.

    Attributes:
        value: successes / count, 0 to 1; None when there was no trial.
        low: Lower end of the interval, 0 to 1.
        high: Upper end.
        successes: How many trials succeeded.
        count: How many there were.
        confidence: Confidence of the interval, 0 to 1.
    """

    value: float | None
    low: float
    high: float
    successes: int
    count: int
    confidence: float = 0.95

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Proportion:
        """Read the JSON form; raises ConfigError."""
        return cls(**check_fields("proportion", data, required=[item.name for item in fields(cls)]))


def wilson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (E. B. Wilson, JASA 22, 1927); (0, 1) for no trial.

    Raises:
        ConfigError: Not 0 ≤ successes ≤ n, or a confidence outside 0 to 1.

    >>> [round(end, 4) for end in wilson(872, 1000)]
    [0.8499, 0.8913]
    """
    if not 0 <= successes <= n:
        raise ConfigError("wilson: successes", got=successes, allowed=f"0 to {n}")
    if not 0 < confidence < 1:
        raise ConfigError("wilson: confidence", got=confidence, allowed="between 0 and 1")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def proportion(successes: int, n: int, confidence: float = 0.95) -> Proportion:
    """Return successes / n with its `wilson` interval; raises ConfigError as that does."""
    low, high = wilson(successes, n, confidence)
    return Proportion(successes / n if n else None, low, high, int(successes), int(n), confidence)
