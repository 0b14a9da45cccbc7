from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgevision.resize import FILTERS, RESIZES, fit, resample, scaled

RNG = np.random.default_rng(0)
SIZES = st.integers(1, 24)


def picture(height, width):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def linear_fixed_by_hand(image, height, width):
    """The formula of the module's docstring, one pixel at a time."""

    def position(i, n_in, n_out):
        p = (256 * ((2 * i + 1) * n_in - n_out) + n_out) // (2 * n_out)
        p = min(max(p, 0), 256 * (n_in - 1))
        return p >> 8, min((p >> 8) + 1, n_in - 1), p & 255

    out = np.zeros((height, width, 3), np.uint8)
    for i in range(height):
        for j in range(width):
            y0, y1, fy = position(i, image.shape[0], height)
            x0, x1, fx = position(j, image.shape[1], width)
            for k in range(3):
                a, b, c, d = (int(image[y, x, k]) for y in (y0, y1) for x in (x0, x1))
                above, below = a * (256 - fx) + b * fx, c * (256 - fx) + d * fx
                out[i, j, k] = (above * (256 - fy) + below * fy + 32768) >> 16
    return out


@settings(max_examples=40, deadline=None)
@given(SIZES, SIZES, SIZES, SIZES)
def test_linear_fixed_is_its_formula(n, m, height, width):
    image = picture(n, m)
    np.testing.assert_array_equal(
        resample(image, height, width, "linear_fixed"), linear_fixed_by_hand(image, height, width)
    )


def test_linear_fixed_is_close_to_exact_linear_interpolation():
    ramp = np.repeat(np.arange(0, 250, 10, dtype=np.uint8)[None, :, None], 3, axis=2)
    wide = resample(ramp, 1, 100, "linear_fixed")[0, :, 0].astype(float)
    exact = np.clip((np.arange(100) + 0.5) / 4 - 0.5, 0, 24) * 10
    assert np.abs(wide - exact).max() <= 1


@settings(max_examples=30, deadline=None)
@given(SIZES, SIZES, SIZES, SIZES)
def test_bilinear_and_area_are_pillows(n, m, height, width):
    image = picture(n, m)
    for name, pillow in (("bilinear", Image.Resampling.BILINEAR), ("area", Image.Resampling.BOX)):
        expected = np.asarray(Image.fromarray(image).resize((width, height), pillow))
        np.testing.assert_array_equal(resample(image, height, width, name), expected)


def test_area_by_half_is_the_mean():
    image = picture(8, 8)
    mean = image.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    assert np.abs(resample(image, 4, 4, "area") - mean).max() <= 1


def test_nearest_takes_the_middle_pixel():
    row = np.repeat(np.arange(9, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert resample(row, 1, 3, "nearest")[0, :, 0].tolist() == [1, 4, 7]


@pytest.mark.parametrize("filter_", FILTERS)
@pytest.mark.parametrize("how", RESIZES)
def test_an_image_of_the_right_size_is_returned_as_it_is(how, filter_):
    image = picture(5, 7)
    pixels, geometry = fit(image, 5, 7, how, filter_)
    assert pixels is image
    assert geometry.scale == (1.0, 1.0)


@pytest.mark.parametrize("filter_", FILTERS)
def test_read_only_and_strided_images_are_fine(filter_):
    image = picture(20, 20)[::2, ::-1]
    image.setflags(write=False)
    np.testing.assert_array_equal(resample(image, 7, 6, filter_), resample(image.copy(), 7, 6, filter_))


def test_letterbox_in_the_corner():
    image = np.random.default_rng(0).integers(0, 256, (50, 100, 3), np.uint8)
    corner, geometry = fit(image, 40, 40, "letterbox_top_left", "bilinear", pad_value=114)
    centred, _ = fit(image, 40, 40, "letterbox", "bilinear", pad_value=114)
    assert (corner[:20] == centred[10:30]).all() and (corner[20:] == 114).all()
    assert geometry.offset == (0.0, 0.0) and geometry.scale == (0.4, 0.4)
    np.testing.assert_allclose(geometry.to_source(np.array([[10, 5, 40, 20]])), [[25, 12.5, 100, 50]])


def test_letterbox_keeps_proportions_and_pads():
    pixels, geometry = fit(np.full((50, 100, 3), 200, np.uint8), 40, 40, "letterbox", "bilinear", pad_value=114)
    assert pixels.shape == (40, 40, 3)
    assert (pixels[10:30] == 200).all()
    assert (pixels[:10] == 114).all()
    assert (pixels[30:] == 114).all()
    assert geometry.scale == (0.4, 0.4)
    assert geometry.offset == (10.0, 0.0)


def test_center_crop_takes_the_middle():
    image = np.zeros((30, 90, 3), np.uint8)
    image[:, 30:60] = 255
    pixels, geometry = fit(image, 10, 10, "center_crop", "area")
    assert (pixels == 255).all()
    assert geometry.to_source(np.array([[0, 0, 10, 10]])).tolist() == [[30, 0, 60, 30]]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(RESIZES), *[st.integers(1, 300)] * 4, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_boxes_map_back(how, n, m, height, width, corners):
    _, geometry = fit(np.zeros((n, m, 3), np.uint8), height, width, how, "nearest")
    box = np.array([corners]) * [m, n, m, n]
    np.testing.assert_allclose(geometry.to_source(geometry.to_target(box)), box, atol=1e-9 * max(n, m) + 1e-9)


@pytest.mark.parametrize("how", RESIZES)
def test_a_mark_in_the_picture_is_where_the_geometry_says(how):
    image = np.zeros((120, 200, 3), np.uint8)
    image[48:72, 80:120] = 255
    pixels, geometry = fit(image, 64, 64, how, "area")
    rows, columns = np.nonzero(pixels[..., 0] > 127)
    seen = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]])
    np.testing.assert_allclose(geometry.to_source(seen), [[80, 48, 120, 72]], atol=2.0)


def test_boxes_outside_are_clipped_to_the_image():
    _, geometry = fit(np.zeros((50, 100, 3), np.uint8), 40, 40, "letterbox", "nearest")
    assert geometry.to_source(np.array([[-5, 0, 45, 40]])).tolist() == [[0, 0, 100, 50]]
    assert geometry.to_source(np.zeros((0, 4))).shape == (0, 4)


@given(st.sampled_from(RESIZES), st.integers(1, 2000), st.integers(1, 2000))
@settings(max_examples=30, deadline=None)
def test_extreme_proportions_still_give_an_image(how, n, m):
    pixels, _ = fit(np.zeros((n, m, 3), np.uint8), 8, 8, how, "bilinear")
    assert pixels.shape == (8, 8, 3)


@given(*[st.integers(1, 65535)] * 3)
def test_proportions_are_exact_and_ties_go_to_the_even_size(length, to, of):
    assert scaled(length, to, of) == round(Fraction(length * to, of))
