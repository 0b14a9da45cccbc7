"""From a location, as a user types it, to images with boxes."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from edgevision.data.coco import coco_files, read_coco
from edgevision.data.detection import DetectionDataset
from edgevision.data.splits import DIRECTORIES, SPLITS, no_such_split, unsplit
from edgevision.data.store import FolderStore, Store, ZipStore
from edgevision.data.unreviewed import UNREVIEWED
from edgevision.data.yolo import labelled_images, read_yolo
from edgevision.errors import DatasetError, check_choice

FORMS = (
    "a folder or zip of images with YOLO's texts and classes.txt (or data.yaml), or with a JSON of COCO's form; "
    "or that JSON"
)


def open_detection_dataset(
    location: str | Path, split: str | None = None, *, default: str = "test"
) -> DetectionDataset:
    """Open the images with boxes at ``location``.

    Args:
        location: A folder or zip of images with YOLO's texts or COCO's JSON, or such a JSON file.
        split: ``train`` or ``test``; None takes ``default`` where the location is split, and all images where not.
        default: The split to prefer.

    Raises:
        DatasetError: Nothing there, nothing readable in it, or no such split.
        ConfigError: ``split`` is not one of `edgevision.data.splits.SPLITS`.
    """
    if split is not None:
        check_choice("split", split, SPLITS)
    path = Path(location)
    if not path.exists():
        raise DatasetError(f"no dataset at {path}", allowed=FORMS, next_step="check the path")
    if path.suffix.lower() == ".json":
        root = path.parent.parent if path.parent.name == "annotations" else path.parent
        return unsplit(read_coco(FolderStore(root), path.relative_to(root).as_posix()), path, split)
    store = _store(path)
    found = None if store is None else find_boxes(store, split, default)
    if found is None:
        raise DatasetError(f"{path} holds no images with boxes", allowed=FORMS, next_step=_review(store))
    return found


def _review(store: Store | None) -> str | None:
    """Say what to do where there are boxes that nobody reviewed."""
    proposed = store is not None and any(UNREVIEWED in PurePosixPath(name).parts for name in store.names)
    if not proposed:
        return None
    return f"those in {UNREVIEWED}/ are a model's answers: look at them, and move them to labels/"


def holds_boxes(location: str | Path) -> bool:
    """Say whether there are images with boxes at ``location``, which need not exist."""
    path = Path(location)
    if path.suffix.lower() == ".json":
        return path.is_file()
    store = _store(path) if path.exists() else None
    return store is not None and bool(coco_files(store) or labelled_images(store))


def find_boxes(store: Store, split: str | None, default: str) -> DetectionDataset | None:
    """Return the images with boxes of a store; None where there are none.

    Raises:
        DatasetError: No such split.
    """
    path = Path(store.origin)
    files = coco_files(store)
    if files:
        return _split(files, path, split, default, lambda names: read_coco(store, _only(names, path)))
    images = labelled_images(store)
    if images:
        return _split(images, path, split, default, lambda names: read_yolo(store, names))
    return None


def _split(
    names: list[str], path: Path, split: str | None, default: str, read: Callable[[list[str]], DetectionDataset]
) -> DetectionDataset:
    parts = {part: [name for name in names if split_of(name) == part] for part in SPLITS}
    if not any(parts.values()):
        return unsplit(read(names), path, split)
    wanted = split or default
    if not parts[wanted]:
        raise no_such_split(path, wanted)
    return read(parts[wanted])


def split_of(name: str) -> str | None:
    """Return which split a file belongs to by a word in its path; None where there is none.

    >>> split_of("images/val2017/1.jpg"), split_of("annotations/instances_train2017.json"), split_of("images/1.jpg")
    ('test', 'train', None)
    """
    path = PurePosixPath(name)
    words = [word for part in (*path.parts[:-1], path.stem) for word in re.findall("[a-z]+", part.lower())]
    folders = words if path.suffix == ".json" else words[: len(words) - len(re.findall("[a-z]+", path.stem.lower()))]
    return next((split for split in SPLITS for word in folders if word in DIRECTORIES[split]), None)


def _only(names: Sequence[str], path: Path) -> str:
    if len(names) != 1:
        raise DatasetError(
            f"{path} has several files of annotations", got=", ".join(names[:4]), next_step="name one of them"
        )
    return names[0]


def _store(path: Path) -> Store | None:
    if path.is_dir():
        return FolderStore(path)
    return ZipStore(path) if zipfile.is_zipfile(path) else None
