"""One rule for golden samples: half where the model is least sure, half at random."""

import numpy as np
import pytest

from edgevision.data.locate import open_dataset
from edgevision.errors import ConfigError
from edgevision.golden_selection import GOLDEN_SAMPLES, choose_golden


@pytest.fixture(scope="module")
def images():
    return open_dataset("sample", "test").subset(range(40))


def brightness(images):
    """Scores of two classes as int8; their margin is the widest for a bright image, and does not fit int8."""
    level = np.array([image.mean() for image in images])
    return (np.stack([level - 128, 127 - level], axis=1).astype(np.int8),)


def test_the_least_sure_come_first_then_others_at_random(images):
    golden = choose_golden(images, brightness)
    assert len(golden.samples) == GOLDEN_SAMPLES
    (every,), (ours,) = brightness([images.image(i) for i in range(len(images))]), golden.float_outputs
    margins, found = (abs(scores[:, 0].astype(int) - scores[:, 1]) for scores in (every, ours))
    assert found[: GOLDEN_SAMPLES // 2].tolist() == sorted(margins.tolist())[: GOLDEN_SAMPLES // 2]
    assert len(set(golden.provenance)) == GOLDEN_SAMPLES


def test_what_is_kept_belongs_together(images):
    names = [images.name(i) for i in range(len(images))]
    golden = choose_golden(images, brightness, count=6, seed=3)
    for sample, target, name in zip(golden.samples, golden.targets, golden.provenance, strict=True):
        assert np.array_equal(images.image(names.index(name)), sample)
        assert images.targets[names.index(name)] == target
    assert np.array_equal(golden.float_outputs[0], brightness(golden.samples)[0])


def test_the_seed_decides(images):
    first, again, other = (choose_golden(images, brightness, seed=seed).provenance for seed in (1, 1, 2))
    assert first == again != other


def test_without_scores_all_are_random_and_few_images_are_all_taken(images):
    golden = choose_golden(images.subset(range(3)), lambda images: (np.zeros((len(images), 1)),))
    assert len(golden.samples) == 3


def test_an_empty_dataset_is_refused(images):
    with pytest.raises(ConfigError, match="empty dataset"):
        choose_golden(images.subset([]), brightness)
