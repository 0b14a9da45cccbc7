"""A live source read in a thread of its own: always its newest frame, reconnected for ever, never waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgevision.errors import EdgeVisionError
from edgevision.pipeline.sources.backoff import waits
from edgevision.pipeline.sources.base import CapturedFrame, Source, Timeouts, close
from edgevision.pipeline.sources.damage import Damage
from edgevision.pipeline.sources.latest import LatestFrame

LEFT_BEHIND = 3
"""So many threads may hang in a library at once; no further connection is made until one of them returns."""


@dataclass(frozen=True)
class SourceEvent:
    """Something happened to a source.

    Attributes:
        source: Its name.
        kind: "opened", "lost" (it ended or failed), "refused" (it does not open), "stalled" (nothing came, and the
            thread that reads was left behind), "recovered" (frames come again after one of these), "damaged" (packets
            arrive that cannot be decoded), "whole again", "resized" (frames have another size than before) or "closed".
        reason: In words, without secrets; '' where there is nothing to say.
        at_s: When, in seconds of `time.monotonic`.
    """

    source: str
    kind: str
    reason: str
    at_s: float


@dataclass(frozen=True)
class SourceState:
    """How a source is.

    Attributes:
        connected: Whether frames come.
        received: Frames so far.
        dropped: Those of them that a newer one replaced before anybody took them.
        openings: How often it was opened.
        failures: How often it was lost, refused or stalled.
        left_behind: Threads that hang in a library.
        age_s: Seconds since the newest frame; None before the first one.
        corrupt: Packets and pictures that could not be decoded.
        reason: Why frames do not come; '' while they do.
    """

    connected: bool
    received: int
    dropped: int
    openings: int
    failures: int
    left_behind: int
    age_s: float | None
    reason: str
    corrupt: int = 0


class LiveReader:
    """The newest frame of a live source.

    One thread reads; another one watches that frames come. A library that hangs cannot be stopped, so its thread is
    left behind and a new one connects anew; what the old one still gives is thrown away.
    """

    live = True

    def __init__(
        self,
        name: str,
        source: Callable[[], Source],
        *,
        timeouts: Timeouts | None = None,
        told: Callable[[SourceEvent], None] | None = None,
        arrived: Callable[[], None] | None = None,
        seed: int | None = None,
    ) -> None:
        """Describe it; `start` begins.

        Args:
            name: Of the source, in frames and events.
            source: Makes it; called in the thread that will read it, anew after a stall.
            timeouts: How long it may take.
            told: Called at each event, in a thread of the reader; it must return soon.
            arrived: Called after each frame, in the thread that reads; it must return at once.
            seed: Of the waiting times; None: from the system.
        """
        self.name = name
        self._make, self._timeouts = source, timeouts or Timeouts()
        self._told, self._arrived = told, arrived
        self._seed = seed
        self._slot = LatestFrame()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._turn = 0
        self._hanging: list[threading.Thread] = []
        self._reading: threading.Thread | None = None
        self._watching: threading.Thread | None = None
        self._connected, self._reason = False, "not started"
        self._sequence = self._openings = self._failures = 0
        self._progress_s = time.monotonic()
        self._newest_s: float | None = None
        self._size: tuple[int, int] | None = None
        self._trouble: tuple[float, int] | None = None
        self._damage = Damage()

    def start(self) -> LiveReader:
        """Begin to read; returns at once."""
        if self._watching is None:
            self._watching = threading.Thread(target=self._watch, name=f"watch {self.name}", daemon=True)
            self._begin()
            self._watching.start()
        return self

    def take(self, timeout_s: float) -> CapturedFrame | None:
        """Return the newest frame that was not taken yet, waiting up to ``timeout_s`` for one; else None."""
        return self._slot.take(timeout_s)

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to come: only after `close`, since a live source is tried for ever."""
        return self._stopping.is_set()

    def state(self) -> SourceState:
        """Return how it is."""
        received, dropped = self._slot.counts
        with self._lock:
            self._hanging = [thread for thread in self._hanging if thread.is_alive()]
            age = None if self._newest_s is None else time.monotonic() - self._newest_s
            return SourceState(
                self._connected,
                received,
                dropped,
                self._openings,
                self._failures,
                len(self._hanging),
                age,
                self._reason,
                self._damage.total,
            )

    def close(self) -> None:
        """Stop reading; waits for the thread no longer than a frame may take. Any number of times."""
        first = not self._stopping.is_set()
        self._stopping.set()
        self._slot.close()
        for thread in (self._reading, self._watching):
            if thread is not None and thread is not threading.current_thread():
                thread.join(self._timeouts.read_s + 0.5)
        if first and self._watching is not None:
            self._tell("closed", "")

    def __enter__(self) -> LiveReader:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _pauses(self) -> Iterator[float]:
        return waits(self._timeouts.retry_s, self._timeouts.retry_at_most_s, self._seed)

    def _begin(self) -> None:
        with self._lock:
            self._turn += 1
            self._progress_s = time.monotonic()
            turn = self._turn
        self._reading = threading.Thread(target=self._read, args=(turn,), name=f"read {self.name}", daemon=True)
        self._reading.start()

    def _is_mine(self, turn: int) -> bool:
        return turn == self._turn and not self._stopping.is_set()

    def _read(self, turn: int) -> None:
        """Read until it fails, wait, and again; until the reader closes or this thread was left behind."""
        pauses = self._pauses()
        while self._is_mine(turn):
            began_s = time.monotonic()
            kind, reason = self._read_once(turn)
            if not self._is_mine(turn):
                return
            if kind == "lost" and time.monotonic() - began_s > self._timeouts.retry_at_most_s:
                pauses = self._pauses()  # it worked for a while: this failure is a first one
            self._failed(kind, reason)
            pause = next(pauses)
            with self._lock:
                self._progress_s = time.monotonic() + pause
            if self._stopping.wait(pause):
                return

    def _read_once(self, turn: int) -> tuple[str, str]:
        """Open, and read until it fails; return what kind of event that is, and why."""
        source, kind = None, "refused"
        try:
            source = self._make()
            source.open()
            if self._is_mine(turn):
                self._opened()
                kind = "lost"
                while self._next(source, turn):
                    pass
            return kind, "the stream ended; check the camera's power and network; it is tried again"
        except EdgeVisionError as exc:
            return kind, str(exc)
        except Exception as exc:  # a driver or a program of someone else: the camera is lost, not the process
            return kind, f"{type(exc).__name__}: {exc}"
        finally:
            close(source)

    def _opened(self) -> None:
        with self._lock:
            self._openings += 1
            self._progress_s = time.monotonic()
        self._tell("opened", "")

    def _next(self, source: Source, turn: int) -> bool:
        """Put the next frame in its place; False when the stream ended or is no longer this thread's."""
        read = source.read()
        if read is None or not self._is_mine(turn):
            return False
        frame, position = read
        now = time.monotonic()
        with self._lock:
            self._connected, self._reason = True, ""
            self._progress_s = self._newest_s = now
            sequence, self._sequence = self._sequence, self._sequence + 1
            before, self._size = self._size, (frame.width, frame.height)
            trouble, self._trouble = self._trouble, None
        if trouble is not None:
            since_s, failures = trouble
            self._tell("recovered", f"works again after {now - since_s:.1f} s ({failures} failed tries)")
        if (damage := self._damage.note(getattr(source, "corrupt", 0), now)) is not None:
            self._tell(*damage)
        if before not in (None, (frame.width, frame.height)):
            self._tell("resized", "{}x{} before, {}x{} now".format(*before, frame.width, frame.height))
        self._slot.put(CapturedFrame(self.name, sequence, now, frame, position))
        if self._arrived is not None:
            self._arrived()
        return True

    def _watch(self) -> None:
        while not self._stopping.wait(min(0.25, self._timeouts.stalled_s / 4)):
            limit = self._timeouts.stalled_s + (0.0 if self._connected else self._timeouts.open_s)
            with self._lock:
                silent = time.monotonic() - self._progress_s
                self._hanging = [thread for thread in self._hanging if thread.is_alive()]
                room = len(self._hanging) < LEFT_BEHIND
            if silent <= limit or not room:
                continue
            with self._lock:
                if self._reading is not None:
                    self._hanging.append(self._reading)
            self._failed("stalled", f"nothing came for {silent:.1f} s, and the read does not return")
            self._begin()

    def _failed(self, kind: str, reason: str) -> None:
        with self._lock:
            self._connected, self._reason = False, reason
            self._failures += 1
            since_s, failures = self._trouble or (self._newest_s or time.monotonic(), 0)
            self._trouble = since_s, failures + 1
        self._tell(kind, reason)

    def _tell(self, kind: str, reason: str) -> None:
        if self._told is not None:
            self._told(SourceEvent(self.name, kind, reason, time.monotonic()))
