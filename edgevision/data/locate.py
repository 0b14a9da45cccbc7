"""From a location, as a user types it, to a dataset."""

from __future__ import annotations

import tarfile
import zipfile
from importlib import resources
from pathlib import Path
from typing import Protocol, TypeVar

from edgevision.data import cifar10
from edgevision.data.dataset import ImageDataset, Images
from edgevision.data.folders import FolderDataset, ZipDataset, is_seen
from edgevision.data.locate_boxes import holds_boxes, open_detection_dataset
from edgevision.data.mosaic import is_mosaic, read_mosaic
from edgevision.data.plain import plain_images
from edgevision.data.splits import DIRECTORIES, SPLITS, no_such_split, other, unsplit
from edgevision.errors import DatasetError, check_choice

D_co = TypeVar("D_co", covariant=True)
_FORMS = (
    "a folder or zip with a directory per class (below train/ and test/ where it is split), a mosaic archive, "
    "the CIFAR-10 batches folder or tar.gz, 'sample' (real images shipped with edgevision), 'cifar10' (downloads)"
)


def open_dataset(location: str | Path, split: str | None = None, *, default: str = "test") -> ImageDataset:
    """Open the labelled images at ``location``.

    Args:
        location: a path, ``sample`` or ``cifar10``.
        split: ``train`` or ``test``; None takes ``default`` where the location is split, and all images where not.
        default: the split to prefer.

    Raises:
        DatasetError: nothing there, nothing readable in it, or no such split.
        ConfigError: ``split`` is not one of `SPLITS`.
    """
    if split is not None:
        check_choice("split", split, SPLITS)
    if location == "sample":
        return sample(split or default)
    if location == "cifar10" and not Path(location).exists():
        return cifar10.download(split or default)
    path = Path(location)
    if holds_boxes(path):
        raise DatasetError(f"{path}: its images have boxes, not classes", allowed=_FORMS)
    if path.is_dir():
        return _open_folder(path, split, default)
    if not path.exists():
        raise DatasetError(f"no dataset at {path}", allowed=_FORMS, next_step="check the path")
    try:
        return _open_file(path, split, default)
    except OSError as exc:
        raise DatasetError(f"cannot read {path}: {exc}", next_step="check the file and its permissions") from exc


def open_images(location: str | Path, split: str | None = None, *, default: str = "test") -> Images:
    """Open the images at ``location``, whether they have classes, boxes or no labels; see `open_dataset`.

    Images without labels are a folder or zip of them, with no folders below it.
    """
    if location not in ("sample", "cifar10") and holds_boxes(location):
        return open_detection_dataset(location, split, default=default)
    plain = plain_images(location)
    if plain is not None and not _is_mosaic(Path(location)):
        return unsplit(plain, Path(location), split)
    return open_dataset(location, split, default=default)


def _is_mosaic(path: Path) -> bool:
    if path.is_dir():
        return False
    with zipfile.ZipFile(path) as archive:
        return is_mosaic(archive)


def open_splits(location: str | Path) -> tuple[ImageDataset, ImageDataset | None]:
    """Open the train and the test images at ``location``; where it is not split, every image and None.

    Raises:
        DatasetError: nothing there, nothing readable in it, or no train images.
    """
    return _both(location, open_dataset)


def open_image_splits(location: str | Path) -> tuple[Images, Images | None]:
    """Open them as `open_splits` does, whether they have classes, boxes or no labels."""
    return _both(location, open_images)


class _Open(Protocol[D_co]):
    def __call__(self, location: str | Path, split: str | None = None, *, default: str = "test") -> D_co: ...


def _both(location: str | Path, open_: _Open[D_co]) -> tuple[D_co, D_co | None]:
    train = open_(location, default="train")
    try:
        return train, open_(location, "test")
    except DatasetError:
        return train, None


def sample(split: str) -> ImageDataset:
    """Return the CIFAR-10 images that edgevision ships: 1,600 to fine-tune and calibrate with, or 1,000 to test on."""
    with resources.as_file(resources.files("edgevision") / "assets" / f"cifar10_sample_{split}.zip") as path:
        return read_mosaic(path)


def _open_file(path: Path, split: str | None, default: str) -> ImageDataset:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if is_mosaic(archive):
                return unsplit(read_mosaic(path), path, split)
            names = [name for name in archive.namelist() if is_seen(name)]
        return _open_zip(path, names, split, default)
    if tarfile.is_tarfile(path):
        return cifar10.read_tar(path, split or default)
    raise DatasetError(f"{path} is not a dataset", allowed=_FORMS)


def _open_zip(path: Path, names: list[str], split: str | None, default: str) -> ImageDataset:
    wanted = split or default
    prefix = _split_prefix(names, wanted)
    if prefix is not None:
        return ZipDataset(path, prefix)
    if _split_prefix(names, other(wanted)) is not None:
        raise no_such_split(path, wanted)
    return unsplit(ZipDataset(path, _top(names)), path, split)


def _open_folder(path: Path, split: str | None, default: str) -> ImageDataset:
    wanted = split or default
    if cifar10.is_batches_folder(path):
        return cifar10.read_folder(path, wanted)
    archives = [file for file in sorted(path.glob("*.zip")) if file.stem == wanted or file.stem.endswith("_" + wanted)]
    if len(archives) == 1:
        return _open_file(archives[0], None, default)
    for name in DIRECTORIES[wanted]:
        if (path / name).is_dir():
            return FolderDataset(path / name)
    if any((path / name).is_dir() for name in DIRECTORIES[other(wanted)]):
        raise no_such_split(path, wanted)
    return unsplit(FolderDataset(path), path, split)


def _top(names: list[str]) -> str:
    """Return the one folder that a zip's members share, when there are folders below it: its name is no class."""
    tops = {name.split("/", 1)[0] for name in names if "/" in name}
    if len(tops) == 1 and any(name.count("/") >= 2 for name in names):
        return tops.pop() + "/"
    return ""


def _split_prefix(names: list[str], split: str) -> str | None:
    for directory in DIRECTORIES[split]:
        for base in ("", _top(names)):
            if any(name.startswith(f"{base}{directory}/") for name in names):
                return f"{base}{directory}/"
    return None
