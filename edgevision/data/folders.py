"""Class-per-directory datasets, in a folder or in a zip; images are read when they are asked for."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from edgevision.data.dataset import ImageDataset
from edgevision.data.images import load_image
from edgevision.errors import DatasetError

if TYPE_CHECKING:
    from edgevision.tensors import Array

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"))


class FolderDataset(ImageDataset):
    """Images below one directory per class; classes and files in the order of their names."""

    def __init__(self, root: Path) -> None:
        """List the images below ``root``.

        Raises:
            DatasetError: no class directory holds an image.
        """
        self._files = sorted(
            path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix.lower() in SUFFIXES
        )
        self._root = root
        self.labels, self.targets = _classes(self._files, str(root))

    def image(self, index: int) -> Array:
        """Return image ``index`` as uint8 RGB, shape (height, width, 3)."""
        return load_image(self._root / self._files[index])

    def name(self, index: int) -> str:
        """Return the image's path below the root."""
        return self._files[index]


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
        inside = (name for name in self._archive.namelist() if name.startswith(prefix))
        self._files = sorted(name[len(prefix) :] for name in inside if PurePosixPath(name).suffix.lower() in SUFFIXES)
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
    index = {label: number for number, label in enumerate(labels)}
    return labels, np.asarray([index[name] for name in directories], np.int64)
