"""What every test may use: the repository's place, and the shared data where this machine has it."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgevision.data.dataset import ArrayDataset

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout that these tests belong to."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of complete data sets and reference models that EDGEVISION_DATA names; without it the test skips."""
    folder = os.environ.get("EDGEVISION_DATA")
    if not folder:
        pytest.skip("EDGEVISION_DATA is not set: no complete data sets here")
    if not Path(folder).is_dir():
        pytest.fail(f"EDGEVISION_DATA={folder} is not a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def make_stripes() -> Callable[[int], ArrayDataset]:
    """make_stripes(size) -> 192 images of classes that a small network tells apart: stripes across, down, or none."""

    def make(size: int) -> ArrayDataset:
        rng = np.random.default_rng(1)
        targets = np.arange(192) % 3
        wave = np.where(np.arange(size) % 4 < 2, 60, 190)
        across = np.tile(wave[:, None], (1, size))
        patterns = np.stack([across, across.T, np.full((size, size), 125)])
        pixels = patterns[targets][..., None] + rng.normal(0, 25, (192, size, size, 3))
        return ArrayDataset(np.clip(pixels, 0, 255).astype(np.uint8), targets, ("across", "down", "plain"), "stripes")

    return make
