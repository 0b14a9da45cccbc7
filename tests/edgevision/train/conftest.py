import numpy as np
import pytest

from edgevision.data.dataset import ArrayDataset
from edgevision.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(16, 16, mean=(128.0,) * 3, std=(64.0,) * 3)


@pytest.fixture(scope="session")
def stripes():
    """Three classes that a small network tells apart: horizontal stripes, vertical stripes, none; with noise."""
    rng = np.random.default_rng(1)
    targets = np.arange(192) % 3
    wave = np.where(np.arange(16) % 4 < 2, 60, 190)
    patterns = np.stack([np.tile(wave[:, None], (1, 16)), np.tile(wave[None], (16, 1)), np.full((16, 16), 125)])
    pixels = patterns[targets][..., None] + rng.normal(0, 25, (192, 16, 16, 3))
    return ArrayDataset(np.clip(pixels, 0, 255).astype(np.uint8), targets, ("across", "down", "plain"), "stripes")


@pytest.fixture(scope="session")
def preprocessing():
    return PREPROCESSING
