import numpy as np
import pytest

from edgevision.calibration import CalibrationDataset
from edgevision.errors import CalibrationError
from edgevision.golden import synthetic_images
from edgevision.preprocessing import Preprocessing

IMAGES = synthetic_images(5, 12, 12, seed=0)
PREPROCESSING = Preprocessing(8, 8, mean=(128,), std=(64,))


class Source:
    """A data set of three classes, sixty images, that notes what was read."""

    def __init__(self, chosen=tuple(range(60))):
        self.chosen, self.read = list(chosen), []

    def __len__(self):
        return len(self.chosen)

    def image(self, index):
        self.read.append(self.chosen[index])
        return np.full((8, 8, 3), self.chosen[index], np.uint8)

    def balanced(self, count, seed=0):
        return Source(np.random.default_rng(seed).permutation(60)[:count].tolist())


def test_inputs_are_what_the_preprocessing_says_with_a_batch_axis():
    calibration = CalibrationDataset(IMAGES, PREPROCESSING.apply)
    inputs = list(calibration)
    assert len(calibration) == len(inputs) == 5
    for image, tensor in zip(IMAGES, inputs, strict=True):
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, PREPROCESSING.apply(image)[None])
    assert len(list(calibration)) == 5, "it can be gone through twice"
    assert calibration.range == (min(t.min() for t in inputs), max(t.max() for t in inputs))


def test_the_hash_is_of_the_raw_samples_and_their_order():
    one = CalibrationDataset(IMAGES, PREPROCESSING.apply).sha256
    assert one == CalibrationDataset(list(IMAGES), lambda image: image).sha256
    assert one != CalibrationDataset(IMAGES[::-1], PREPROCESSING.apply).sha256
    assert len(one) == 64


def test_images_of_a_data_set_are_drawn_with_the_seed_and_read_late():
    source = Source()
    calibration = CalibrationDataset.from_dataset(source, PREPROCESSING, count=9, seed=3)
    assert len(calibration) == 9
    assert source.read == []
    assert calibration.sha256 == CalibrationDataset.from_dataset(source, PREPROCESSING, count=9, seed=3).sha256
    assert calibration.sha256 != CalibrationDataset.from_dataset(source, PREPROCESSING, count=9, seed=4).sha256
    assert [s.shape for s in calibration.samples[2:4]] == [(8, 8, 3)] * 2


@pytest.mark.parametrize("count", [0, 61])
def test_a_number_that_cannot_be_had(count):
    with pytest.raises(CalibrationError, match=rf"got {count}; allowed: 1 to 60"):
        CalibrationDataset.from_dataset(Source(), PREPROCESSING, count=count)


def test_useless_data_is_refused_before_the_first_input():
    with pytest.raises(CalibrationError, match="no calibration samples"):
        CalibrationDataset([], PREPROCESSING.apply)
    black = [np.zeros((8, 8, 3), np.uint8)] * 3
    with pytest.raises(CalibrationError, match="all one value: got -2"):
        next(iter(CalibrationDataset(black, PREPROCESSING.apply)))
    with pytest.raises(CalibrationError, match="sample 1 has values that are NaN"):
        next(iter(CalibrationDataset([np.zeros((2, 2, 3)), np.full((2, 2, 3), np.nan)], lambda image: image)))
    with pytest.raises(CalibrationError, match="infinite"):
        next(iter(CalibrationDataset([np.full((2, 2, 3), np.inf)], lambda image: image)))
