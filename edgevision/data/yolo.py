"""YOLO's labels: a text file for each image, with a line "class x y width height" in shares of the image per box.

An outline, "class x1 y1 x2 y2 x3 y3 …", stands for the box around it. Texts are beside their images, or in a folder
``labels`` where the images have ``images``. One in a folder ``unreviewed`` there is what a model said: it does not
count, and its image is left out until it has a label (`edgevision.data.unreviewed`). Class names are in ``classes.txt``
or under ``names`` in ``data.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from edgevision.data.detection import DetectionDataset, Label, Objects
from edgevision.data.store import Store
from edgevision.data.unreviewed import UNREVIEWED
from edgevision.errors import DatasetError

_NAMES_IN_YAML = re.compile(
    r"^names\s*:[ \t]*(\[[^\]]*\]|\{[^}]*\})?[ \t]*(?:#.*)?$((?:\n[ \t]*(?:-|\d+\s*:).*)*)", re.MULTILINE
)
_TEXTS = frozenset(("labels", UNREVIEWED))
_NAMES = ("classes.txt", "obj.names", "data.yaml", "data.yml", "dataset.yaml")


def labelled_images(store: Store) -> list[str]:
    """Return the names of images that have a text of labels, or whose folder of labels is there for others.

    In the latter case, an image with a proposal that nobody reviewed is left out: it is not known to be empty.
    """
    named = any(PurePosixPath(name).name in _NAMES for name in store.names)
    texts = {
        name
        for name in store.names
        if name.endswith(".txt") and (named or _TEXTS.intersection(PurePosixPath(name).parts))  # others may be captions
    }
    folders = {str(PurePosixPath(name).parent) for name in texts if "labels" in PurePosixPath(name).parts}
    return [
        name
        for name in store.images()
        if label_name(name) in texts
        or (str(PurePosixPath(label_name(name)).parent) in folders and label_name(name, UNREVIEWED) not in texts)
    ]


def label_name(image: str, folder: str = "labels") -> str:
    """Return the name of an image's text.

    >>> label_name("train/images/a.b.jpg"), label_name("set/1.png"), label_name("images/1.png", "unreviewed")
    ('train/labels/a.b.txt', 'set/1.txt', 'unreviewed/1.txt')
    """
    path = PurePosixPath(image).with_suffix(".txt")
    parts = list(path.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = folder
            break
    return "/".join(parts)


def read_yolo(store: Store, images: Sequence[str]) -> DetectionDataset:
    """Read the labels of some images; one without a text has no objects.

    Raises:
        DatasetError: Class names are missing, or a text makes no sense.
    """
    labels = _class_names(store)
    texts = set(store.names)
    truths: list[Label] = [
        _truth(store, label_name(name) if label_name(name) in texts else None, len(labels)) for name in images
    ]
    return DetectionDataset(store, images, truths, labels)


def _truth(store: Store, name: str | None, classes: int) -> Label:
    def objects(height: int, width: int) -> Objects:
        text = "" if name is None else store.read(name).decode("utf-8", "replace")
        numbers, boxes = [], []
        for line in filter(None, map(str.strip, text.splitlines())):
            try:
                number, *shares = (float(part) for part in line.split())
                boxes.append(_box(shares))
            except ValueError as exc:
                raise DatasetError(f"{store.origin}/{name}: a line that is no label", got=line[:60]) from exc
            if number != int(number) or not 0 <= number < classes:
                raise DatasetError(f"{store.origin}/{name}: class", got=f"{number:g}", allowed=f"0 to {classes - 1}")
            numbers.append(int(number))
        corners = np.array(boxes, np.float64).reshape(-1, 4) * [width, height, width, height]
        return Objects.of(corners, np.array(numbers, np.int64))

    return objects


def _box(shares: Sequence[float]) -> list[float]:
    """Corners, in shares of the image, of a box or of an outline; ValueError for anything else."""
    if not all(np.isfinite(shares)):
        raise ValueError("not finite")
    if len(shares) == 4:
        x, y, width, height = shares
        return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    if len(shares) >= 6 and len(shares) % 2 == 0:
        return [min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2])]
    raise ValueError("neither a box nor an outline")


def _class_names(store: Store) -> tuple[str, ...]:
    for wanted in _NAMES:
        found = sorted((name for name in store.names if PurePosixPath(name).name == wanted), key=len)
        if found:
            text = store.read(found[0]).decode("utf-8", "replace")
            names = _yaml_names(text) if found[0].endswith(("yaml", "yml")) else text.splitlines()
            names = [name.strip() for name in names]
            while names and not names[-1]:
                names.pop()
            if names:
                return tuple(names)
    raise DatasetError(
        f"{store.origin}: the names of the classes are not there", allowed=_NAMES,
        next_step="add a file classes.txt with one name a line",
    )  # fmt: skip


def _yaml_names(text: str) -> list[str]:
    """The list or table under ``names``: of YAML, just that."""
    found = _NAMES_IN_YAML.search(text)
    if found is None:
        return []
    if found[1]:
        entries = re.findall(r"'([^']*)'|\"([^\"]*)\"|([^,\[\]{}]+)", found[1])
        listed = [next(filter(None, entry), "").strip() for entry in entries]
    else:
        listed = [line.strip().lstrip("-").strip() for line in found[2].splitlines() if line.strip()]
    listed = [re.sub(r"^\d+\s*:\s*", "", name).strip().strip("'\"") for name in listed]
    return [name for name in listed if name]
