"""What every source of frames is: opened, read until it ends, closed; and what it gives."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edgevision.errors import ConfigError
from edgevision.frames import Frame


@dataclass(frozen=True, eq=False)
class CapturedFrame:
    """One frame, and when it was taken.

    Attributes:
        source: Name of its source.
        sequence: Its number since the source was opened for the first time, from 0; frames that were dropped are
            counted.
        captured_s: When it came in, in seconds of `time.monotonic`; of a recording, which is read as fast as it can be
            worked on, when its beginning was opened and how far it is from there: as if it were watched at its own
            speed.
        frame: The picture, in the planes that the source gave.
        position_s: Its place in a recording, in seconds; None where the source is no recording.
    """

    source: str
    sequence: int
    captured_s: float
    frame: Frame
    position_s: float | None = None


class Source(Protocol):
    """Where frames come from. One thread opens, reads and closes it.

    Attributes:
        live: Whether frames come whether they are read or not, as a camera's do. Of such a source the newest frame
            counts and its end is a failure; a recording is read frame by frame to its end.
    """

    live: bool

    def open(self) -> None:
        """Open it, or open it anew after `close`; raises SourceError, in a bounded time."""

    def read(self) -> tuple[Frame, float | None] | None:
        """Return the next frame and its place in a recording; None at the end. Raises SourceError."""

    def close(self) -> None:
        """Let go of it; any number of times."""


@runtime_checkable
class SoftwareUser(Protocol):
    """A source that software reads which may not be installed."""

    def check_software(self) -> None:
        """Raise BackendUnavailableError where that is not here; nothing is opened."""


def close(source: Source | None) -> None:
    """Let go of a source, whatever a library says to that: the thread that reads it has to go on."""
    if source is not None:
        with suppress(Exception):
            source.close()


LONGEST_S = 86_400.0
"""The longest time limit: a day."""


@dataclass(frozen=True)
class Timeouts:
    """How long a live source may take.

    Attributes:
        open_s: To open.
        read_s: From one frame to the next, as the library that reads is told.
        stalled_s: From one frame to the next, as seen from outside: a library that ignores what it is told is left
            behind, and a fresh connection made.
        retry_s: Until it is tried again after the first failure; twice as long after each further one.
        retry_at_most_s: Until it is tried again, at most.
    """

    open_s: float = 5.0
    read_s: float = 3.0
    stalled_s: float = 5.0
    retry_s: float = 0.5
    retry_at_most_s: float = 4.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value <= LONGEST_S:
                raise ConfigError(f"timeouts: {name}", got=value, allowed=f"seconds, more than 0, up to {LONGEST_S:g}")
