"""How often two models say the same."""

from __future__ import annotations

import numpy as np

from edgevision.errors import InputError
from edgevision.metrics.intervals import Proportion, proportion
from edgevision.tensors import Array


def agreement(first: Array, second: Array) -> Proportion:
    """Return in how many places two arrays of predicted classes, int (N,), are equal, with the 95% Wilson interval.

    Raises:
        InputError: Different shapes, or nothing to compare.

    >>> agreement(np.array([3, 1, 2]), np.array([3, 1, 0])).successes
    2
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or first.ndim != 1 or first.size == 0:
        raise InputError(
            "agreement: not two lists of predictions for the same images",
            got=f"shapes {list(first.shape)} and {list(second.shape)}",
        )
    return proportion(int(np.count_nonzero(first == second)), int(first.size))
