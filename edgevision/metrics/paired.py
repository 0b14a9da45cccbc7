"""Two classifiers on the same images: how far apart their accuracies and their losses are, and whether by chance."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.errors import ConfigError, InputError
from edgevision.metrics.intervals import Proportion, proportion
from edgevision.metrics.student import student_p, student_quantile

if TYPE_CHECKING:
    from edgevision.tensors import Array


@dataclass(frozen=True)
class Effect:
    """What a change did to a classifier's answers.

    Attributes:
        accuracy: Share of images that are right after it, 0 to 1.
        agreement: Share of images whose best class is the one from before, right or wrong.
        points: Accuracy after minus accuracy before, in percentage points; negative where it got worse.
        low: Lower end of the 95% interval of ``points``.
        high: Upper end.
    """

    accuracy: Proportion
    agreement: Proportion
    points: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def paired_effect(targets: Array, before: Array, after: Array, confidence: float = 0.95) -> Effect:
    """Compare predicted classes (N,) of the same images before and after a change.

    The interval is that of a difference of paired proportions with half a pair added to each cell (A. Agresti and Y.
    Min, Statistics in Medicine 24, 2005): only images on which exactly one of the two is right count.

    Raises:
        InputError: No images, or lengths that differ.

    >>> import numpy as np
    >>> effect = paired_effect(np.zeros(100), np.zeros(100), np.repeat([0, 1], [80, 20]))
    >>> effect.points, round(effect.low, 1), round(effect.high, 1)
    (-20.0, -27.5, -11.7)
    """
    count = len(targets)
    if count == 0 or not count == len(before) == len(after):
        raise InputError("paired effect: as many answers as targets", got=f"{count}, {len(before)} and {len(after)}")
    right_before, right_after = np.asarray(before) == targets, np.asarray(after) == targets
    gained, lost = int((right_after & ~right_before).sum()), int((right_before & ~right_after).sum())
    up, down, total = gained + 0.5, lost + 0.5, count + 2
    centre = (up - down) / total
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    half = z * math.sqrt(up + down - (up - down) ** 2 / total) / total
    return Effect(
        accuracy=proportion(int(right_after.sum()), count),
        agreement=proportion(int((np.asarray(before) == np.asarray(after)).sum()), count),
        points=100 * (gained - lost) / count,
        low=100 * max(-1.0, centre - half),
        high=100 * min(1.0, centre + half),
    )


@dataclass(frozen=True)
class LossDifference:
    """How much the loss of one classifier is above that of another one on the same images.

    Attributes:
        mean: Mean over the images of loss after minus loss before, nats; positive where it got worse.
        low: Lower end of the simultaneous interval of ``mean``.
        high: Upper end.
        p: Two-sided p value of "the mean is 0", corrected for the number of comparisons, 0 to 1.
        count: Images.
    """

    mean: float
    low: float
    high: float
    p: float
    count: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def paired_loss(before: Array, after: Array, *, comparisons: int = 1, confidence: float = 0.95) -> LossDifference:
    """Compare the losses (N,) of two classifiers on the same images with a paired t test (Student, Biometrika 6, 1908).

    How sure a classifier is of the true class moves long before its best class does: this test tells apart what
    `mcnemar` cannot. Interval and p value are Bonferroni's for so many comparisons: the interval leaves 0 out exactly
    when ``p < 1 - confidence``.

    Raises:
        InputError: Fewer than two images, or lengths that differ.
        ConfigError: Fewer than one comparison, or a confidence outside 0 to 1.

    >>> import numpy as np
    >>> found = paired_loss(np.zeros(4), np.array([1.0, 2.0, 3.0, 4.0]))
    >>> found.mean, round(found.low, 2), round(found.high, 2), round(found.p, 3)
    (2.5, 0.45, 4.55, 0.03)
    """
    if len(before) < 2 or len(before) != len(after):
        raise InputError("paired loss: as many losses as before, two at least", got=f"{len(before)} and {len(after)}")
    if comparisons < 1 or not 0 < confidence < 1:
        raise ConfigError(
            "paired loss: comparisons and confidence",
            got=f"{comparisons} and {confidence}",
            allowed="1 or more, and between 0 and 1",
        )
    differences = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    count, mean = len(differences), float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(count)
    if not error:
        return LossDifference(mean, mean, mean, 0.0 if mean else 1.0, count)
    half = error * student_quantile(1 - (1 - confidence) / comparisons, count - 1)
    p = min(1.0, comparisons * student_p(mean / error, count - 1))
    return LossDifference(mean, mean - half, mean + half, p, count)


def mcnemar(right_before: Array, right_after: Array) -> float:
    """Return the exact two-sided p value of McNemar's test (Psychometrika 12, 1947).

    Args:
        right_before: Whether each image was classified rightly before, bool (N,).
        right_after: The same afterwards.

    Raises:
        InputError: Lengths that differ.

    >>> import numpy as np
    >>> mcnemar(np.zeros(5, bool), np.ones(5, bool))
    0.0625
    """
    if len(right_before) != len(right_after):
        raise InputError("mcnemar: as many answers as before", got=f"{len(right_before)} and {len(right_after)}")
    gained = int((np.asarray(right_after) & ~np.asarray(right_before)).sum())
    lost = int((np.asarray(right_before) & ~np.asarray(right_after)).sum())
    changed = gained + lost
    whole = math.lgamma(changed + 1) - changed * math.log(2)
    logs = [whole - math.lgamma(k + 1) - math.lgamma(changed - k + 1) for k in range(min(gained, lost) + 1)]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))
