"""A recording read ahead in a thread of its own: every frame, in order, a few at a time."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable

from edgevision.errors import EdgeVisionError
from edgevision.frames import Frame
from edgevision.pipeline.sources.base import CapturedFrame, Source, close
from edgevision.pipeline.sources.live import SourceEvent, SourceState
from edgevision.pipeline.timing import StageTimes

AHEAD = 4
"""Frames that are decoded before they are asked for."""
SHORTEST_S = 1e-4
"""Frames whose places do not advance are taken to be so far apart: time goes on."""
JUMP_S = 1.0
"""Places that go back by more than this belong to another recording; by less, they are out of order."""


FORWARD_S = 10.0
"""Where places may jump, those that go forward by more than this belong to another recording; so FFmpeg takes it."""


class PlayingTime:
    """When each frame of a recording would be seen, if it were watched from now on at its own speed.

    Places count from the first one: a transport stream begins anywhere. Where they jump back, as where two files were
    put together, time goes on from there; where they jump forward only if that is usual for this kind of file, since
    of others it may be a gap that is meant.
    """

    def __init__(self, began_s: float, *, jumps: bool = False) -> None:
        """Begin at a time of `time.monotonic`; ``jumps`` says whether jumps forward mean nothing."""
        self._last_s, self._zero_s = began_s, math.nan
        self._forward_s = FORWARD_S if jumps else math.inf

    def captured_s(self, position_s: float | None, now_s: float) -> float:
        """Return the time of the next frame, which is later than that before; now where it has no place."""
        taken_s = now_s
        if position_s is not None:
            step_s = self._zero_s + position_s - self._last_s
            if not -JUMP_S <= step_s <= self._forward_s:  # nor is NaN, at the first one
                self._zero_s = self._last_s + SHORTEST_S - position_s
            taken_s = self._zero_s + position_s
        self._last_s = max(taken_s, self._last_s + SHORTEST_S)
        return self._last_s


class RecordingReader:
    """Every frame of a recording, decoded while earlier ones are worked on."""

    live = False

    def __init__(
        self,
        name: str,
        source: Callable[[], Source],
        *,
        told: Callable[[SourceEvent], None] | None = None,
        arrived: Callable[[], None] | None = None,
        times: StageTimes | None = None,
    ) -> None:
        """Describe it; `start` begins.

        Args:
            name: As for `LiveReader`, like ``source``, ``told`` and ``arrived``.
            source: Makes it.
            told: Called with what happens to it.
            arrived: Called when a frame is there.
            times: Where it is noted how long reading and decoding a frame take, as "read".
        """
        self.name, self._times = name, times or StageTimes()
        self._make, self._told, self._arrived = source, told, arrived
        self._frames: queue.Queue[CapturedFrame] = queue.Queue(AHEAD)
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._received = self._failures = self._corrupt = 0
        self._reason = "not started"
        self._newest_s: float | None = None

    def start(self) -> RecordingReader:
        """Begin to read; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name=f"read {self.name}", daemon=True)
            self._thread.start()
        return self

    def take(self, timeout_s: float) -> CapturedFrame | None:
        """Return the next frame; None when it takes longer, or there are no more: see `ended`."""
        try:
            return self._frames.get(timeout=timeout_s) if timeout_s > 0 else self._frames.get_nowait()
        except queue.Empty:
            return None

    @property
    def ended(self) -> bool:
        """Whether every frame was taken."""
        return self._done.is_set() and self._frames.empty()

    def state(self) -> SourceState:
        """Return how it is; of a recording no frame is dropped."""
        age = None if self._newest_s is None else time.monotonic() - self._newest_s
        reading = self._thread is not None and not self._done.is_set()
        return SourceState(
            reading, self._received, 0, int(self._received > 0), self._failures, 0, age, self._reason, self._corrupt
        )  # fmt: skip

    def close(self) -> None:
        """Stop reading; any number of times."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(10)

    def __enter__(self) -> RecordingReader:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _read(self) -> None:
        source, kind, reason = None, "refused", ""
        try:
            source = self._make()
            source.open()
            kind, self._reason = "lost", ""
            self._tell("opened", "")
            clock = PlayingTime(time.monotonic(), jumps=getattr(source, "jumps", False))
            while not self._stopping.is_set() and (read := self._next(source)) is not None:
                self._newest_s = time.monotonic()
                frame, position_s = read
                captured_s = clock.captured_s(position_s, self._newest_s)
                self._offer(CapturedFrame(self.name, self._received, captured_s, frame, position_s))
                self._received += 1
            kind, reason = "closed", "before its end" if self._stopping.is_set() else "every frame was read"
        except EdgeVisionError as exc:
            reason = str(exc)
        except Exception as exc:  # a decoder or a program of someone else
            reason = f"{type(exc).__name__}: {exc}"
        finally:
            close(source)
            self._reason = reason
            self._failures += kind != "closed"
            self._done.set()
            self._tell(kind, reason)
            if self._arrived is not None:
                self._arrived()

    def _next(self, source: Source) -> tuple[Frame, float | None] | None:
        started = self._times.start()
        try:
            read = source.read()
        finally:
            self._corrupt = getattr(source, "corrupt", 0)
        if read is not None:
            self._times.stop("read", started)
        return read

    def _offer(self, frame: CapturedFrame) -> None:
        while not self._stopping.is_set():
            try:
                self._frames.put(frame, timeout=0.1)
            except queue.Full:
                continue
            if self._arrived is not None:
                self._arrived()
            return

    def _tell(self, kind: str, reason: str) -> None:
        if self._told is not None:
            self._told(SourceEvent(self.name, kind, reason, time.monotonic()))
