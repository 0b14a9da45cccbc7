"""CLEAR MOT (K. Bernardin and R. Stiefelhagen, EURASIP Journal on Image and Video Processing, 2008)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.assignment import match
from edgevision.metrics.tracking_pairs import ALMOST, FramePairs, share
from edgevision.tensors import Array

_NEVER = -1
_STAYS = 1000.0  # what a pair of the frame before counts, against an overlap of 1 at most


@dataclass(frozen=True)
class Clear:
    """Detection errors and switches.

    Attributes:
        mota: 1 - (misses + false_positives + switches) / true boxes; may be negative. 0 when there is no true box.
        motp: Mean overlap of the boxes matched.
        matches: True boxes that have a predicted one.
        misses: True boxes that have none.
        false_positives: Predicted boxes that have no true one.
        switches: True tracks matched with another predicted track than when they were last matched.
        fragmentations: True tracks matched again after having been lost.
        mostly_tracked: True tracks matched in more than 80% of their frames.
        partly_tracked: In 20 to 80%.
        mostly_lost: In less than 20%.
    """

    mota: float
    motp: float
    matches: int
    misses: int
    false_positives: int
    switches: int
    fragmentations: int
    mostly_tracked: int
    partly_tracked: int
    mostly_lost: int


def clear(frames: Sequence[FramePairs], tracks: tuple[int, int], min_iou: float) -> Clear:
    """Count a sequence with ``tracks`` true and predicted tracks.

    As in MOTChallenge, pairs of the frame before stay while they overlap enough; all else is matched for the greatest
    overlap.
    """
    partner, last = np.full(tracks[0], _NEVER), np.full(tracks[0], _NEVER)  # in the frame before; ever
    present, matched, begun = (np.zeros(tracks[0], np.int64) for _ in range(3))
    misses = false_positives = switches = 0
    overlap = 0.0
    for frame in frames:
        present[frame.true] += 1
        if not len(frame.true) or not len(frame.said):
            misses, false_positives = misses + len(frame.true), false_positives + len(frame.said)
            continue
        rows, columns = _pairs(frame, partner, min_iou)
        true, said = frame.true[rows], frame.said[columns]
        switches += int(np.count_nonzero((last[true] != _NEVER) & (last[true] != said)))
        begun[true] += partner[true] == _NEVER
        partner[:] = _NEVER
        partner[true] = last[true] = said
        matched[true] += 1
        misses, false_positives = misses + len(frame.true) - len(rows), false_positives + len(frame.said) - len(rows)
        overlap += float(frame.overlap[rows, columns].sum())
    matches, boxes = int(matched.sum()), int(present.sum())
    shares = matched[present > 0] / present[present > 0]
    mostly, lost = int(np.count_nonzero(shares > 0.8)), int(np.count_nonzero(shares < 0.2))
    return Clear(
        mota=share(matches - false_positives - switches, boxes),
        motp=share(overlap, matches),
        matches=matches,
        misses=misses,
        false_positives=false_positives,
        switches=switches,
        fragmentations=int(np.maximum(begun - 1, 0).sum()),
        mostly_tracked=mostly,
        partly_tracked=len(shares) - mostly - lost,
        mostly_lost=lost,
    )


def _pairs(frame: FramePairs, partner: Array, min_iou: float) -> tuple[Array, Array]:
    stays = partner[frame.true][:, None] == frame.said
    return match(np.where(frame.overlap >= min_iou - ALMOST, frame.overlap + _STAYS * stays, 0))
