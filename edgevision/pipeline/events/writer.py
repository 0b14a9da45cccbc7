"""Events on their way to a spool: written in a thread of their own, so that no frame waits for the disk."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence

from edgevision.errors import ConfigError
from edgevision.pipeline.events.event import Event
from edgevision.pipeline.events.spool import Spool

logger = logging.getLogger("edgevision.pipeline")

MOST = 1024
"""Events that may be under way; who brings more waits."""


class SpoolWriter:
    """Takes events for a spool at once, and has a thread that puts them there, in order.

    What came while the disk was busy is written together, with one flush. No sink sees an event before it is in the
    spool: a process that is killed meanwhile is as one that was killed before those events happened, and loses at most
    `MOST` of them. `flush` waits until what was put is in the spool; `close` does, and ends. With `MOST` events under
    way `put` waits for the disk: nothing is ever dropped here.

    Threads may share it.
    """

    def __init__(self, spool: Spool, *, most: int = MOST) -> None:
        """Begin; the spool stays its owner's, who closes it after this.

        Args:
            spool: Where events go.
            most: So many may be under way, 1 or more.
        """
        self._spool, self._most = spool, most
        self._changed = threading.Condition()
        self._waiting: deque[Event] = deque()
        self._put = self._written = 0
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="spool", daemon=True)
        self._thread.start()

    def put(self, events: Sequence[Event]) -> None:
        """Take in events; they are in the spool soon, in this order.

        Raises:
            InputError: An event's data is not what JSON has; none of them is taken.
            ConfigError: It is closed.
        """
        for event in events:
            event.to_json()
        with self._changed:
            for event in events:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._most)
                if self._closed:
                    raise ConfigError("spool: it is closed, and takes no events")
                self._waiting.append(event)
                self._put += 1
                self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was put so far is in the spool; return whether that is so."""
        with self._changed:
            wanted = self._put
            return self._changed.wait_for(lambda: self._written >= wanted, timeout_s)

    def close(self, timeout_s: float = 30.0) -> bool:
        """Take nothing more, write what is under way, and end; return whether all is written. Any number of times."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and self._written == self._put

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if not self._waiting:
                    return
                events = list(self._waiting)
            try:
                self._spool.put(events)
            except Exception as exc:  # of a kind that nobody thought of; the spool has them in memory and tries again
                logger.error("spool: %s", exc)
            with self._changed:  # taken out only now: they count against `most` until they are in the spool
                for _ in events:
                    self._waiting.popleft()
                self._written += len(events)
                self._changed.notify_all()
