"""Whose class is whose: the classes of a data set as those of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevision.errors import DatasetError

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset
    from edgevision.tensors import Array


def match_targets(dataset: ImageDataset, labels: tuple[str, ...] | None, classes: int) -> Array:
    """Return the dataset's targets as indices into the model's classes, int64 (N,).

    Raises:
        DatasetError: The dataset has a class that the model does not know; or, where the model's labels are
            unknown, another number of classes.
    """
    if labels is None:
        if len(dataset.labels) != classes:
            raise DatasetError(
                "another number of classes than the model's, whose labels are unknown",
                got=len(dataset.labels),
                allowed=str(classes),
                next_step="name the model's classes in the order of its outputs: --labels of adopt and doctor",
            )
        return np.asarray(dataset.targets, np.int64)
    place = {label: index for index, label in enumerate(labels)}
    unknown = [label for label in dataset.labels if label not in place]
    if unknown:
        raise DatasetError("a class that the model does not know", got=unknown[0], allowed=labels)
    return np.array([place[label] for label in dataset.labels], np.int64)[dataset.targets]
