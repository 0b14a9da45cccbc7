"""Images without labels calibrate, and nothing that needs labels takes them."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from edgevision.data.locate import open_dataset, open_image_splits, open_images
from edgevision.data.plain import PlainImages
from edgevision.errors import DatasetError


@pytest.fixture
def folder(tmp_path):
    for value in (2, 0, 1):
        Image.fromarray(np.full((4, 5, 3), value, np.uint8)).save(tmp_path / f"{value}.png")
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_a_folder_and_a_zip_of_images(folder, tmp_path_factory):
    archive = tmp_path_factory.mktemp("zip") / "images.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for path in folder.iterdir():
            made.write(path, path.name)
    for location in (folder, archive):
        images = open_images(location)
        assert isinstance(images, PlainImages) and len(images) == 3 and images.labels == ()
        assert [int(images.image(index)[0, 0, 0]) for index in range(3)] == [0, 1, 2]
        assert images.target(0) is None and images.name(2) == "2.png"
        assert sorted(images.balanced(2).name(index) for index in range(2)) != []
        train, test = open_image_splits(location)
        assert len(train) == 3 and test is None


def test_what_needs_labels_still_asks_for_them(folder):
    with pytest.raises(DatasetError, match="outside any class directory"):
        open_dataset(folder)


def test_class_folders_and_splits_are_what_they_were(folder):
    (folder / "cat").mkdir()
    (folder / "0.png").rename(folder / "cat" / "0.png")
    with pytest.raises(DatasetError, match="outside any class directory"):
        open_images(folder)
    with pytest.raises(DatasetError, match="not divided"):
        for name in ("1.png", "2.png"):
            (folder / name).rename(folder / "cat" / name)
        open_images(folder / "cat", "test")
