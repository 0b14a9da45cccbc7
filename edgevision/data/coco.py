"""COCO's annotation files (cocodataset.org/#format-data): images, annotations with boxes, categories."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from edgevision.data.detection import DetectionDataset, Label, Objects
from edgevision.data.store import Store
from edgevision.errors import DatasetError
from edgevision.tensors import Array

_PARTS = ("images", "annotations", "categories")


def coco_files(store: Store) -> list[str]:
    """Return the names of the annotation files in a store: those whose JSON has images, annotations and categories."""
    return [name for name in store.names if name.lower().endswith(".json") and _document(store, name) is not None]


def read_coco(store: Store, name: str) -> DetectionDataset:
    """Read an annotation file; images are found by the end of their paths.

    Raises:
        DatasetError: It is no annotation file, damaged, or names an image that is not there.
    """
    document = _document(store, name)
    if document is None:
        raise DatasetError(f"{store.origin}/{name}: no annotations of COCO's form", allowed=_PARTS)
    try:
        return _read(store, document)
    except (KeyError, TypeError, ValueError) as exc:
        reason = f"no {exc}" if isinstance(exc, KeyError) else str(exc)
        raise DatasetError(f"{store.origin}/{name}: damaged annotations: {reason}") from exc


def _read(store: Store, document: Mapping[str, Any]) -> DetectionDataset:
    categories = sorted(document["categories"], key=lambda entry: int(entry["id"]))
    place = {int(entry["id"]): index for index, entry in enumerate(categories)}
    boxes: dict[int, list[Mapping[str, Any]]] = {int(image["id"]): [] for image in document["images"]}
    for annotation in document["annotations"]:
        if int(annotation["category_id"]) not in place or int(annotation["image_id"]) not in boxes:
            raise ValueError(f"annotation {annotation.get('id')} of an unknown image or category")
        boxes[int(annotation["image_id"])].append(annotation)
    found = _by_name(store)
    files = [_file(found, str(image["file_name"])) for image in document["images"]]
    truths = [_truth(boxes[int(image["id"])], place, image) for image in document["images"]]
    return DetectionDataset(store, files, truths, [str(entry["name"]) for entry in categories])


def _truth(annotations: Sequence[Mapping[str, Any]], place: Mapping[int, int], image: Mapping[str, Any]) -> Label:
    corners = np.array([entry["bbox"] for entry in annotations], np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    classes = np.array([place[int(entry["category_id"])] for entry in annotations], np.int64)
    crowd = np.array([bool(entry.get("iscrowd", 0)) for entry in annotations], bool)
    sides = corners[:, 2:] - corners[:, :2]
    areas = [entry.get("area", sides[k, 0] * sides[k, 1]) for k, entry in enumerate(annotations)]
    stated = (int(image["height"]), int(image["width"])) if "height" in image and "width" in image else None

    def objects(height: int, width: int) -> Objects:
        scale = np.array([width / stated[1], height / stated[0]] * 2) if stated is not None else np.ones(4)
        scaled: Array = corners * scale  # 1, unless the images were reduced after they were annotated
        return Objects.of(scaled, classes, crowd, np.asarray(areas, np.float64) * scale[0] * scale[1])

    return objects


def _by_name(store: Store) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in store.images():
        found.setdefault(PurePosixPath(name).name, []).append(name)
    return found


def _file(found: Mapping[str, Sequence[str]], name: str) -> str:
    """The image with this path, or the one that ends in it."""
    alike = [path for path in found.get(PurePosixPath(name).name, ()) if f"/{path}".endswith(f"/{name}")]
    if len(alike) != 1:
        raise ValueError(f"image {name} is {'not there' if not alike else 'there several times'}")
    return alike[0]


def _document(store: Store, name: str) -> Mapping[str, Any] | None:
    try:
        document = json.loads(store.read(name))
    except (ValueError, RecursionError):
        return None
    fits = isinstance(document, dict) and all(isinstance(document.get(part), list) for part in _PARTS)
    return document if fits else None
