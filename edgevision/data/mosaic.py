"""Mosaic archives: a zip of lossless mosaics of equal square tiles, ``labels.npy`` and ``classes.txt``.

A tile costs about 1.7 kB for CIFAR-10, a third less than a PNG each. Members: ``*.webp`` or ``*.png`` (in
name order; tiles row by row), ``labels.npy`` (integers, one per tile), ``classes.txt`` (one name per line).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgevision.data.dataset import ArrayDataset
from edgevision.data.images import load_image
from edgevision.errors import DatasetError

if TYPE_CHECKING:
    from edgevision.tensors import Array

TILE = 32
_IMAGES = (".webp", ".png")


def is_mosaic(archive: zipfile.ZipFile) -> bool:
    """Tell whether ``archive`` is a mosaic archive, by its members."""
    return {"labels.npy", "classes.txt"} <= set(archive.namelist())


def read_mosaic(path: Path) -> ArrayDataset:
    """Read a mosaic archive.

    Raises:
        DatasetError: the archive is damaged, or tiles and labels do not match.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            targets = np.load(io.BytesIO(archive.read("labels.npy")), allow_pickle=False)
            labels = archive.read("classes.txt").decode().split()
            mosaics = sorted(name for name in archive.namelist() if name.endswith(_IMAGES))
            tiles = [_tiles(load_image(archive.read(name))) for name in mosaics]
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as exc:
        raise DatasetError(f"cannot read the mosaic archive {path}: {exc}", next_step="copy the file again") from exc
    pixels = np.concatenate(tiles) if tiles else np.zeros((0, TILE, TILE, 3), np.uint8)
    return ArrayDataset(pixels[: len(targets)], targets, labels, path.name)


def write_mosaic(path: Path, pixels: Array, targets: Array, labels: Sequence[str]) -> None:
    """Write uint8 RGB ``pixels`` (N, 32, 32, 3) as one WebP-lossless mosaic with their labels."""
    import numpy as np
    from PIL import Image

    columns = 50
    rows = -(-len(pixels) // columns)
    canvas = np.zeros((rows * columns, TILE, TILE, 3), np.uint8)
    canvas[: len(pixels)] = pixels
    mosaic = canvas.reshape(rows, columns, TILE, TILE, 3).transpose(0, 2, 1, 3, 4)
    image, numbers = io.BytesIO(), io.BytesIO()
    Image.fromarray(mosaic.reshape(rows * TILE, columns * TILE, 3)).save(
        image, "WEBP", lossless=True, quality=100, method=6
    )
    np.save(numbers, np.asarray(targets, np.uint8))
    with zipfile.ZipFile(path, "w") as archive:
        members = ("mosaic.webp", image.getvalue()), ("labels.npy", numbers.getvalue())
        for name, content in (*members, ("classes.txt", "\n".join(labels).encode() + b"\n")):
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)


def _tiles(mosaic: Array) -> Array:
    rows, columns = mosaic.shape[0] // TILE, mosaic.shape[1] // TILE
    grid = mosaic.reshape(rows, TILE, columns, TILE, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(-1, TILE, TILE, 3)
