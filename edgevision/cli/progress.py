"""One line on a terminal that says what is going on, for what takes longer than a second."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TextIO

APPEARS_AFTER_S = 1.0
REFRESH_S = 0.2
CLEAR = "\r\x1b[K"
_BAR_WIDTH = 24


class ProgressLine:
    """A progress callback ``(done, total)`` that draws itself while its block runs; silent where no terminal is."""

    def __init__(self, what: str, stream: TextIO) -> None:
        """Prepare a line that says ``what`` on ``stream``."""
        self._what = what
        self._stream = stream
        self._count: tuple[int, int] | None = None
        self._counting: tuple[int, float] | None = None
        self._start = time.monotonic()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._draw_until_finished, daemon=True)
        self._lock = threading.Lock()
        self._drawn = False

    def __call__(self, done: int, total: int, what: str | None = None) -> None:
        """Say that ``done`` of ``total`` steps are behind us, and perhaps ``what`` the next one is."""
        self._count = (done, total)
        self._what = what or self._what
        if self._counting is None or done < self._counting[0]:
            self._counting = (done, time.monotonic())

    def say(self, what: str) -> None:
        """Say what is going on now; the count starts again."""
        self._what, self._count, self._counting = what, None, None

    def note(self, text: str) -> None:
        """Print a line of text above this one, where there is a terminal and where there is none."""
        with self._lock:
            self._stream.write(f"{CLEAR if self._drawn else ''}{text}\n")
            self._stream.flush()

    def __enter__(self) -> ProgressLine:
        if self._stream.isatty():
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finished.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._drawn:
            self._stream.write(CLEAR)
            self._stream.flush()

    def text(self) -> str:
        """Return the line as it would be drawn now."""
        seconds = f"{time.monotonic() - self._start:.0f} s"
        if self._count is None:
            return f"{self._what} … {seconds}"
        done, total = self._count
        filled = _BAR_WIDTH * done // max(total, 1)
        bar = "█" * filled + "░" * (_BAR_WIDTH - filled)
        return f"{self._what} {bar} {done}/{total} {seconds}{self._left(done, total)}"

    def _left(self, done: int, total: int) -> str:
        """Say how long the rest takes if it goes on as since counting began; nothing before a step was seen."""
        if self._counting is None or not self._counting[0] < done < total:
            return ""
        first, start = self._counting
        left = (time.monotonic() - start) / (done - first) * (total - done)
        return f", {left / 60:.0f} min left" if left >= 120 else f", {left:.0f} s left"

    def _draw_until_finished(self) -> None:
        wait_s = APPEARS_AFTER_S
        while not self._finished.wait(wait_s):
            wait_s = REFRESH_S
            with self._lock:
                self._drawn = True
                self._stream.write(f"{CLEAR}{self.text()}")
                self._stream.flush()
