"""What a second stage gets of a frame."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from edgevision.frames import FRAME_FORMATS, encode_frame
from edgevision.pipeline.second.crops import Region, cut, masked, region, sharpness


def test_a_margin_ends_at_the_frame():
    inner = region(np.array([90.0, 5, 110, 25]), 0.5, 100, 40)
    assert inner == (80, 0, 100, 35) and not inner.empty
    assert region(np.array([120.0, 5, 140, 25]), 0.1, 100, 40).empty
    assert region(np.array([-50.0, 5, -20, 25]), 0.1, 100, 40).empty


@pytest.mark.parametrize("format_", FRAME_FORMATS)
def test_a_part_is_what_the_whole_conversion_has_there(format_):
    picture = np.random.default_rng(3).integers(0, 256, (39, 62, 3), np.uint8)
    frame = encode_frame(picture, format_, padding=5)
    whole = frame.to_rgb()
    for place in ((0, 0, 62, 39), (7, 5, 30, 22), (8, 4, 31, 39), (61, 38, 62, 39), (1, 0, 2, 1)):
        where = Region(*place)
        np.testing.assert_array_equal(cut(frame, where, None), whole[where.slices])


def test_what_is_masked_is_black_and_the_frame_is_as_it_was():
    frame = encode_frame(np.full((40, 60, 3), 200, np.uint8), "rgb888")
    covered = np.zeros((40, 60), bool)
    covered[:, :20] = True
    where = region(np.array([10.0, 0, 30, 40]), 0.0, 60, 40)
    part = cut(frame, where, covered)
    assert part.shape == (40, 20, 3) and not part[:, :10].any() and (part[:, 10:] == 200).all()
    assert (frame.to_rgb() == 200).all()
    assert not masked(where, covered) and masked(region(np.array([5.0, 0, 25, 40]), 0.0, 60, 40), covered)
    assert not masked(where, None)


def test_blur_costs_sharpness_and_size_does_not():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8))
    sharp = sharpness(np.asarray(noise))
    blurred = sharpness(np.asarray(noise.filter(ImageFilter.GaussianBlur(2))))
    large = sharpness(np.asarray(noise.resize((192, 192), Image.Resampling.NEAREST)))
    assert blurred < 0.3 * sharp and abs(large - sharp) < 0.05 * sharp
    assert sharpness(np.zeros((1, 9), np.uint8)) == 0
