"""Draw the real images that edgevision ships from the complete CIFAR-10: balanced, and disjoint by the official splits.

    python scripts/make_sample.py CIFAR10_LOCATION

writes edgevision/assets/cifar10_sample_{train,test}.zip; CIFAR10_LOCATION is whatever `--data` takes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edgevision.data.locate import open_dataset
from edgevision.data.mosaic import write_mosaic

COUNTS = {"train": 1600, "test": 1000}
SEED = 2024
ASSETS = Path(__file__).parent.parent / "edgevision" / "assets"


def main() -> None:
    """Write both parts."""
    for split, count in COUNTS.items():
        chosen = open_dataset(sys.argv[1], split).balanced(count, SEED)
        order = np.random.default_rng(SEED).permutation(count)
        pixels = np.stack([chosen.image(i) for i in order])
        path = ASSETS / f"cifar10_sample_{split}.zip"
        write_mosaic(path, pixels, chosen.targets[order], chosen.labels)
        print(f"{path.name}: {count} images, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
