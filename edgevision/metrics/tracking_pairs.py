"""One frame of a comparison of tracks: what each metric starts from."""

from __future__ import annotations

from dataclasses import dataclass

from edgevision.tensors import Array

ALMOST = 2.0**-52
"""An overlap that misses its threshold by rounding alone counts."""


@dataclass(frozen=True)
class FramePairs:
    """Attributes:
    true: (T,) rows of the true tracks in the frame.
    said: (P,) rows of the predicted tracks in it.
    overlap: (T, P) intersection over union.
    """

    true: Array
    said: Array
    overlap: Array


def share(part: float, whole: float) -> float:
    """Return part / whole; 0 of nothing."""
    return float(part) / float(whole) if whole else 0.0
