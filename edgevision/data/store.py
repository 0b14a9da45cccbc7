"""The files of a data set, in a folder or in a zip, by their names with forward slashes."""

from __future__ import annotations

import os
import threading
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath

from edgevision.data.folders import SUFFIXES, is_seen
from edgevision.errors import DatasetError


class Store(ABC):
    """Files of a data set; hidden ones are passed over.

    Attributes:
        origin: Where they are, as a user typed it.
        names: Their names, sorted.
    """

    origin: str
    names: tuple[str, ...]

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return a file's content; raises DatasetError."""

    @abstractmethod
    def stamp(self, name: str) -> bytes:
        """Return bytes that change when the file does, at less than reading all of it."""

    def images(self) -> list[str]:
        """Return the names of image files."""
        return [name for name in self.names if PurePosixPath(name).suffix.lower() in SUFFIXES]


class FolderStore(Store):
    """Files below a folder."""

    def __init__(self, root: Path) -> None:
        """List the files below ``root``."""
        self._root = root
        self.origin = str(root)
        found = (Path(folder, name) for folder, _, names in os.walk(root) for name in names)
        self.names = tuple(sorted(filter(is_seen, (path.relative_to(root).as_posix() for path in found))))

    def read(self, name: str) -> bytes:
        """Return a file's content; raises DatasetError."""
        try:
            return (self._root / name).read_bytes()
        except OSError as exc:
            raise DatasetError(
                f"cannot read {self._root / name}: {exc.strerror or exc}", next_step="check the data set"
            ) from exc

    def stamp(self, name: str) -> bytes:
        """Return the name, size and time of the last change."""
        facts = (self._root / name).stat()
        return f"{name} {facts.st_size} {facts.st_mtime_ns}".encode()


class ZipStore(Store):
    """Files in a zip archive."""

    def __init__(self, path: Path) -> None:
        """List the files in the archive at ``path``; raises DatasetError."""
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as exc:
            raise DatasetError(f"cannot read {path}: {exc}", next_step="copy the archive again") from exc
        self._lock = threading.Lock()
        self.origin = str(path)
        inside = (name for name in self._archive.namelist() if is_seen(name) and not name.endswith("/"))
        self.names = tuple(sorted(inside))

    def read(self, name: str) -> bytes:
        """Return a file's content; raises DatasetError."""
        try:
            with self._lock:
                return self._archive.read(name)
        except (zipfile.BadZipFile, OSError, RuntimeError, KeyError) as exc:
            raise DatasetError(
                f"cannot read {name} in {self.origin}: {exc}", next_step="copy the archive again"
            ) from exc

    def stamp(self, name: str) -> bytes:
        """Return the name, and the size and checksum that the archive keeps."""
        entry = self._archive.getinfo(name)
        return f"{name} {entry.file_size} {entry.CRC:08x}".encode()
