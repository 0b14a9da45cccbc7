import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgevision.data.images import load_image
from edgevision.errors import InputError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def encoded(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_files_come_back_as_they_are(kind, tmp_path):
    data = encoded(Image.fromarray(RGB), kind)
    path = tmp_path / "picture.bin"
    path.write_bytes(data)
    for source in (data, path, str(path), io.BytesIO(data)):
        image = load_image(source)
        np.testing.assert_array_equal(image, RGB)
        assert image.dtype == np.uint8
        assert image.flags.writeable
        assert image.flags.c_contiguous


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_lossy_files_are_read(kind):
    assert load_image(encoded(Image.fromarray(RGB), kind)).shape == (5, 7, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    upright = Image.fromarray(np.kron(RGB, np.ones((8, 8, 1), np.uint8)))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # orientation -> the transpose that a camera's sensor saw
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(load_image(encoded(stored, "PNG", exif=exif)), np.asarray(upright))


def test_transparent_parts_show_white():
    rgba = np.dstack([RGB, np.zeros((5, 7), np.uint8)])
    rgba[0, 0, 3] = 255
    image = load_image(encoded(Image.fromarray(rgba)))
    assert image[0, 0].tolist() == RGB[0, 0].tolist()
    assert (image[1:] == 255).all()
    grey_alpha = Image.fromarray(np.dstack([RGB[..., 0], np.full((5, 7), 128, np.uint8)]), "LA")
    expected = np.rint(RGB[..., 0] * (128 / 255) + 255 * (127 / 255))
    assert np.abs(load_image(encoded(grey_alpha))[..., 0] - expected).max() <= 1


def test_palettes_grey_and_bits():
    palette = Image.fromarray(RGB).quantize(8)
    np.testing.assert_array_equal(load_image(encoded(palette)), np.asarray(palette.convert("RGB")))
    transparent = encoded(palette, transparency=palette.getpixel((0, 0)))
    assert load_image(transparent)[0, 0].tolist() == [255, 255, 255]
    grey = load_image(encoded(Image.fromarray(RGB[..., 0])))
    np.testing.assert_array_equal(grey, np.repeat(RGB[..., :1], 3, axis=2))
    bits = load_image(encoded(Image.fromarray(RGB[..., 0] > 127)))
    assert set(np.unique(bits)) == {0, 255}
    deep = load_image(encoded(Image.fromarray(RGB[..., 0].astype(np.uint16) * 256 + 99)))
    np.testing.assert_array_equal(deep[..., 0], RGB[..., 0])
    assert load_image(encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG")).shape == (5, 7, 3)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.png: no such file"):
        load_image(tmp_path / "none.png")
    with pytest.raises(InputError, match="a directory, not an image"):
        load_image(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        load_image("a\0b.png")


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_files_that_are_not_images(data):
    with pytest.raises(InputError):
        load_image(data)


def test_float_images_have_no_range():
    with pytest.raises(InputError, match="floating-point"):
        load_image(encoded(Image.fromarray(RGB[..., 0].astype(np.float32)), "TIFF"))


def test_a_bomb_is_refused():
    header = encoded(Image.new("1", (1, 1)))
    size = (40_000).to_bytes(4, "big")
    import zlib

    ihdr = b"IHDR" + size + size + header[24:29]
    bomb = header[:12] + ihdr + zlib.crc32(ihdr).to_bytes(4, "big") + header[33:]
    with pytest.raises(InputError, match="too many pixels"):
        load_image(bomb)


SAMPLES = [encoded(Image.fromarray(RGB), kind) for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_damage_gives_an_image_or_one_clear_error(data, draw):
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(0, 4))):
        damaged[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    del damaged[draw.draw(st.integers(1, len(data))) :]
    try:
        image = load_image(bytes(damaged))
    except InputError as exc:
        assert len(str(exc).splitlines()) == 1
    else:
        assert image.shape[2] == 3
