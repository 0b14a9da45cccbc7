import numpy as np
import pytest

from edgevision.errors import ConfigError, InputError
from edgevision.preprocessing import Preprocessing

RNG = np.random.default_rng(0)


def test_json_round_trip_and_hash():
    one = Preprocessing(32, 32, "letterbox", "area", "BGR", (1, 2, 3), (64, 64, 64), 114)
    assert Preprocessing.from_dict(one.to_dict()) == one
    assert one.hash == Preprocessing.from_dict(one.to_dict()).hash
    assert one.hash != Preprocessing(32, 32, "letterbox", "area", "BGR", (1, 2, 3), (64, 64, 63), 114).hash


def test_the_hash_is_of_values_not_of_spelling():
    long = Preprocessing(32, 32, mean=(128.0, 128.0, 128.0), std=[64, 64, 64])
    assert Preprocessing(32, 32, mean=(128,), std=64).hash == long.hash
    assert Preprocessing(width=32, height=32, mean=128, std=64.0).hash == long.hash


@pytest.mark.parametrize(
    "options",
    [
        {"height": 0},
        {"height": 32.0},
        {"width": 70000},
        {"resize": "squash"},
        {"filter": "bicubic"},
        {"color": "HSV"},
        {"mean": (1.0, 2.0)},
        {"mean": ("a", "b", "c")},
        {"mean": float("nan")},
        {"std": 0.0},
        {"std": -1.0},
        {"color": "GRAY", "std": (1, 1, 1)},
        {"pad_value": 256},
    ],
)
def test_definitions_that_make_no_sense_are_refused(options):
    with pytest.raises(ConfigError, match="preprocessing"):
        Preprocessing(**{"height": 32, "width": 32, **options})


def test_unknown_keys_are_refused_by_name():
    with pytest.raises(ConfigError, match=r"unknown key: got filtre; .*did you mean filter"):
        Preprocessing.from_dict({"height": 1, "width": 1, "filtre": "area"})


def test_apply_is_the_formula():
    image = RNG.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    mean, std = np.float32([123.675, 116.28, 103.53]), np.float32([58.395, 57.12, 57.375])
    real = Preprocessing(4, 4, mean=tuple(mean.tolist()), std=tuple(std.tolist())).apply(image)
    assert real.dtype == np.float32
    np.testing.assert_array_equal(real, (image.astype(np.float32) - mean) / std)


def test_colors():
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    bgr, _ = Preprocessing(1, 4, color="BGR").pixels(image)
    assert bgr[0, 0].tolist() == [0, 0, 255]
    grey, _ = Preprocessing(1, 4, color="GRAY").pixels(image)
    assert grey[..., 0].tolist() == [[76, 150, 29, 255]]
    assert Preprocessing(1, 4, color="GRAY").apply(image).shape == (1, 4, 1)


def test_means_are_in_the_models_channel_order():
    red = np.full((1, 1, 3), (255, 0, 0), np.uint8)
    assert Preprocessing(1, 1, color="BGR", mean=(1, 2, 3)).apply(red)[0, 0].tolist() == [-1, -2, 252]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused_with_what_came(image):
    with pytest.raises(InputError) as caught:
        Preprocessing(4, 4).apply(image)
    assert str(image.dtype) in str(caught.value)
    assert str(list(image.shape)) in str(caught.value)


def test_a_list_is_refused():
    with pytest.raises(InputError, match="got list"):
        Preprocessing(4, 4).apply([[1, 2, 3]])
