"""Events in a file, a line of JSON each."""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path

from edgevision.errors import ConfigError, OutputError, reason_of
from edgevision.pipeline.events.event import Event

_TAIL_BYTES = 1 << 18
_REMEMBERED = 1000  # message ids


class JsonLinesSink:
    """Appends each event as a line, flushed to the disk.

    A line is there whole or not at all: what a killed process or a full disk left of one is cut off, and nothing else
    is. A message that is in the file's last 256 kB is not written again. When the file is moved away (as logrotate
    does), a new one is begun.

    Args:
        path: The file; made where it is not there.
        name: What the spool knows it by.

    Attributes:
        path: The file.

    Raises:
        ConfigError: The path is a folder, a pipe or a device: nothing is kept there.
    """

    def __init__(self, path: str | Path, *, name: str = "json-lines") -> None:
        self.name, self.path = name, Path(path)
        if os.path.exists(path) and not os.path.isfile(path):
            raise ConfigError(f"json lines: {self.path} is no file that keeps lines", next_step="name a file")
        self._file: int | None = None
        self._inode = 0
        self._recent: deque[str] = deque(maxlen=_REMEMBERED)

    def send(self, event: Event) -> None:
        """Append a line; raises OutputError."""
        try:
            file = self._open()
            if event.message_id in self._recent:
                return
            self._append(file, (event.to_json() + "\n").encode())
        except OSError as exc:
            self.close()
            raise OutputError(f"{self.path}: {reason_of(exc)}", next_step="free space, or check permissions") from exc
        self._recent.append(event.message_id)

    def idle(self) -> None:
        """Nothing is to be done between events."""

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        if self._file is not None and self.path.exists() and self.path.stat().st_ino == self._inode:
            return self._file
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._inode = os.fstat(self._file).st_ino
        self._repair(self._file)
        return self._file

    def _append(self, file: int, line: bytes) -> None:
        size = os.fstat(file).st_size
        try:
            written = os.write(file, line)
            if written < len(line):
                os.write(file, line[written:])  # says why
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)
            raise

    def _repair(self, file: int) -> None:
        """Cut off an event that has no end, end what others left open, and note which messages the last lines are."""
        size = os.fstat(file).st_size
        begin = max(0, size - _TAIL_BYTES)
        tail = os.pread(file, size - begin, begin)
        whole = tail.rfind(b"\n") + 1
        if _is_half_an_event(tail[whole:]):
            os.ftruncate(file, begin + whole)
        elif whole < len(tail):
            os.write(file, b"\n")
        for line in tail.splitlines():
            try:
                self._recent.append(str(json.loads(line)["message_id"]))
            except (ValueError, KeyError, TypeError):
                continue  # the first line may be half of one, and others may write here


def _is_half_an_event(rest: bytes) -> bool:
    """Whether what stands behind the last line end is the beginning of an event, or what a power cut leaves of one."""
    try:
        json.loads(rest)
    except ValueError:
        return not rest.strip(b"\0") or rest.startswith(_BEGINNING) or _BEGINNING.startswith(rest)
    return False  # a whole document


_BEGINNING = b'{"data":'
"""How each event begins: keys are sorted."""
