"""Latencies: the samples as they came, and what is read off them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.documents import check_fields
from edgevision.errors import ConfigError


@dataclass(frozen=True)
class LatencyStats:
    """Times of single inferences.

    Attributes:
        samples_ms: Every steady inference, in the order in which they ran, in milliseconds.
        first_ms: The first inference after loading, which is no part of the samples; None when not measured.
    """

    samples_ms: tuple[float, ...]
    first_ms: float | None = None

    def __post_init__(self) -> None:
        numbers = [*self.samples_ms, *([] if self.first_ms is None else [self.first_ms])]
        if not self.samples_ms or not all(math.isfinite(value) and value >= 0 for value in numbers):
            raise ConfigError("latency: at least one sample, each finite and not negative", got=len(self.samples_ms))

    @classmethod
    def from_samples(cls, samples_ms: Sequence[float], first_ms: float | None = None) -> LatencyStats:
        """Keep the samples; raises ConfigError when there are none, or one is negative or not finite."""
        return cls(tuple(float(value) for value in samples_ms), None if first_ms is None else float(first_ms))

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile, interpolated linearly between samples.

        >>> LatencyStats((1.0, 2.0, 3.0, 4.0)).percentile_ms(50)
        2.5
        """
        return float(np.percentile(self.samples_ms, percent))

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self.samples_ms)

    @property
    def p50_ms(self) -> float:
        """The median."""
        return self.percentile_ms(50)

    @property
    def p90_ms(self) -> float:
        """Nine of ten inferences took no longer."""
        return self.percentile_ms(90)

    @property
    def p95_ms(self) -> float:
        """19 of 20 inferences took no longer."""
        return self.percentile_ms(95)

    @property
    def p99_ms(self) -> float:
        """99 of 100 inferences took no longer."""
        return self.percentile_ms(99)

    @property
    def mean_ms(self) -> float:
        """The arithmetic mean."""
        return float(np.mean(self.samples_ms))

    @property
    def min_ms(self) -> float:
        """The fastest."""
        return min(self.samples_ms)

    @property
    def max_ms(self) -> float:
        """The slowest."""
        return max(self.samples_ms)

    @property
    def throughput_ips(self) -> float:
        """Inferences per second, one after another: the reciprocal of the mean; infinite when it is 0."""
        return 1000.0 / self.mean_ms if self.mean_ms else math.inf

    def to_dict(self, *, samples: bool = True) -> dict[str, Any]:
        """Return the JSON form; the samples are left out on request, the figures read off them never."""
        names = ("count", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "mean_ms", "min_ms", "max_ms", "first_ms")
        document: dict[str, Any] = {name: getattr(self, name) for name in names}
        if samples:
            document["samples_ms"] = list(self.samples_ms)
        return document

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LatencyStats:
        """Read the JSON form, which must have the samples; raises ConfigError."""
        if not isinstance(data, Mapping) or "samples_ms" not in data:
            raise ConfigError("latency: no samples in it")
        check_fields("latency", data, required=("samples_ms",), optional=tuple(data))
        try:
            return cls.from_samples(data["samples_ms"], data.get("first_ms"))
        except (TypeError, ValueError) as exc:
            raise ConfigError("latency: samples are numbers", got=str(exc)) from exc
