import numpy as np
import pytest

from edgevision.errors import ArtifactError, ConfigError, InputError
from edgevision.golden import Golden, synthetic_images


def same(one: Golden, two: Golden) -> bool:
    arrays = [
        (*golden.samples, *golden.float_outputs, *(a for key in sorted(golden.expected) for a in golden.expected[key]))
        for golden in (one, two)
    ]
    return (
        one.targets == two.targets
        and one.provenance == two.provenance
        and set(one.expected) == set(two.expected)
        and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(*arrays, strict=True))
    )


def test_round_trip_is_lossless(tmp_path, golden):
    table = golden.write(tmp_path)
    assert same(Golden.read(tmp_path, table), golden)
    assert (tmp_path / "golden" / "002.png").is_file()
    assert (tmp_path / "golden" / "expected" / "tflite_0.npy").is_file()


def test_damage_is_an_artifact_error(tmp_path, golden):
    table = golden.write(tmp_path)
    for name in ("001.png", "float_output_0.npy", "expected/tflite_0.npy"):
        path = tmp_path / "golden" / name
        whole = path.read_bytes()
        for damaged in (b"", whole[: len(whole) // 2], b"x" * 40):
            path.write_bytes(damaged)
            with pytest.raises(ArtifactError):
                Golden.read(tmp_path, table)
        path.unlink()
        with pytest.raises(ArtifactError):
            Golden.read(tmp_path, table)
        path.write_bytes(whole)


def test_pickles_are_not_loaded(tmp_path, golden):
    table = golden.write(tmp_path)
    np.save(tmp_path / "golden" / "float_output_0.npy", np.array([{"a": 1}] * 3, dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactError, match="damaged array"):
        Golden.read(tmp_path, table)


@pytest.mark.parametrize("table", [{}, {"samples": 3, "float_outputs": 1, "expected": {}}, {"samples": []}])
def test_a_damaged_table(tmp_path, golden, table):
    golden.write(tmp_path)
    with pytest.raises(ArtifactError, match="damaged golden samples"):
        Golden.read(tmp_path, table)


def test_what_does_not_belong_together_is_refused(golden):
    images = golden.samples
    with pytest.raises(ConfigError, match="3 samples, 2 targets"):
        Golden(images, (1, 2), ("a",) * 3)
    with pytest.raises(ConfigError, match="at least one sample"):
        Golden((), (), ())
    with pytest.raises(ConfigError, match=r"one row per sample: got float32 \[2, 5\]"):
        Golden(images, (None,) * 3, ("a",) * 3, (np.zeros((2, 5), np.float32),))
    with pytest.raises(ConfigError, match="name of a runtime"):
        Golden(images, (None,) * 3, ("a",) * 3, (), {"../x": ()})
    with pytest.raises(InputError, match="wrong shape or dtype"):
        Golden((np.zeros((4, 4), np.uint8),), (None,), ("a",))


def test_synthetic_images_depend_on_their_seed_alone():
    one, two = synthetic_images(4, 32, 48, seed=1), synthetic_images(4, 32, 48, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], synthetic_images(1, 32, 48, seed=2)[0])
    assert one[0].shape == (32, 48, 3)
    assert one[0].dtype == np.uint8
    assert all(image.std() > 20 for image in one)
