"""The distribution of a tensor's values, gathered batch by batch in one pass and in any order."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from edgevision.tensors import Array

BINS = 4096
"""Most bins of a histogram; there are at least about half as many once the range is known."""

PRECISION = 24
"""Bits of a float32's mantissa: bins are never finer than that of the outermost value."""

LARGEST = 3e38
"""Values beyond are infinities in disguise (masks, padding of a maximum), and count for nothing."""


@dataclass
class Histogram:
    """Counts of values in bins of width 2^exponent, the bin ``i`` being [i·width, (i+1)·width).

    The width is the smallest power of two with which `BINS` bins hold every value that came, so that it, and each
    count, depends on the values and not on their order.

    Attributes:
        minimum: Smallest value; infinite before there is any.
        maximum: Largest value.
        zeros: How many values are exactly 0; they are in no bin.
        exponent: Of the width of a bin.
        first: Number of the first bin in ``counts``.
        counts: int64, values in each bin.
    """

    minimum: float = math.inf
    maximum: float = -math.inf
    zeros: int = 0
    exponent: int = -1000
    first: int = 0
    counts: Array = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, values: Array) -> None:
        """Count values of any shape, float32; those beyond ±`LARGEST` are left out.

        Raises:
            ValueError: A value is NaN.
        """
        low, high = float(values.min()), float(values.max())
        if math.isnan(low) or math.isnan(high):
            raise ValueError("NaN")
        flat = values.ravel()
        if low < -LARGEST or high > LARGEST:
            flat = flat[np.abs(flat) <= LARGEST]
            if not flat.size:
                return
            low, high = float(flat.min()), float(flat.max())
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)
        self.zeros += int(np.count_nonzero(flat == 0))
        flat = flat[flat != 0]
        if flat.size:
            self._widen(float(flat.min()), float(flat.max()))
            bins = np.floor(np.ldexp(flat.astype(np.float64), -self.exponent)).astype(np.int64)
            self.counts += np.bincount(bins - self.first, minlength=len(self.counts))

    @property
    def centres(self) -> Array:
        """The middle of each bin, float64."""
        return np.ldexp(np.arange(len(self.counts)) + self.first + 0.5, self.exponent)

    def _widen(self, low: float, high: float) -> None:
        """Make the bins hold ``low`` to ``high`` as well."""
        known = len(self.counts)
        if known:
            low = min(low, math.ldexp(self.first, self.exponent))
            high = max(high, math.ldexp(self.first + known - 1, self.exponent))
        exponent = max(self.exponent, math.frexp(max(-low, high))[1] - PRECISION)
        while _bin(high, exponent) - _bin(low, exponent) >= BINS:
            exponent += 1
        first = _bin(low, exponent)
        counts = np.zeros(_bin(high, exponent) - first + 1, np.int64)
        if known:
            places = ((np.arange(known) + self.first) >> (exponent - self.exponent)) - first
            np.add.at(counts, places, self.counts)
        self.exponent, self.first, self.counts = exponent, first, counts


def _bin(value: float, exponent: int) -> int:
    return math.floor(math.ldexp(value, -exponent))
