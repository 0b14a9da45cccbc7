"""From the spool to a sink, for as long as it takes."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edgevision.errors import ConfigError, EdgeVisionError
from edgevision.pipeline.events.spool import Spool
from edgevision.pipeline.events.store import Message
from edgevision.pipeline.sinks.sink import RefusedError, Sink

logger = logging.getLogger("edgevision.pipeline")

NOTED_S = 0.1
"""While many events wait, the disk is told what was delivered this often: who dies in between sends so much again."""

LONGEST_ASKED_S = 3600.0
"""What a sink asks for in ``retry_after_s`` is given up to this."""

_LOOK_S = 0.5  # how often a quiet thread looks whether it shall stop


@dataclass(frozen=True)
class DeliveryStats:
    """How a delivery is doing.

    Attributes:
        delivered: Messages that the sink has.
        refused: Messages that it will never take; they are let go.
        failures: Attempts that failed.
        error: Why the last attempt failed; None when it did not.
    """

    delivered: int
    refused: int
    failures: int
    error: str | None


class Delivery:
    """A thread that takes events from a spool to a sink, in order, and tries again until each has arrived.

    After a failure it waits, twice as long after each, from ``first_wait_s`` up to ``longest_wait_s``, each time a
    random half to the whole of it: a hundred cameras do not knock at a broker at once. It logs a line when deliveries
    begin to fail, and one when they work again.

    Args:
        spool: Where events wait.
        sink: Where they go; it is closed at the end.
        first_wait_s: Longest wait after a first failure.
        longest_wait_s: Longest wait of all.
        seed: For tests, of the random waits.

    Raises:
        ConfigError: Waits that make no sense.
    """

    def __init__(
        self,
        spool: Spool,
        sink: Sink,
        *,
        first_wait_s: float = 0.5,
        longest_wait_s: float = 5.0,
        seed: int | None = None,
    ) -> None:
        if not 0 < first_wait_s <= longest_wait_s:
            raise ConfigError(
                "delivery: waits", got=f"{first_wait_s} and {longest_wait_s} s", allowed="0 < first ≤ longest"
            )
        self._spool, self._sink = spool, sink
        self._first_wait_s, self._longest_wait_s = first_wait_s, longest_wait_s
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._delivered = self._refused = self._failures = self._in_a_row = 0
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"edgevision-sink-{sink.name}", daemon=True)
        self._thread.start()

    def stats(self) -> DeliveryStats:
        """Return how it is doing."""
        return DeliveryStats(self._delivered, self._refused, self._failures, self._error)

    def close(self, drain_s: float = 0.0) -> bool:
        """Stop, after up to ``drain_s`` seconds for what still waits; return whether nothing does. Idempotent.

        What waits stays in the spool. An attempt that is under way is waited for: as long as the sink's own time limit.
        """
        end = time.monotonic() + drain_s
        while self._has_more() and time.monotonic() < end:
            time.sleep(0.02)
        self._stop.set()
        self._thread.join()
        return not self._has_more()

    def _has_more(self) -> bool:
        try:
            return bool(self._spool.next(self._sink.name, 1))
        except EdgeVisionError:  # a disk that cannot be read: whatever waits stays there
            return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                waiting = self._spool.next(self._sink.name, timeout_s=_LOOK_S)
            except EdgeVisionError as exc:  # a disk that cannot be read: it may be again
                self._failed(exc)
                continue
            if not waiting:
                self._attempt(self._sink.idle)
            noted_s = time.monotonic()
            for message in waiting:
                at_once = message is waiting[-1] or time.monotonic() - noted_s > NOTED_S
                if self._stop.is_set() or not self._deliver(message, at_once):
                    break
                noted_s = time.monotonic() if at_once else noted_s
        self._sink.close()

    def _deliver(self, message: Message, at_once: bool) -> bool:
        """Try one message once; return whether the next may be tried."""
        try:
            arrived = self._attempt(lambda: self._sink.send(message.event))
            self._delivered += arrived
        except RefusedError as exc:
            logger.error("sink %s: event %s is given up: %s", self._sink.name, message.event.message_id, exc)
            self._refused, arrived = self._refused + 1, True
        if arrived:
            self._spool.acknowledge(self._sink.name, message, at_once=at_once)
        return arrived

    def _attempt(self, action: Callable[[], None]) -> bool:
        """Do something with the sink; after a failure wait, and return False."""
        try:
            action()
        except RefusedError:
            raise
        except EdgeVisionError as exc:
            self._failed(exc)
            return False
        except Exception as exc:  # whatever a sink does, the others and the pipeline go on
            self._failed(EdgeVisionError(f"sink {self._sink.name}: unexpected {type(exc).__name__}"))
            return False
        if self._error is not None:
            logger.warning("sink %s: works again, after %d attempts", self._sink.name, self._in_a_row)
        self._error, self._in_a_row = None, 0
        return True

    def _failed(self, error: EdgeVisionError) -> None:
        self._failures += 1
        if self._error is None:
            logger.warning("sink %s: fails, and is tried again: %s", self._sink.name, error)
        self._error = str(error)
        longest = min(self._first_wait_s * 2 ** min(self._in_a_row, 30), self._longest_wait_s)
        self._in_a_row += 1
        asked = getattr(error, "retry_after_s", None) or 0.0
        self._stop.wait(max(longest * self._random.uniform(0.5, 1.0), min(asked, LONGEST_ASKED_S)))
