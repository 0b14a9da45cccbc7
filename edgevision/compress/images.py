"""The images of a compression: some to calibrate and fine-tune on, others to measure accuracy on, and never both."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from edgevision.data.locate import open_splits
from edgevision.documents import canonical_json
from edgevision.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from edgevision.data.dataset import ImageDataset

HELD_OUT = 5
"""Where images are not split, one in so many is held out."""


def open_images(location: str | Path, seed: int = 0) -> tuple[ImageDataset, ImageDataset]:
    """Open the images to train on and those to evaluate on: the two splits, or a fifth held out of every class.

    Raises:
        DatasetError: Nothing readable there, or too few images to hold any out.
    """
    train, test = open_splits(location)
    if test is not None:
        return train, test
    if len(train) < HELD_OUT:
        raise DatasetError(f"too few images in {location} to hold some out", got=len(train), allowed=f"{HELD_OUT}")
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(train.targets == target)) for target in range(len(train.labels))]
    held = np.sort(np.concatenate([indices[: -(-len(indices) // HELD_OUT)] for indices in members if len(indices) > 1]))
    rest = np.setdiff1d(np.arange(len(train)), held)
    return train.subset(rest.tolist()), train.subset(held.tolist())


def images_digest(dataset: ImageDataset) -> str:
    """Return a SHA-256 (hex) that tells datasets apart: labels, and every image's class and stamp.

    No image is decoded for it: those in memory count with their pixels, files with what `ImageDataset.stamp` says.
    """
    digest = hashlib.sha256(canonical_json([list(dataset.labels), dataset.targets.tolist()]).encode())
    for index in range(len(dataset)):
        stamp = dataset.stamp(index)
        digest.update(f"{len(stamp)} ".encode() + stamp)
    return digest.hexdigest()
