import dataclasses

import numpy as np
import pytest

from edgevision.converters.golden_samples import make_golden
from edgevision.errors import ConfigError


def test_half_of_the_samples_are_those_the_model_is_least_sure_of(small, images):
    golden = make_golden(small, images, count=8)
    assert len(golden.samples) == 8
    preprocessed = np.stack([small.preprocessing.apply(images.image(i)) for i in range(len(images))])
    scores = np.sort(small.model.predict(preprocessed, verbose=0), axis=1)
    margins = scores[:, -1] - scores[:, -2]
    ours = np.sort(golden.float_outputs[0], axis=1)
    found = ours[:, -1] - ours[:, -2]
    assert np.allclose(np.sort(found[:4]), np.sort(margins)[:4], atol=1e-5)


def test_answers_targets_and_provenance_belong_together(small, images):
    golden = make_golden(small, images, count=6, seed=3)
    for sample, target, name, answer in zip(
        golden.samples, golden.targets, golden.provenance, golden.float_outputs[0], strict=True
    ):
        index = next(i for i in range(len(images)) if images.name(i) == name)
        assert np.array_equal(images.image(index), sample)
        assert images.targets[index] == target
        expected = small.model(small.preprocessing.apply(sample)[None])[0]
        assert np.allclose(answer, expected, atol=1e-5)


def test_the_seed_decides(small, images):
    first, again, other = (make_golden(small, images, seed=seed).provenance for seed in (1, 1, 2))
    assert first == again != other


def test_synthetic_samples_need_no_data(small):
    golden = make_golden(small, policy="synthetic", count=3)
    assert golden.targets == (None,) * 3
    assert all("synthetic" in name for name in golden.provenance)


def test_none_is_none(small, images):
    assert make_golden(small, images, policy="none") is None


def test_what_cannot_be_made_is_refused(small, images):
    with pytest.raises(ConfigError, match="data, synthetic, none"):
        make_golden(small, images, policy="some")
    with pytest.raises(ConfigError, match="needs images"):
        make_golden(small)
    with pytest.raises(ConfigError, match="preprocessing"):
        make_golden(dataclasses.replace(small, preprocessing=None), images)
