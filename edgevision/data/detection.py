"""Images with boxes around their objects, as COCO's JSON or YOLO's text files say them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.data.dataset import Images
from edgevision.data.images import load_image
from edgevision.data.store import Store
from edgevision.errors import DatasetError
from edgevision.tasks.boxes import box_area
from edgevision.tensors import Array


@dataclass(frozen=True, eq=False)
class Objects:
    """What is in an image.

    Attributes:
        boxes: x1, y1, x2, y2 in pixels of the image: float32 (N, 4).
        classes: Places of their classes among the dataset's labels: int64 (N,).
        crowd: Whether a box stands for many objects, which may be found any number of times: bool (N,).
        areas: Square pixels of each object (of its outline where that is known): float64 (N,).
    """

    boxes: Array
    classes: Array
    crowd: Array
    areas: Array

    @classmethod
    def of(cls, boxes: Array, classes: Array, crowd: Array | None = None, areas: Array | None = None) -> Objects:
        """Return objects; by default none is a crowd, and areas are those of the boxes."""
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        return cls(
            boxes,
            np.asarray(classes, np.int64),
            np.zeros(len(boxes), bool) if crowd is None else np.asarray(crowd, bool),
            box_area(boxes.astype(np.float64)) if areas is None else np.asarray(areas, np.float64),
        )

    def __len__(self) -> int:
        return len(self.classes)


Label = Callable[[int, int], Objects]
"""From an image's height and width to its objects."""


class DetectionDataset(Images):
    """Images with boxes; pixels and texts are read when they are asked for.

    Attributes:
        labels: Class names.
    """

    def __init__(self, store: Store, files: Sequence[str], truths: Sequence[Label], labels: Sequence[str]) -> None:
        """Join the image ``files`` of a store with their objects; raises DatasetError when there is none."""
        if not files:
            raise DatasetError(f"{store.origin} holds no image with labels", next_step="name a dataset with images")
        self._store = store
        self._files = tuple(files)
        self._truths = tuple(truths)
        self.labels = tuple(labels)

    def __len__(self) -> int:
        return len(self._files)

    def image(self, index: int) -> Array:
        """Return image ``index`` as uint8 RGB, shape (height, width, 3)."""
        return load_image(self._store.read(self._files[index]))

    def labelled(self, index: int) -> tuple[Array, Objects]:
        """Return image ``index`` and what is in it; raises DatasetError for labels that make no sense."""
        image = self.image(index)
        return image, self._truths[index](image.shape[0], image.shape[1])

    def name(self, index: int) -> str:
        """Return the image's path below the data set's."""
        return self._files[index]

    def stamp(self, index: int) -> bytes:
        """Return what the store says of the image file."""
        return self._store.stamp(self._files[index])

    def subset(self, indices: Sequence[int]) -> DetectionDataset:
        """Return the images at ``indices``, in that order."""
        files, truths = [self._files[index] for index in indices], [self._truths[index] for index in indices]
        return DetectionDataset(self._store, files, truths, self.labels)
