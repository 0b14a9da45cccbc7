"""The wall clock, for who deletes by age: a jump ahead is believed once it has lasted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

JUMP_S = 3600.0
"""So far ahead of the monotonic clock at once is a jump."""
BELIEVED_S = 3600.0
"""A jump that lasted so long is the time."""


class SettledClock:
    """Seconds since 1970 as before a jump ahead, for an hour after it; then as the wall clock says.

    A clock that is set a year ahead by mistake would make every recording a year old. Whoever is on duty has an hour to
    set it back; one that was wrong before and is right now is right for deletions an hour later. Threads may share it.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with the time that it is.

        Args:
            wall: Seconds since 1970.
            monotonic: Seconds of a clock that nobody sets.
        """
        self._wall, self._monotonic = wall, monotonic
        self._offset = wall() - monotonic()
        self._jumped_s: float | None = None
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the time."""
        with self._lock:
            steady_s = self._monotonic()
            offset = self._wall() - steady_s
            if offset - self._offset < JUMP_S:
                self._offset, self._jumped_s = offset, None
            elif self._jumped_s is None:
                self._jumped_s = steady_s
            elif steady_s - self._jumped_s >= BELIEVED_S:
                self._offset, self._jumped_s = offset, None
            return steady_s + self._offset


SETTLED = SettledClock()
"""That of this process."""
