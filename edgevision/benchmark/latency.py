"""Latencies: the samples as they came, and what may be read off them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.documents import check_fields
from edgevision.errors import ConfigError
from edgevision.metrics.percentiles import early_stopping_percentile


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

    def percentile_ms(self, percent: float) -> float | None:
        """Return what a percentile is at most, with 99% confidence; None where the samples are too few to say.

        See `edgevision.metrics.percentiles`.
        """
        return early_stopping_percentile(self.samples_ms, percent)

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self.samples_ms)

    @property
    def p50_ms(self) -> float:
        """The median of the samples, between the two in the middle of an even number."""
        return statistics.median(self.samples_ms)

    @property
    def p90_ms(self) -> float | None:
        """Nine of ten inferences take no longer, see `percentile_ms`; None with fewer than 64 samples."""
        return self.percentile_ms(90)

    @property
    def p95_ms(self) -> float | None:
        """19 of 20 inferences take no longer, see `percentile_ms`; None with fewer than 130 samples."""
        return self.percentile_ms(95)

    @property
    def p99_ms(self) -> float | None:
        """99 of 100 inferences take no longer, see `percentile_ms`; None with fewer than 662 samples."""
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
