"""What tells one set of images from another: every image, without decoding them."""

import shutil
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from edgevision.compress.images import images_digest
from edgevision.data.dataset import ArrayDataset
from edgevision.data.folders import FolderDataset, ZipDataset
from edgevision.errors import DatasetError

COUNT = 100
CHANGED = 38
"""An image in the middle, which a digest of a few images does not meet."""


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, (COUNT, 8, 8, 3), np.uint8)


def folder(root, pixels):
    """Write the images as files of one size, whatever is on them."""
    for index, image in enumerate(pixels):
        file = root / "ab"[index % 2] / f"{index:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file, compress_level=0)
    return root


def changed(pixels):
    other = pixels.copy()
    other[CHANGED, 0, 0] ^= 1
    return other


def test_every_image_in_memory_counts(pixels):
    targets = np.arange(COUNT) % 2
    first, second = (ArrayDataset(array, targets, "ab", "here") for array in (pixels, changed(pixels)))
    assert images_digest(first) == images_digest(ArrayDataset(pixels.copy(), targets, "ab", "elsewhere"))
    assert images_digest(first) != images_digest(second)
    assert images_digest(first) != images_digest(ArrayDataset(pixels, 1 - targets, "ab", "here"))
    kept, without = first.subset(range(CHANGED, COUNT)), first.subset(range(CHANGED + 1, COUNT))
    assert images_digest(kept) != images_digest(second.subset(range(CHANGED, COUNT)))
    assert images_digest(without) == images_digest(second.subset(range(CHANGED + 1, COUNT)))


def test_every_file_counts_by_its_name_size_and_end_and_a_copy_is_the_same(pixels, tmp_path):
    one, other = folder(tmp_path / "one", pixels), folder(tmp_path / "other", changed(pixels))
    name = f"a/{CHANGED:03d}.png"
    assert (one / name).stat().st_size == (other / name).stat().st_size
    shutil.copytree(one, tmp_path / "copy")
    found = images_digest(FolderDataset(one))
    assert found == images_digest(FolderDataset(tmp_path / "copy"))
    assert found != images_digest(FolderDataset(other))
    dataset = FolderDataset(other)
    (other / name).unlink()
    with pytest.raises(DatasetError, match=r"cannot read .*038\.png: No such file"):
        images_digest(dataset)


def test_every_member_of_a_zip_counts(pixels, tmp_path):
    digests = set()
    for number, array in enumerate((pixels, changed(pixels), pixels)):
        root = folder(tmp_path / str(number), array)
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            for file in sorted(root.rglob("*.png")):
                archive.write(file, file.relative_to(root))
        digests.add(images_digest(ZipDataset(tmp_path / f"{number}.zip")))
    assert len(digests) == 2


def test_fifty_thousand_images_take_seconds_at_most():
    pixels = np.zeros((50_000, 32, 32, 3), np.uint8)
    start = time.process_time()
    images_digest(ArrayDataset(pixels, np.zeros(len(pixels), int), "a", "here"))
    assert time.process_time() - start < 10
