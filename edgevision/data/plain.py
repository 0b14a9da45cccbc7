"""Images that nobody labelled: enough to calibrate with, to verify on, and to measure with."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from edgevision.data.dataset import Images
from edgevision.data.images import load_image
from edgevision.data.store import FolderStore, Store, ZipStore
from edgevision.data.unreviewed import are_unlabelled
from edgevision.errors import DatasetError
from edgevision.tensors import Array


class PlainImages(Images):
    """Images of a store, in the order of their names.

    Attributes:
        labels: Empty.
    """

    def __init__(self, store: Store, files: Sequence[str] | None = None) -> None:
        """Take the image files of a store, or those named; raises DatasetError when there is none."""
        self._store, self._files = store, tuple(store.images() if files is None else files)
        self.labels = ()
        if not self._files:
            raise DatasetError(f"{store.origin} holds no image")

    def __len__(self) -> int:
        return len(self._files)

    def image(self, index: int) -> Array:
        """Return image ``index`` as uint8 RGB, shape (height, width, 3)."""
        return load_image(self._store.read(self._files[index]))

    def name(self, index: int) -> str:
        """Return the image's path below the folder."""
        return self._files[index]

    def stamp(self, index: int) -> bytes:
        """Return bytes that change when the file does."""
        return self._store.stamp(self._files[index])

    def subset(self, indices: Sequence[int]) -> PlainImages:
        """Return the images at ``indices``, in that order."""
        return PlainImages(self._store, [self._files[index] for index in indices])


def plain_images(location: str | Path) -> PlainImages | None:
    """Return the images at ``location``; None where it is no folder or zip of images without labels.

    They are beside each other, or as the pipeline captures them: see `edgevision.data.unreviewed`.
    """
    path = Path(location)
    if path.is_dir():
        store: Store = FolderStore(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        store = ZipStore(path)
    else:
        return None
    files = store.images()
    return PlainImages(store, files) if files and are_unlabelled(files) else None
