import numpy as np
import pytest
from PIL import Image

from edgevision.errors import ConfigError, InputError
from edgevision.yuv import yuv_to_rgb

RNG = np.random.default_rng(0)


def plane(*values):
    return np.array([values], np.uint8)


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_black_white_and_grey(matrix):
    none = plane(128, 128, 128)
    limited = yuv_to_rgb(plane(16, 235, 126), none, none, matrix=matrix, full_range=False)
    assert limited[0].tolist() == [[0] * 3, [255] * 3, [128] * 3]
    full = yuv_to_rgb(plane(0, 255, 128), none, none, matrix=matrix, full_range=True)
    assert full[0].tolist() == [[0] * 3, [255] * 3, [128] * 3]


@pytest.mark.parametrize(
    ("matrix", "yuv"),
    [
        ("bt601", [(81, 90, 240), (145, 54, 34), (41, 240, 110)]),
        ("bt709", [(63, 102, 240), (173, 42, 26), (32, 240, 118)]),
    ],
)
def test_the_colour_bars_of_the_standards(matrix, yuv):
    y, u, v = (plane(*values) for values in zip(*yuv, strict=True))
    rgb = yuv_to_rgb(y, u, v, matrix=matrix, full_range=False)[0]
    np.testing.assert_allclose(rgb, np.eye(3) * 255, atol=2)


def test_full_range_bt601_is_what_jpeg_means():
    ycc = RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(ycc, "YCbCr").convert("RGB")).astype(int)
    ours = yuv_to_rgb(*np.moveaxis(ycc, -1, 0), matrix="bt601", full_range=True)
    assert np.abs(ours - expected).max() <= 1


def test_it_is_within_half_a_level_of_real_arithmetic():
    y, u, v = RNG.integers(0, 256, (3, 50, 50), dtype=np.uint8)
    luma, cb, cr = (y.astype(float) - 16) * 255 / 219, (u - 128.0) * 255 / 224, (v - 128.0) * 255 / 224
    red, blue = luma + 1.5748 * cr, luma + 1.8556 * cb
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    exact = np.clip(np.stack([red, green, blue], -1), 0, 255)
    assert np.abs(yuv_to_rgb(y, u, v, matrix="bt709", full_range=False) - exact).max() < 0.51


def test_chroma_of_every_size_gives_the_same_picture():
    y = RNG.integers(0, 256, (4, 6), dtype=np.uint8)
    u, v = RNG.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    options = {"matrix": "bt601", "full_range": False}
    whole = yuv_to_rgb(y, np.kron(u, np.ones((2, 2), np.uint8)), np.kron(v, np.ones((2, 2), np.uint8)), **options)
    np.testing.assert_array_equal(yuv_to_rgb(y, u, v, down=2, across=2, **options), whole)
    rows = (np.repeat(plane, 2, axis=0) for plane in (u, v))
    np.testing.assert_array_equal(yuv_to_rgb(y, *rows, across=2, **options), whole)


def test_odd_sizes_keep_their_last_row_and_column():
    y = np.full((3, 5), 128, np.uint8)
    chroma = np.full((2, 3), 128, np.uint8)
    assert yuv_to_rgb(y, chroma, chroma, matrix="bt601", full_range=True, down=2, across=2).shape == (3, 5, 3)


def test_bad_frames_are_refused():
    y = np.zeros((4, 4), np.uint8)
    with pytest.raises(ConfigError, match="bt601, bt709"):
        yuv_to_rgb(y, y, y, matrix="bt6001", full_range=True)
    with pytest.raises(InputError, match=r"got uint8 \[2, 2\]; allowed: uint8 \[4, 4\]"):
        yuv_to_rgb(y, y[:2, :2], y[:2, :2], matrix="bt601", full_range=True)
    with pytest.raises(InputError, match="got float32"):
        yuv_to_rgb(y.astype(np.float32), y, y, matrix="bt601", full_range=True)
