"""Mosaic archives: a zip of lossless mosaics of equal square tiles, ``labels.npy`` and ``classes.txt``.

A tile costs about 1.7 kB for CIFAR-10, a third less than a PNG each. Members: ``*.webp`` or ``*.png`` (in
name order; tiles row by row, and no row without one), ``labels.npy`` (integers, one per tile), ``classes.txt`` (one
name per line). Nothing says how large a tile is: it is the size at which the mosaics have as many as there are labels.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgevision.data.dataset import ArrayDataset
from edgevision.data.images import load_image
from edgevision.errors import DatasetError

if TYPE_CHECKING:
    from edgevision.tensors import Array

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
            names = sorted(name for name in archive.namelist() if name.endswith(_IMAGES))
            mosaics = [load_image(archive.read(name)) for name in names]
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as exc:
        raise DatasetError(f"cannot read the mosaic archive {path}: {exc}", next_step="copy the file again") from exc
    side = _side([mosaic.shape[:2] for mosaic in mosaics], len(targets))
    if side is None:
        raise DatasetError(
            f"{path}: the mosaics do not hold one square tile per label", got=f"{len(targets)} labels",
            next_step="copy the file again",
        )  # fmt: skip
    pixels = np.concatenate([_tiles(mosaic, side) for mosaic in mosaics])
    return ArrayDataset(pixels[: len(targets)], targets, labels, path.name)


def write_mosaic(path: Path, pixels: Array, targets: Array, labels: Sequence[str]) -> None:
    """Write uint8 RGB ``pixels`` (N, side, side, 3) as one WebP-lossless mosaic with their labels."""
    import numpy as np
    from PIL import Image

    columns, side = 50, pixels.shape[1]
    rows = -(-len(pixels) // columns)
    canvas = np.zeros((rows * columns, side, side, 3), np.uint8)
    canvas[: len(pixels)] = pixels
    mosaic = canvas.reshape(rows, columns, side, side, 3).transpose(0, 2, 1, 3, 4)
    image, numbers = io.BytesIO(), io.BytesIO()
    Image.fromarray(mosaic.reshape(rows * side, columns * side, 3)).save(
        image, "WEBP", lossless=True, quality=100, method=6
    )
    np.save(numbers, np.asarray(targets, np.uint8))
    with zipfile.ZipFile(path, "w") as archive:
        members = ("mosaic.webp", image.getvalue()), ("labels.npy", numbers.getvalue())
        for name, content in (*members, ("classes.txt", "\n".join(labels).encode() + b"\n")):
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)


def _side(sizes: Sequence[tuple[int, ...]], count: int) -> int | None:
    """The side of a tile, pixels, at which mosaics of these heights and widths hold ``count``, or less than a row more.

    None where there is no such side.
    """
    common = math.gcd(*(side for size in sizes for side in size))
    for side in range(common, 0, -1):
        held = sum(height * width for height, width in sizes) // side**2
        if common % side == 0 and count <= held < count + sizes[-1][1] // side:
            return side
    return None


def _tiles(mosaic: Array, side: int) -> Array:
    rows, columns = mosaic.shape[0] // side, mosaic.shape[1] // side
    grid = mosaic.reshape(rows, side, columns, side, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(-1, side, side, 3)
