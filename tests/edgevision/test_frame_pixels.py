"""Planes that are resized and then converted, against pictures that are converted and then resized."""

import numpy as np
import pytest

from edgevision.frame_pixels import frame_pixels
from edgevision.frames import FORMATS, FRAME_FORMATS, Frame, chroma_of, encode_frame, is_yuv
from edgevision.preprocessing import Preprocessing
from edgevision.resize import FILTERS, RESIZES
from edgevision.tensors import QuantParams, TensorSpec

RNG = np.random.default_rng(0)
YUV = [name for name in FORMATS if is_yuv(name)]
ENCODINGS = [("bt601", False), ("bt601", True), ("bt709", False), ("bt709", True)]


def gentle(height, width):
    """A picture without colours that clip, which changes slowly enough for chroma of half the size."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    return np.stack([60 + 60 * y, 150 - 40 * x, 90 + 30 * x + 30 * y], axis=-1).astype(np.uint8)


def both(frame, preprocessing):
    """The pixels and the geometry, planes first, and the pixels of the converted picture."""
    pixels, geometry = frame_pixels(frame, preprocessing)
    expected, like = preprocessing.pixels(frame.to_rgb())
    assert geometry == like
    assert pixels.shape == expected.shape and pixels.dtype == np.uint8
    return pixels.astype(int), expected.astype(int)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("filter_", FILTERS)
def test_the_order_costs_four_levels_at_most(filter_, encoding):
    """Any picture whose colours do not clip, chroma as large as luma: nothing is left but rounding."""
    for height, width in ((24, 32), (9, 17), (16, 10), (40, 64)):
        image = RNG.integers(60, 190, (37, 53, 3), np.uint8)
        frame = encode_frame(image, "i444", matrix=encoding[0], full_range=encoding[1])
        pixels, expected = both(frame, Preprocessing(height, width, filter=filter_))
        assert np.abs(pixels - expected).max() <= (0 if filter_ == "nearest" else 4)


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("format_", YUV)
def test_nothing_is_shifted(format_, resize):
    """Planes of every format, even and odd sizes, parts that begin at an odd place: within rounding and slow chroma."""
    for size in ((36, 60), (37, 53), (61, 30), (22, 98)):
        image = gentle(*size)[:, : size[1] // 2 * 2 if format_ == "yuyv" else None]
        for filter_ in FILTERS:
            frame = encode_frame(image, format_, padding=3)
            pixels, expected = both(frame, Preprocessing(20, 24, resize=resize, filter=filter_, pad_value=114))
            assert np.abs(pixels - expected).max() <= 5, (size, filter_)


def test_an_edge_of_colour_stays_where_it_is():
    """Red beside blue: the middle of the change lies within a tenth of a pixel of where it was."""
    for width, at in ((64, 32), (63, 31), (65, 33), (66, 21)):
        image = np.zeros((16, width, 3), np.uint8)
        image[:, :at] = [180, 40, 40]
        image[:, at:] = [40, 40, 180]
        for format_ in ("i420", "nv12", "i422", "i444"):
            if at % chroma_of(format_)[1]:
                continue  # the edge itself was moved when it was encoded
            pixels, expected = both(encode_frame(image, format_), Preprocessing(16, 40, filter="area"))
            red, before = pixels[8, :, 0], expected[8, :, 0]
            assert abs(red.sum() - before.sum()) / 140 <= 0.1, (width, at, format_)


@pytest.mark.parametrize("format_", YUV)
@pytest.mark.parametrize("color", ["RGB", "BGR", "GRAY"])
def test_a_frame_of_the_models_size_is_converted_as_it_is(format_, color):
    """Bit for bit what generated C code gives too, which converts first."""
    frame = encode_frame(RNG.integers(0, 256, (24, 30, 3), np.uint8), format_, matrix="bt709", full_range=False)
    pixels, expected = both(frame, Preprocessing(24, 30, color=color))
    np.testing.assert_array_equal(pixels, expected)
    padded, expected = both(frame, Preprocessing(40, 30, resize="letterbox", color=color, pad_value=7))
    np.testing.assert_array_equal(padded, expected)
    part, expected = both(frame, Preprocessing(24, 25, resize="center_crop", color=color))
    np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("format_", sorted({*FORMATS} - {*YUV}))
def test_frames_without_chroma_go_the_way_of_images(format_):
    frame = encode_frame(RNG.integers(0, 256, (24, 30, 3), np.uint8), format_)
    pixels, expected = both(frame, Preprocessing(10, 12, resize="letterbox", color="BGR", pad_value=3))
    np.testing.assert_array_equal(pixels, expected)


def test_grey_pictures_differ_by_the_rounding_of_luma_alone():
    image = np.repeat(RNG.integers(0, 256, (48, 64, 1), np.uint8), 3, axis=2)
    for matrix, full_range in ENCODINGS:
        pixels, expected = both(
            encode_frame(image, "nv12", matrix=matrix, full_range=full_range),
            Preprocessing(20, 30, filter="linear_fixed"),
        )
        assert np.abs(pixels - expected).max() <= (1 if full_range else 2)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8"])
@pytest.mark.parametrize(("color", "mean", "std"), [("BGR", 0.0, 1.0), ("RGB", 127.5, 127.5), ("GRAY", 10.0, 3.0)])
def test_a_tensor_is_made_of_those_pixels(layout, dtype, color, mean, std):
    channels = 1 if color == "GRAY" else 3
    preprocessing = Preprocessing(20, 28, resize="letterbox", color=color, mean=mean, std=std, pad_value=114)
    quant = QuantParams((0.05,), (3,)) if "int" in dtype else None
    shape = (1, 20, 28, channels) if layout == "NHWC" else (1, channels, 20, 28)
    bound = preprocessing.bind(TensorSpec("image", shape, dtype, layout, quant))
    frame = encode_frame(RNG.integers(0, 256, (37, 40, 3), np.uint8), "i420", matrix="bt601", full_range=False)
    tensor, geometry = bound(frame)
    pixels, like = frame_pixels(frame, preprocessing)
    canvas = np.full((20, 28, 3), 0, np.uint8)
    canvas[..., :channels] = pixels
    same = Preprocessing(20, 28, color="GRAY" if color == "GRAY" else "RGB", mean=mean, std=std)
    picture = pixels if channels == 3 else np.repeat(pixels, 3, axis=2)
    expected, _ = same.bind(TensorSpec("image", shape, dtype, layout, quant))(np.ascontiguousarray(picture))
    assert geometry == like and tensor.dtype == dtype and tensor.flags.c_contiguous
    np.testing.assert_array_equal(tensor, expected)
    both_frames, _ = preprocessing.bind(TensorSpec("i", (None, *shape[1:]), dtype, layout, quant)).batch([frame] * 2)
    np.testing.assert_array_equal(both_frames, np.concatenate([tensor, tensor]))


@pytest.mark.parametrize("format_", ["nv12", "rgb565"])
@pytest.mark.parametrize("color", ["RGB", "BGR", "GRAY"])
def test_pixels_can_be_written_where_they_are_wanted(format_, color):
    frame = encode_frame(gentle(40, 60), format_)
    preprocessing = Preprocessing(20, 24, resize="letterbox", color=color, pad_value=9)
    expected, _ = frame_pixels(frame, preprocessing)
    room = np.zeros((preprocessing.channels, 20, 24), np.float32)
    pixels, _ = frame_pixels(frame, preprocessing, room.transpose(1, 2, 0))
    assert pixels.base is room
    np.testing.assert_array_equal(room.transpose(1, 2, 0), expected)


def test_what_has_no_chroma_has_no_planes_of_it():
    assert set(FRAME_FORMATS) < set(FORMATS)
    with pytest.raises(Exception, match="got rgb888; allowed: yuyv, nv12, i420"):
        encode_frame(gentle(4, 4), "rgb888").yuv()
    y, u, v = Frame(
        "i422", 3, 2, tuple(np.arange(n, dtype=np.uint8) for n in (8, 4, 4)), (4, 2, 2), "bt601", True
    ).yuv()
    assert (y.tolist(), u.tolist(), v.shape) == ([[0, 1, 2], [4, 5, 6]], [[0, 1], [2, 3]], (2, 2))
