"""Identity metrics (E. Ristani et al., Performance Measures and a Data Set for Multi-Target Tracking, 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.assignment import match
from edgevision.metrics.tracking_pairs import ALMOST, FramePairs, share


@dataclass(frozen=True)
class Identity:
    """How much of each true track its best predicted track has.

    Attributes:
        idf1: Harmonic mean of ``idp`` and ``idr``.
        idp: Share of the predicted boxes that are of the right track.
        idr: Share of the true boxes that have one.
        idtp: Boxes of the right track.
        idfp: Predicted boxes of a wrong one.
        idfn: True boxes without one.
    """

    idf1: float
    idp: float
    idr: float
    idtp: int
    idfp: int
    idfn: int


def identity(frames: Sequence[FramePairs], tracks: tuple[int, int], min_iou: float) -> Identity:
    """Give each true track one predicted track at most, so that most boxes agree, and count them."""
    together = np.zeros(tracks)
    for frame in frames:
        rows, columns = np.nonzero(frame.overlap >= min_iou - ALMOST)
        together[frame.true[rows], frame.said[columns]] += 1
    rows, columns = match(together)
    idtp = int(together[rows, columns].sum())
    idfn = sum(len(frame.true) for frame in frames) - idtp
    idfp = sum(len(frame.said) for frame in frames) - idtp
    return Identity(
        share(2 * idtp, 2 * idtp + idfp + idfn), share(idtp, idtp + idfp), share(idtp, idtp + idfn), idtp, idfp, idfn
    )
