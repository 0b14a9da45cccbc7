"""How long to wait before the next try."""

from __future__ import annotations

import random
from collections.abc import Iterator


def waits(first_s: float, at_most_s: float, seed: int | None = None) -> Iterator[float]:
    """Yield waiting times in seconds: each twice the last up to a limit, shortened at random by up to a half.

    Cameras behind one switch come back together; without the randomness all of them would be asked at once.
    """
    chance, longest = random.Random(seed), first_s
    while True:
        yield longest * chance.uniform(0.5, 1.0)
        longest = min(at_most_s, 2 * longest)
