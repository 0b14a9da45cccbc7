"""Two classifiers on the same images: how far apart their accuracies are, with an interval."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.errors import InputError
from edgevision.metrics.intervals import Proportion, proportion

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
