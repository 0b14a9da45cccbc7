"""Train and test: how the parts of a data set are called."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from edgevision.errors import DatasetError

SPLITS = ("train", "test")
DIRECTORIES = {"train": ("train", "training"), "test": ("test", "testing", "val", "validation")}
"""Split -> words for it in paths."""

T = TypeVar("T")


def other(split: str) -> str:
    """Return the other split."""
    return SPLITS[split == "train"]


def no_such_split(path: Path, split: str) -> DatasetError:
    """Return the error for a dataset that has only the other split."""
    return DatasetError(f"{path} has no split {split!r}", next_step=f"name its other split, {other(split)!r}")


def unsplit(dataset: T, path: Path, split: str | None) -> T:
    """Return a dataset that is not divided; raises DatasetError if a split of it was asked for."""
    if split is not None:
        raise DatasetError(
            f"{path} is not divided into train and test",
            got=f"split {split!r}",
            next_step="leave out the split to use every image",
        )
    return dataset
