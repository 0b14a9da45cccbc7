import numpy as np
import pytest

from edgevision.data.batches import materialize, tf_batches
from edgevision.data.locate import open_dataset
from edgevision.errors import ConfigError, DatasetError
from edgevision.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(32, 32, mean=(128.0, 120.0, 110.0), std=(64.0, 60.0, 50.0))


@pytest.fixture(scope="module")
def images():
    dataset = open_dataset("sample").balanced(100)
    return materialize(dataset, PREPROCESSING), dataset.targets


def epochs(images, **settings):
    batches = tf_batches(*images, PREPROCESSING, **{"batch_size": 16, "seed": 1, **settings})
    return [(inputs.numpy(), targets.numpy()) for inputs, targets in batches]


def test_an_epoch_holds_each_image_once_in_whole_batches(images):
    found = np.concatenate([inputs for inputs, _ in epochs(images)])
    assert found.shape == (96, 32, 32, 3)
    expected = {PREPROCESSING.apply(pixels).tobytes() for pixels in images[0]}
    seen = {image.tobytes() for image in found}
    assert len(seen) == 96
    assert seen <= expected, "batches must hold exactly what Preprocessing.apply gives"


def test_labels_stay_with_their_images(images):
    known = {PREPROCESSING.apply(pixels).tobytes(): target for pixels, target in zip(*images, strict=True)}
    for inputs, targets in epochs(images):
        assert [known[image.tobytes()] for image in inputs] == targets.tolist()


@pytest.mark.parametrize("augment", ["none", "flip", "crop-flip"])
def test_starting_late_gives_the_same_epoch(images, augment):
    both = epochs(images, augment=augment, epochs=2)
    late = epochs(images, augment=augment, start_epoch=1, epochs=2)
    assert len(both) == 12
    for (inputs, targets), (again, labels) in zip(both[6:], late, strict=True):
        assert np.array_equal(inputs, again)
        assert np.array_equal(targets, labels)
    assert not np.array_equal(both[0][0], both[6][0])


def test_flips_mirror_about_half_of_the_images_and_nothing_else(images):
    straight = {PREPROCESSING.apply(pixels).tobytes() for pixels in images[0]}
    mirrored = {PREPROCESSING.apply(pixels[:, ::-1]).tobytes() for pixels in images[0]}
    found = [image.tobytes() for inputs, _ in epochs(images, augment="flip") for image in inputs]
    assert all(image in straight or image in mirrored for image in found)
    assert 25 <= sum(image in mirrored for image in found) <= 71


def test_crops_shift_by_at_most_an_eighth(images):
    known = {PREPROCESSING.apply(pixels).tobytes() for pixels in images[0]}
    found = [image for inputs, _ in epochs(images, augment="crop-flip") for image in inputs]
    assert sum(image.tobytes() in known for image in found) < 10
    centres = {PREPROCESSING.apply(pixels)[15:17, 15:17].tobytes() for pixels in images[0]}
    centres |= {PREPROCESSING.apply(pixels[:, ::-1])[15:17, 15:17].tobytes() for pixels in images[0]}
    for image in found:
        window = [image[y : y + 2, x : x + 2].tobytes() for y in range(11, 20) for x in range(11, 20)]
        assert any(patch in centres for patch in window)


def test_bad_settings_are_refused(images):
    with pytest.raises(ConfigError, match="crop-flip"):
        epochs(images, augment="rotate")
    for size in (0, 101):
        with pytest.raises(DatasetError, match=r"1\.\.100"):
            epochs(images, batch_size=size)
