"""Student's t distribution, for intervals and tests of a mean; the base install has no SciPy."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import lru_cache

from edgevision.errors import ConfigError

_TINY = 1e-300
_STEPS = 500


def student_p(t: float, freedom: int) -> float:
    """Return the two-sided p value of a t statistic: the chance of one as far from 0, in either direction.

    Args:
        t: The statistic; infinite ones have p = 0.
        freedom: Degrees of freedom, 1 or more.

    Raises:
        ConfigError: ``freedom`` is less than 1.

    >>> round(student_p(2.228, 10), 3)
    0.05
    """
    if freedom < 1:
        raise ConfigError("student: degrees of freedom", got=freedom, allowed="1 or more")
    if math.isinf(t):
        return 0.0
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


@lru_cache(maxsize=256)
def student_quantile(confidence: float, freedom: int) -> float:
    """Return the t that a statistic stays within, in either direction, with this probability.

    Raises:
        ConfigError: A confidence outside 0 to 1, or ``freedom`` is less than 1.

    >>> round(student_quantile(0.95, 10), 3)
    2.228
    """
    if not 0 < confidence < 1:
        raise ConfigError("student: confidence", got=confidence, allowed="between 0 and 1")
    low, high = 0.0, 1.0
    while student_p(high, freedom) > 1 - confidence:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_p(middle, freedom) > 1 - confidence else (low, middle)
    return high


def against_one(values: Sequence[float], other: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return an interval of the mean of ``values`` less the mean of which ``other`` is a single measurement.

    How far a single one strays is taken from the values, as for a prediction interval (Student's t): both are of the
    same spread.

    Args:
        values: Independent measurements, two at least.
        other: One more, of something else.
        confidence: Confidence of the interval, between 0 and 1.

    Raises:
        ConfigError: Fewer than two values, or a confidence outside 0 to 1.

    >>> low, high = against_one([1.0, 1.1, 0.9, 1.0], 0.5)
    >>> round(low, 2), round(high, 2)
    (0.21, 0.79)
    """
    count = len(values)
    if count < 2:
        raise ConfigError("interval: values", got=count, allowed="two or more")
    difference = statistics.fmean(values) - other
    half = student_quantile(confidence, count - 1) * statistics.stdev(values) * math.sqrt(1 + 1 / count)
    return difference - half, difference + half


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function (DLMF, section 8.17), from whichever side converges quickly."""
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) / (a * _continued_fraction(a, b, x))


def _continued_fraction(a: float, b: float, x: float) -> float:
    """1 + d1/(1 + d2/(1 + …)) of DLMF 8.17.22, by Lentz's method."""
    value = c = 1.0
    d = 0.0
    for step in range(1, _STEPS):
        m = step // 2
        if step % 2:
            part = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            part = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + part * d or _TINY)
        c = 1 + part / c or _TINY
        value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return value
