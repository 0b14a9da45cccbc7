import numpy as np
import pytest

from edgevision.data.dataset import ArrayDataset
from edgevision.errors import DatasetError


def dataset(targets):
    pixels = np.arange(len(targets), dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    return ArrayDataset(pixels, np.asarray(targets), ("a", "b", "c"), "made")


def test_subset_keeps_pixels_targets_and_names_together():
    part = dataset([0, 1, 2, 1]).subset([3, 0])
    assert len(part) == 2
    assert part.targets.tolist() == [1, 0]
    assert part.image(0)[0, 0, 0] == 3
    assert part.name(0) == "made#3"
    assert part.labels == ("a", "b", "c")


def test_a_balanced_draw_takes_each_class_equally_and_repeats_for_a_seed():
    full = dataset([0, 1, 2] * 20)
    first, again, other = full.balanced(12, 5), full.balanced(12, 5), full.balanced(12, 6)
    assert np.bincount(first.targets).tolist() == [4, 4, 4]
    names = [[part.name(i) for i in range(12)] for part in (first, again, other)]
    assert names[0] == names[1] != names[2]
    assert len(set(names[0])) == 12


@pytest.mark.parametrize(
    ("count", "drawn"), [(0, [0, 0, 0]), (2, [1, 1, 0]), (6, [3, 2, 1]), (8, [4, 3, 1]), (9, [5, 3, 1])]
)
def test_others_make_up_for_a_class_that_has_too_few(count, drawn):
    part = dataset([0, 0, 0, 0, 0, 1, 1, 1, 2]).balanced(count)
    assert np.bincount(part.targets, minlength=3).tolist() == drawn


def test_more_images_than_there_are_is_refused():
    with pytest.raises(DatasetError, match="draw of 7: got 6; ask for at most 6"):
        dataset([0, 0, 0, 1, 1, 2]).balanced(7)


@pytest.mark.parametrize(
    ("pixels", "targets", "message"),
    [
        (np.zeros((2, 4, 4, 3), np.float32), [0, 1], "uint8"),
        (np.zeros((2, 4, 4), np.uint8), [0, 1], "uint8 of shape"),
        (np.zeros((2, 4, 4, 3), np.uint8), [0], "2 images but 1 labels"),
        (np.zeros((0, 4, 4, 3), np.uint8), [], "no image"),
        (np.zeros((2, 4, 4, 3), np.uint8), [0, 3], "outside the 3 classes"),
    ],
)
def test_arrays_that_are_no_dataset_are_refused(pixels, targets, message):
    with pytest.raises(DatasetError, match=message):
        ArrayDataset(pixels, np.asarray(targets), ("a", "b", "c"), "made")
