"""A place for one frame, the newest: what is not taken in time is dropped, and counted."""

from __future__ import annotations

import threading
import time

from edgevision.pipeline.sources.base import CapturedFrame


class LatestFrame:
    """Written by one thread, read by any number of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: CapturedFrame | None = None
        self._taken = True
        self._closed = False
        self._given = self._dropped = 0

    def put(self, frame: CapturedFrame) -> None:
        """Put a frame in the place of the one that is there."""
        with self._changed:
            self._dropped += not self._taken
            self._frame, self._taken = frame, False
            self._given += 1
            self._changed.notify_all()

    def take(self, timeout_s: float) -> CapturedFrame | None:
        """Return the newest frame that was not taken yet, once there is one; None when time is up or it closed."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while self._taken and not self._closed:
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return None
            if self._taken:
                return None
            self._taken = True
            return self._frame

    def close(self) -> None:
        """Wake whoever waits; what is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def counts(self) -> tuple[int, int]:
        """How many frames came, and how many of them nobody took before the next one."""
        with self._changed:
            return self._given, self._dropped
