"""How much is kept: the oldest recordings go when there are too many bytes, or days."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgevision.errors import ConfigError
from edgevision.pipeline.recording.names import RECORDED

DAY_S = 86400.0


@dataclass(frozen=True)
class Retention:
    """Limits of a folder of recordings, all cameras together.

    Attributes:
        max_bytes: Most bytes; None: as many as there are.
        max_days: Most days since a recording ended; None: for ever.
    """

    max_bytes: int | None = 10_000_000_000
    max_days: float | None = 30.0

    def __post_init__(self) -> None:
        if self.max_bytes is not None and self.max_bytes < 1:
            raise ConfigError("retention: max_bytes", got=self.max_bytes, allowed="1 or more")
        if self.max_days is not None and not self.max_days > 0:
            raise ConfigError("retention: max_days", got=self.max_days, allowed="more than 0")

    def sweep(self, folder: Path, now_s: float | None = None) -> list[Path]:
        """Delete what is over the limits, the oldest first, and return it.

        Only files that are called as recordings are, in folders one level down. A clock that stands before a
        recording's end makes it new, not old. What cannot be deleted is passed over.

        Args:
            folder: Where the cameras' folders are.
            now_s: Seconds since 1970; None: now.
        """
        now_s = time.time() if now_s is None else now_s
        found = sorted(_recordings(folder), key=lambda entry: entry[0])
        total = sum(size for _, size, _ in found)
        gone = []
        for ended_s, size, path in found:
            too_old = self.max_days is not None and now_s - ended_s > self.max_days * DAY_S
            too_much = self.max_bytes is not None and total > self.max_bytes
            if not (too_old or too_much):
                continue
            try:
                path.unlink()
            except OSError:
                continue
            total -= size
            gone.append(path)
        return gone


def _recordings(folder: Path) -> list[tuple[float, int, Path]]:
    """When it ended, bytes and path of each recording; folders of others that cannot be read have none."""
    found = []
    for camera in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):  # such as lost+found, or what somebody else deleted meanwhile
            if camera.is_dir() and not camera.is_symlink():
                found += _of_camera(camera)
    return found


def _of_camera(folder: Path) -> list[tuple[float, int, Path]]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # somebody else deleted it meanwhile
                if RECORDED.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    status = entry.stat()
                    found.append((status.st_mtime, status.st_size, Path(entry.path)))
    return found
