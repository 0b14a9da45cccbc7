"""A recording at its own speed, as if a camera showed it: to try deadlines and drops with."""

from __future__ import annotations

import time

from edgevision.frames import Frame
from edgevision.pipeline.sources.video import VideoSource


class ReplaySource:
    """A live source whose frames are those of a film, again and again. It has no end, but where a film has no frames.

    Attributes:
        live: True.
    """

    live = True

    def __init__(self, film: VideoSource) -> None:
        self._film = film
        self._began_s: float | None = None

    def check_software(self) -> None:
        """Raise BackendUnavailableError without what reads the film."""
        self._film.check_software()

    def open(self) -> None:
        """Open the film; raises SourceError."""
        self._film.open()
        self._began_s = None

    def read(self) -> tuple[Frame, float | None] | None:
        """Return the next frame when its time has come, without its place: nobody is to wait for the past."""
        found = self._film.read()
        if found is None:
            self.close()
            self.open()
            found = self._film.read()
        if found is None:
            return None
        frame, position_s = found
        now_s = time.monotonic()
        if self._began_s is None:
            self._began_s = now_s - (position_s or 0.0)
        time.sleep(max(0.0, self._began_s + (position_s or 0.0) - now_s))
        return frame, None

    def close(self) -> None:
        """Let go of the film; any number of times."""
        self._film.close()
