"""Face verification: how often the same person is accepted while others are (almost) never."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgevision.errors import ConfigError, InputError
from edgevision.metrics.intervals import Proportion, proportion
from edgevision.tensors import Array


@dataclass(frozen=True)
class Acceptance:
    """One threshold of a verification.

    Attributes:
        asked_far: The false accept rate that was asked for, 0 to 1.
        threshold: Least score that is accepted; infinite where not even the highest impostor may be.
        far: False accept rate at it: share of pairs of different people that are accepted.
        tar: True accept rate at it: share of pairs of one person that are accepted.
    """

    asked_far: float
    threshold: float
    far: Proportion
    tar: Proportion

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; a threshold that is infinite is null there."""
        return {**asdict(self), "threshold": self.threshold if np.isfinite(self.threshold) else None}


def tar_at_far(genuine: Array, impostor: Array, far: float) -> Acceptance:
    """Return the true accept rate at the lowest threshold whose false accept rate is at most ``far``.

    Args:
        genuine: Scores of pairs of one person (N,), higher for more alike.
        impostor: Scores of pairs of different people (M,).
        far: Allowed share of impostor pairs that are accepted, 0 to 1.

    Raises:
        ConfigError: A rate that is no share.
        InputError: No pairs of either kind, or scores that are NaN.

    >>> got = tar_at_far(np.array([0.9, 0.8, 0.4]), np.array([0.5, 0.3, 0.2, 0.1]), 0.25)
    >>> got.threshold, got.tar.successes, got.far.successes
    (0.4, 3, 1)
    """
    if not 0 <= far <= 1:
        raise ConfigError("far", got=far, allowed="0 to 1")
    same, others = (np.sort(np.asarray(values, np.float64).ravel()) for values in (genuine, impostor))
    if not len(same) or not len(others) or np.isnan(same).any() or np.isnan(others).any():
        raise InputError("tar_at_far: scores of both kinds, none NaN", got=f"{len(same)} and {len(others)}")
    scores = np.unique(np.concatenate([same, others]))
    accepted = len(others) - np.searchsorted(others, scores, side="left")
    allowed = np.flatnonzero(accepted <= np.floor(far * len(others) + 1e-9))
    threshold = float(scores[allowed[0]]) if len(allowed) else float("inf")
    return Acceptance(far, threshold, _accepted(others, threshold), _accepted(same, threshold))


def pair_scores(vectors: Array, people: Sequence[object]) -> tuple[Array, Array]:
    """Return the cosines of all pairs of unit vectors (N, D): those of one person, and those of different people."""
    names = np.unique(np.asarray(people), return_inverse=True)[1]
    upper = np.triu_indices(len(names), 1)
    cosines = (np.asarray(vectors, np.float64) @ np.asarray(vectors, np.float64).T)[upper]
    same = names[upper[0]] == names[upper[1]]
    return cosines[same], cosines[~same]


def _accepted(ascending: Array, threshold: float) -> Proportion:
    return proportion(len(ascending) - int(np.searchsorted(ascending, threshold, side="left")), len(ascending))
