"""Class-per-directory datasets, in a folder or in a zip; images are read when they are asked for."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from edgevision.data.dataset import ImageDataset
from edgevision.data.images import load_image
from edgevision.data.unreviewed import refusal
from edgevision.errors import DatasetError

if TYPE_CHECKING:
    from edgevision.tensors import Array

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
"""Files of a folder with these suffixes, in any case, are taken for images."""
STAMPED = 4096
"""Bytes at a file's end that tell it from another one of its size: a PNG has the checksum of its pixels there."""


def image_files(root: Path) -> Iterator[Path]:
    """Yield the image files below a folder, to any depth; hidden ones and those in hidden folders are passed over."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if is_seen(name)]
        yield from (Path(folder, name) for name in names if _is_image(name))


def is_seen(path: str) -> bool:
    """Say whether no part of a relative path is hidden; ``__MACOSX`` is, which macOS puts into the zips it makes."""
    return not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(path).parts)


def _is_image(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in SUFFIXES and not path.endswith("/") and is_seen(path)


class FolderDataset(ImageDataset):
    """Images below one directory per class; classes and files in the order of their names."""

    def __init__(self, root: Path) -> None:
        """List the images below ``root``.

        Raises:
            DatasetError: no class directory holds an image.
        """
        self._files = sorted(path.relative_to(root).as_posix() for path in image_files(root))
        self._root = root
        self.labels, self.targets = _classes(self._files, str(root))

    def image(self, index: int) -> Array:
        """Return image ``index`` as uint8 RGB, shape (height, width, 3)."""
        return load_image(self._root / self._files[index])

    def name(self, index: int) -> str:
        """Return the image's path below the root."""
        return self._files[index]

    def stamp(self, index: int) -> bytes:
        """Return the image's path below the root, the file's size, and its last `STAMPED` bytes.

        Raises:
            DatasetError: The file cannot be read.
        """
        path = self._root / self._files[index]
        try:
            with open(path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(-min(size, STAMPED), os.SEEK_END)
                return f"{self._files[index]} {size} ".encode() + file.read()
        except OSError as exc:
            raise DatasetError(f"cannot read {path}: {exc.strerror or exc}", next_step="check the data set") from exc


class ZipDataset(ImageDataset):
    """The same, inside a zip archive; ``prefix`` is the folder in it that holds the class directories."""

    def __init__(self, path: Path, prefix: str = "") -> None:
        """List the images in the archive at ``path``.

        Raises:
            DatasetError: no class directory holds an image.
        """
        self._archive = zipfile.ZipFile(path)
        self._lock = threading.Lock()
        self._prefix = prefix
        inside = (name[len(prefix) :] for name in self._archive.namelist() if name.startswith(prefix))
        self._files = sorted(name for name in inside if _is_image(name))
        self.labels, self.targets = _classes(self._files, f"{path}/{prefix}")

    def image(self, index: int) -> Array:
        """Return image ``index`` as uint8 RGB, shape (height, width, 3)."""
        name = self._prefix + self._files[index]
        try:
            with self._lock:
                content = self._archive.read(name)
        except (zipfile.BadZipFile, OSError, RuntimeError) as exc:
            raise DatasetError(f"cannot read {name}: {exc}", next_step="copy the archive again") from exc
        return load_image(content)

    def name(self, index: int) -> str:
        """Return the image's path in the archive, below the class folders' parent."""
        return self._files[index]

    def stamp(self, index: int) -> bytes:
        """Return the image's path, and the size and checksum that the archive keeps of it."""
        entry = self._archive.getinfo(self._prefix + self._files[index])
        return f"{self._files[index]} {entry.file_size} {entry.CRC:08x}".encode()


def _classes(files: Sequence[str], origin: str) -> tuple[tuple[str, ...], Array]:
    import numpy as np

    directories = [PurePosixPath(file).parts[0] if "/" in file else "" for file in files]
    if not files or "" in directories:
        what = "holds no image" if not files else "holds images outside any class directory"
        raise DatasetError(
            f"{origin} {what}",
            got=None if not files else files[directories.index("")],
            next_step="give each class a directory of its own with its images (" + ", ".join(sorted(SUFFIXES)) + ")",
        )
    labels = tuple(sorted(set(directories)))
    next_step = refusal(labels)
    if next_step is not None:
        raise DatasetError(f"{origin} holds images that nobody labelled", got=", ".join(labels), next_step=next_step)
    index = {label: number for number, label in enumerate(labels)}
    return labels, np.asarray([index[name] for name in directories], np.int64)
