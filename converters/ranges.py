"""Choosing the range that 256 levels are spread over: everything that was seen, or less of it and finer.

Every range has 0 in it, because padding and zero weights must be exact.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from edgevision.converters.histogram import Histogram
from edgevision.tensors import Array

METHODS = ("min_max", "percentile", "mse", "entropy")

OUTLIERS = 1e-4
"""Share of the values that ``percentile`` leaves outside on either side."""

CANDIDATES = 128
"""Ends of the range that are tried on either side, evenly spaced between 0 and the outermost value."""

LEVELS = 256

Cost = Callable[[float, float], float]


def choose_range(histogram: Histogram, method: str) -> tuple[float, float]:
    """Return the (low, high) that a tensor of this distribution is quantized in: low <= 0 <= high.

    ``min_max`` takes the smallest and the largest value. ``percentile`` leaves out the share `OUTLIERS` on either
    side. ``mse`` makes the mean squared error of quantizing smallest (Sung et al., "Resiliency of Deep Neural
    Networks under Quantization", 2015). ``entropy`` makes the divergence of Kullback and Leibler smallest between
    the distribution and what is left of it (Migacz, "8-bit Inference with TensorRT", 2017), here with either end of
    the range for itself.

    >>> values = Histogram()
    >>> values.add(np.append(np.linspace(0, 1, 99_999), 50).astype(np.float32))
    >>> choose_range(values, "min_max"), choose_range(values, "percentile")[1] < 1.1
    ((0.0, 50.0), True)
    """
    low, high = min(histogram.minimum, 0.0), max(histogram.maximum, 0.0)
    if method == "min_max" or not len(histogram.counts):
        return low, high
    if method == "percentile":
        return _percentile(histogram, low, high)
    cost = _squared_error(histogram) if method == "mse" else _divergence(histogram)
    return _search(cost, low, high)


def choose_ranges(
    statistics: Mapping[str, Histogram], method: str, inputs: Collection[str]
) -> dict[str, tuple[float, float]]:
    """Return the range of every tensor; the model's ``inputs`` keep all that was seen, whatever the method."""
    return {
        name: choose_range(histogram, "min_max" if name in inputs else method) for name, histogram in statistics.items()
    }


def _percentile(histogram: Histogram, low: float, high: float) -> tuple[float, float]:
    counts, total = histogram.counts, int(histogram.counts.sum()) + histogram.zeros
    below = np.cumsum(counts) + np.where(histogram.centres > 0, histogram.zeros, 0)
    inside = np.flatnonzero((below > OUTLIERS * total) & (below - counts < (1 - OUTLIERS) * total))
    if not len(inside):  # all but a few values are 0
        return low, high
    width = np.ldexp(1.0, histogram.exponent)
    ends = (histogram.first + inside[0]) * width, (histogram.first + inside[-1] + 1) * width
    return max(low, min(ends[0], 0.0)), min(high, max(ends[1], 0.0))


def _search(cost: Cost, low: float, high: float) -> tuple[float, float]:
    """Return the range of least cost: the high end for the widest low one, then the low end for that, and again."""
    shares = np.arange(CANDIDATES, 0, -1) / CANDIDATES  # of ranges that are equally good, the widest
    best_low, best_high = low, high
    for _ in range(2):
        if high > 0:
            ends = shares * high
            best_high = float(ends[np.argmin([cost(best_low, end) for end in ends])])
        if low < 0:
            ends = shares * low
            best_low = float(ends[np.argmin([cost(end, best_high) for end in ends])])
        if low == 0 or high == 0:
            break
    return best_low, best_high


def _squared_error(histogram: Histogram) -> Cost:
    values, counts = histogram.centres, histogram.counts

    def cost(low: float, high: float) -> float:
        scale = (high - low) / (LEVELS - 1)
        lowest = np.rint(low / scale)
        stored = np.clip(np.rint(values / scale), lowest, lowest + LEVELS - 1) * scale
        return float(np.dot(counts, (values - stored) ** 2))

    return cost


def _divergence(histogram: Histogram) -> Cost:
    values, counts = histogram.centres, histogram.counts.astype(np.float64)
    total = counts.sum()

    def cost(low: float, high: float) -> float:
        inside = (values >= low) & (values <= high)
        if inside.sum() < LEVELS:
            return np.inf
        kept = counts[inside]
        clipped = kept.copy()
        clipped[0] += counts[values < low].sum()
        clipped[-1] += counts[values > high].sum()
        return _kullback_leibler(clipped / total, _in_levels(kept) / max(kept.sum(), 1.0))

    return cost


def _in_levels(counts: Array) -> Array:
    """Return what `LEVELS` levels keep of a distribution: each one's count, evenly on its bins that are not empty."""
    level = np.arange(len(counts)) * LEVELS // len(counts)
    filled = counts > 0
    sums = np.bincount(level, counts, LEVELS)
    sizes = np.maximum(np.bincount(level, filled, LEVELS), 1)
    spread: Array = np.where(filled, (sums / sizes)[level], 0.0)
    return spread


def _kullback_leibler(wanted: Array, found: Array) -> float:
    some = wanted > 0
    return float(np.sum(wanted[some] * np.log(wanted[some] / np.maximum(found[some], 1e-9))))
