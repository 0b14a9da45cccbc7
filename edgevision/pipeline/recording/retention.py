"""How much is kept: the oldest recordings go when there are too many bytes, or days."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgevision.errors import ConfigError
from edgevision.pipeline.recording.names import RECORDED
from edgevision.pipeline.recording.settled_clock import SETTLED

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

    def sweep(
        self,
        folder: Path,
        now_s: float | None = None,
        *,
        beside: Sequence[Path] = (),
        spared: Callable[[Path], bool] | None = None,
    ) -> list[Path]:
        """Delete what is over the limits, the oldest first, and return it.

        Only files that are called as recordings are, in folders one level down; those of one name but for its suffix,
        such as a picture and what is known of it, go together. A clock that stands before a recording's end makes it
        new, not old. What cannot be deleted is passed over.

        Args:
            folder: Where the cameras' folders are.
            now_s: Seconds since 1970; None: now, but for a jump ahead, see `SettledClock`.
            beside: More such folders, with files that belong to those in ``folder``.
            spared: Says of a file that it stays, with those of its name, and does not count.
        """
        now_s = SETTLED.now() if now_s is None else now_s
        found = sorted(_recordings([folder, *beside]), key=lambda one: one.ended_s)
        kept = [one for one in found if spared is None or not any(map(spared, one.paths))]
        total = sum(one.size for one in kept)
        gone = []
        for one in kept:
            too_old = self.max_days is not None and now_s - one.ended_s > self.max_days * DAY_S
            too_much = self.max_bytes is not None and total > self.max_bytes
            if not (too_old or too_much):
                continue
            deleted = [path for path in one.paths if _delete(path)]
            gone += deleted
            if len(deleted) == len(one.paths):
                total -= one.size
        return gone


@dataclass
class _Recording:
    """Files of one name: when the last of them ended, their bytes together, their paths."""

    ended_s: float
    size: int
    paths: list[Path]


def _delete(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _recordings(folders: Sequence[Path]) -> list[_Recording]:
    found: dict[tuple[str, str], _Recording] = {}
    for folder in folders:
        for camera in folder.iterdir() if folder.is_dir() else ():
            with suppress(OSError):  # such as lost+found, or what somebody else deleted meanwhile
                if camera.is_dir() and not camera.is_symlink():
                    _of_camera(camera, found)
    return list(found.values())


def _of_camera(folder: Path, found: dict[tuple[str, str], _Recording]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # somebody else deleted it meanwhile
                if RECORDED.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    status, path = entry.stat(), Path(entry.path)
                    one = found.setdefault((folder.name, path.stem), _Recording(0.0, 0, []))
                    one.ended_s = max(one.ended_s, status.st_mtime)
                    one.size += status.st_size
                    one.paths.append(path)
