import numpy as np
import pytest

from edgevision.errors import ConfigError, InputError
from edgevision.frames import FRAME_FORMATS, Frame, encode_frame, plane_shapes

RNG = np.random.default_rng(0)


def smooth(height, width):
    """A picture whose colours change slowly: what chroma of half the resolution can hold."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([40 + 2 * y, 200 - 2 * x, 90 + x + y], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("format_", "error"), [("rgb565", 7), ("rgb888", 0), ("yuyv", 4), ("nv12", 5), ("bgr888", 0), ("i420", 5)]
)
def test_a_frame_is_the_picture_that_it_was_made_of(format_, error, padding):
    image = smooth(30, 40)
    rgb = encode_frame(image, format_, padding=padding).to_rgb()
    assert rgb.dtype == np.uint8 and rgb.flags.owndata
    assert np.abs(rgb.astype(int) - image).max() <= error


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("full_range", [True, False])
def test_yuv_and_back_is_near_for_every_standard(matrix, full_range):
    image = np.repeat(RNG.integers(0, 256, (9, 8, 3), np.uint8), 2, axis=1)
    back = encode_frame(image, "yuyv", matrix=matrix, full_range=full_range).to_rgb()
    assert np.abs(back.astype(int) - image).max() <= (2 if full_range else 3)


def test_grey_is_repeated():
    frame = Frame("gray8", 3, 2, (np.array([1, 2, 3, 99, 4, 5, 6], np.uint8),), (4,))
    assert frame.to_rgb()[..., 2].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_rgb565_has_its_lower_byte_first_and_reaches_both_ends():
    frame = Frame("rgb565", 4, 1, (np.array([0x1F, 0, 0xE0, 0x07, 0, 0xF8, 0xFF, 0xFF], np.uint8),), (8,))
    assert frame.to_rgb().tolist() == [[[0, 0, 255], [0, 255, 0], [255, 0, 0], [255, 255, 255]]]
    middle = Frame("rgb565", 1, 1, (np.array([0b00100001, 0b10000100], np.uint8),), (2,))
    assert middle.to_rgb().tolist() == [[[132, 134, 8]]]


@pytest.mark.parametrize("format_", FRAME_FORMATS)
def test_padding_is_not_seen(format_):
    image = RNG.integers(0, 256, (7, 6, 3), np.uint8)
    tight, wide = encode_frame(image, format_), encode_frame(image, format_, padding=3)
    assert [plane.size for plane in tight.planes] == [r * b for r, b in plane_shapes(format_, 6, 7)]
    np.testing.assert_array_equal(tight.to_rgb(), wide.to_rgb())


def test_nv12_of_odd_size_has_chroma_for_its_last_row_and_column():
    frame = encode_frame(RNG.integers(0, 256, (5, 7, 3), np.uint8), "nv12")
    assert [plane.size for plane in frame.planes] == [35, 24]
    assert frame.to_rgb().shape == (5, 7, 3)


def test_i420_has_the_same_samples_as_nv12_in_planes_of_their_own():
    image = RNG.integers(0, 256, (5, 7, 3), np.uint8)
    pairs, planes = encode_frame(image, "nv12"), encode_frame(image, "i420")
    assert [plane.size for plane in planes.planes] == [35, 12, 12] and planes.strides == (7, 4, 4)
    np.testing.assert_array_equal(planes.to_rgb(), pairs.to_rgb())
    np.testing.assert_array_equal(planes.luma(), pairs.luma())


def test_bgr888_has_blue_first():
    frame = Frame("bgr888", 1, 1, (np.array([1, 2, 3], np.uint8),), (3,))
    assert frame.to_rgb().tolist() == [[[3, 2, 1]]] and frame.luma().tolist() == [[2]]


def bytes_(count):
    return np.zeros(count, np.uint8)


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        (("rgb555", 4, 4, (bytes_(32),), (8,)), ConfigError, "did you mean rgb565"),
        (("gray8", 0, 4, (bytes_(32),), (8,)), InputError, "got 0x4"),
        (("gray8", 4, 65536, (bytes_(32),), (8,)), InputError, "1 to 65535"),
        (("yuyv", 5, 4, (bytes_(64),), (10,), "bt601", True), InputError, "allowed: even"),
        (("yuyv", 4, 4, (bytes_(64),), (8,)), ConfigError, "without matrix and range"),
        (("nv12", 4, 4, (bytes_(64),), (4,), "bt601", True), InputError, "got 1 planes"),
        (("rgb888", 4, 4, (bytes_(64),), (11,)), InputError, "got 11; allowed: at least the 12 bytes"),
        (("rgb888", 4, 4, (bytes_(47),), (12,)), InputError, "got 47 bytes; allowed: at least 48"),
        (("gray8", 4, 4, (bytes_(16).astype(np.int8),), (4,)), InputError, "got int8"),
    ],
)
def test_wrong_frames_are_refused(fields, error, said):
    with pytest.raises(error, match=said):
        Frame(*fields)


def test_what_cannot_be_encoded_is_refused():
    with pytest.raises(InputError, match="even"):
        encode_frame(smooth(4, 5), "yuyv")
    with pytest.raises(InputError, match="uint8"):
        encode_frame(smooth(4, 4).astype(np.float32), "gray8")
