"""Confidence intervals from few independent measurements, without a law that they follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgevision.errors import ConfigError
from edgevision.tensors import Array

RESAMPLES = 4000
TRIMMED, FEWEST_TO_TRIM = 5, 8
"""Of so many values one is left out at either end, where there are this many: one burst of another process would
otherwise decide."""


def middle(values: Sequence[float]) -> float:
    """Return the mean of the values without a fifth of them at either end; of fewer than eight, the mean."""
    return float(_mean_and_error(np.asarray(values, np.float64)[None])[0][0])


def middle_interval(values: Sequence[float], *, confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Return a bootstrap-t interval of `middle` (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, 12.5).

    Percentiles of the resampled means are too narrow for a dozen values; those of the resampled t statistics are not.
    The standard error is Yuen's ("The two-sample trimmed t for unequal population variances", Biometrika 1974): that
    of the values with their ends drawn in to what is not left out.

    Args:
        values: Independent measurements, two at least.
        confidence: Confidence of the interval, between 0 and 1.
        seed: Of the resampling.

    Raises:
        ConfigError: Fewer than two values, one that is not finite, or a confidence outside 0 to 1.
    """
    found = _checked(values, confidence)
    mean, error = _mean_and_error(found[None])
    if not error[0]:
        return float(mean[0]), float(mean[0])
    means, errors = _mean_and_error(_drawn(found, np.random.default_rng(seed)))
    low, high = _ends(means - mean, errors, confidence)
    return float(mean[0] - high * error[0]), float(mean[0] - low * error[0])


def difference_interval(
    values: Sequence[float], others: Sequence[float], *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return a bootstrap-t interval of the `middle` of ``values`` less that of ``others``, two independent samples.

    Args:
        values: Independent measurements, two at least.
        others: Others, whose spread may differ.
        confidence: Confidence of the interval, between 0 and 1.
        seed: Of the resampling.

    Raises:
        ConfigError: As `middle_interval`.
    """
    samples = [_checked(values, confidence), _checked(others, confidence)]
    generator = np.random.default_rng(seed)
    (mean, other), (error, other_error) = zip(*(_mean_and_error(one[None]) for one in samples), strict=True)
    difference, whole = mean - other, np.hypot(error, other_error)
    if not whole[0]:
        return float(difference[0]), float(difference[0])
    (means, others_means), (errors, others_errors) = zip(
        *(_mean_and_error(_drawn(one, generator)) for one in samples), strict=True
    )
    low, high = _ends(means - others_means - difference, np.hypot(errors, others_errors), confidence)
    return float(difference[0] - high * whole[0]), float(difference[0] - low * whole[0])


def _checked(values: Sequence[float], confidence: float) -> Array:
    found = np.asarray(values, np.float64)
    if found.ndim != 1 or len(found) < 2 or not np.isfinite(found).all():
        raise ConfigError("interval: values", got=found.shape, allowed="two finite numbers at least")
    if not 0 < confidence < 1:
        raise ConfigError("interval: confidence", got=confidence, allowed="between 0 and 1")
    return found


def _drawn(found: Array, generator: np.random.Generator) -> Array:
    return generator.choice(found, (RESAMPLES, len(found)))


def _ends(distances: Array, errors: Array, confidence: float) -> tuple[float, float]:
    """The quantiles of the t statistics of what was drawn."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = distances / errors  # infinite where all that was drawn is one value: the far end of the tail
    statistics = statistics[~np.isnan(statistics)]
    low, high = np.quantile(statistics, [0.5 - confidence / 2, 0.5 + confidence / 2], method="closest_observation")
    return low, high


def _mean_and_error(rows: Array) -> tuple[Array, Array]:
    """The trimmed mean of each row, and its standard error."""
    count = rows.shape[1]
    out = count // TRIMMED if count >= FEWEST_TO_TRIM else 0
    drawn_in = np.sort(rows, axis=1)
    means = drawn_in[:, out : count - out].mean(axis=1)
    drawn_in = np.clip(drawn_in, drawn_in[:, [out]], drawn_in[:, [count - out - 1]])
    return means, drawn_in.std(axis=1, ddof=1) / ((1 - 2 * out / count) * np.sqrt(count))
