"""Warm-up until stable: caches fill, clocks rise, lazy kernels are chosen; how long that takes differs by machine."""

from __future__ import annotations

import time
from collections.abc import Callable

PARTS = 5
"""In so many parts the least time of a warm-up is run."""
AGREEING = 3
"""So many parts in a row must agree."""
WITHIN = 0.03
"""Share of the lowest median within which they do."""
AT_MOST = 6
"""A warm-up ends after so many times its least time, stable or not."""


def warm_up(run: Callable[[float], float], least_s: float) -> tuple[float, bool]:
    """Run until the last parts take equally long.

    Args:
        run: Infers for so many seconds, once at least, and returns the median latency.
        least_s: Seconds that it lasts at least; with 0 there is none.

    Returns:
        How many seconds it lasted, and whether it was stable in the end.
    """
    if least_s <= 0:
        return 0.0, True
    medians: list[float] = []
    start = time.perf_counter()
    while True:
        medians.append(run(least_s / PARTS))
        passed, last = time.perf_counter() - start, medians[-AGREEING:]
        stable = len(last) == AGREEING and max(last) <= min(last) * (1 + WITHIN)
        if passed >= AT_MOST * least_s or (passed >= least_s and stable):
            return passed, stable
