"""Percentiles that a sample supports, as MLPerf's early stopping decides it, or none.

The plain 99th percentile of a hundred samples is about their largest one: another hundred would give another number,
as often below the true percentile as above. MLPerf takes instead an order statistic that is no less than the true
percentile with 99% confidence, whatever the law of the samples (it takes one more than the smallest such), and refuses
where there is none to take (V. J. Reddi et al., "MLPerf Inference Benchmark", ISCA 2020; early stopping: LoadGen's
`results.cc`, tolerance 0). The confidence is that of independent samples; `edgevision.benchmark.noise` tells where
neighbouring latencies hang together.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache

import numpy as np

from edgevision.errors import ConfigError

CONFIDENCE = 0.99


def early_stopping_percentile(
    samples: Sequence[float], percent: float, *, confidence: float = CONFIDENCE
) -> float | None:
    """Return an upper estimate of a percentile; None for too few samples.

    Of n samples the t-th largest is taken, where t ≥ 1 is the largest number with P(X ≤ t) ≤ 1 - confidence, X being
    binomial with n trials of probability 1 - percent / 100: how many samples lie above the true percentile.

    Args:
        samples: Independent measurements, in any order.
        percent: Between 0 and 100.
        confidence: That the true percentile is no greater than what is returned.

    Raises:
        ConfigError: A percentage or a confidence out of range.

    >>> early_stopping_percentile(range(1, 664), 99)
    663
    >>> early_stopping_percentile(range(1, 10_001), 99)
    9924
    """
    _check(percent, confidence)
    above = _samples_above(len(samples), percent, confidence)
    return sorted(samples)[len(samples) - above] if above else None


@cache
def samples_needed(percent: float, confidence: float = CONFIDENCE) -> int:
    """Return the fewest samples with which `early_stopping_percentile` returns an estimate; raises as that does.

    >>> [samples_needed(percent) for percent in (90, 95, 99)]
    [64, 130, 662]
    """
    _check(percent, confidence)
    share = 1 - percent / 100
    return next(n for n in itertools.count(2) if (1 - share) ** (n - 1) * (1 + (n - 1) * share) <= 1 - confidence)


@cache
def _samples_above(count: int, percent: float, confidence: float) -> int:
    """Return the t of `early_stopping_percentile`; 0 where there is none."""
    share = 1 - percent / 100
    most = min(count, int(count * share) + 1)
    places = np.arange(1, most + 1)
    steps = np.log((count - places + 1) / places) + np.log(share / (1 - share))
    logarithms = count * np.log(1 - share) + np.concatenate([[0.0], np.cumsum(steps)])
    return max(0, int(np.count_nonzero(np.cumsum(np.exp(logarithms)) <= 1 - confidence)) - 1)


def _check(percent: float, confidence: float) -> None:
    if not 0 < percent < 100:
        raise ConfigError("early stopping: percentile", got=percent, allowed="between 0 and 100")
    if not 0 < confidence < 1:
        raise ConfigError("early stopping: confidence", got=confidence, allowed="between 0 and 1")
