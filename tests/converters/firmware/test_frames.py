"""Camera frames in C: every byte of the input as Python computes it, wrong frames refused, nothing else touched."""

import ctypes
import json

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.artifact import Artifact
from edgevision.converters.firmware import firmware
from edgevision.converters.firmware.frames import CAMERA_FORMATS, ENCODINGS
from edgevision.errors import ConfigError, IncompatibleModelError
from edgevision.frames import Frame, encode_frame
from edgevision.golden import synthetic_images
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes import load

SIZES = ((1, 2), (2, 2), (24, 20), (12, 10), (25, 22), (3, 200), (97, 6), (60, 80), (48, 40), (23, 64))


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def frames(sizes, padding):
    """A frame of noise in every size, format and encoding."""
    for height, width in sizes:
        for format_ in CAMERA_FORMATS:
            for matrix, full_range in ENCODINGS if format_ in ("yuyv", "nv12") else ENCODINGS[:1]:
                image = noise(height, width, seed=height * width)
                yield encode_frame(image, format_, matrix=matrix, full_range=full_range, padding=padding)


@pytest.mark.parametrize(
    "declared",
    [
        {},
        pytest.param(
            {"resize": "letterbox", "pad_value": 114, "mean": (128.0,), "std": (64.0,)}, marks=pytest.mark.slow
        ),
        {"resize": "center_crop", "color": "BGR", "mean": (103.5, 116.3, 123.7), "std": (57.4, 57.1, 58.4)},
        pytest.param({"filter": "nearest"}, marks=pytest.mark.slow),
        pytest.param(
            {"filter": "nearest", "resize": "letterbox", "pad_value": 255, "color": "BGR"}, marks=pytest.mark.slow
        ),
        pytest.param({"filter": "nearest", "resize": "center_crop", "color": "GRAY"}, marks=pytest.mark.slow),
        {"color": "GRAY", "resize": "letterbox", "mean": (10.0,), "pad_value": 9},
        {"resize": "letterbox_top_left", "pad_value": 114},
        pytest.param({"color": "GRAY", "std": (0.5,)}, marks=pytest.mark.slow),
    ],
    ids=lambda declared: "-".join(map(str, declared.values())) or "stretch",
)
def test_every_byte_of_the_input_is_what_python_computes(camera, declared):
    built = camera(declared)
    for padding, sizes in ((0, SIZES), (7, SIZES[3:6])):
        for frame in frames(sizes, padding):
            built.check(frame)
    for height, width in ((1, 1), (33, 47), (5, 1)):
        for format_ in ("gray8", "rgb565", "rgb888", "nv12"):
            built.check(encode_frame(noise(height, width), format_, padding=1))


def test_an_input_with_its_channels_first_is_filled_plane_by_plane(camera):
    built = camera({"resize": "letterbox", "mean": (0.0, 9.0, 50.0)}, layout="NCHW")
    assert built.spec.layout == "NCHW"
    for frame in frames(SIZES[4:8], 1):
        built.check(frame)


@pytest.mark.slow
def test_every_proportion_is_cut_and_padded_where_python_does(camera):
    draw = np.random.default_rng(1)
    for resize in ("letterbox", "center_crop"):
        built = camera({"resize": resize, "filter": "nearest"}, frames=["gray8"])
        for height, width in draw.integers(1, 400, (150, 2)).tolist():
            built.check(encode_frame(noise(height, width), "gray8"))


@pytest.mark.slow
def test_the_largest_frames_are_exact_too(camera):
    built = camera(frames=["gray8"])
    for height, width in ((1, 65535), (65535, 1), (40, 65535)):
        built.check(encode_frame(noise(height, width), "gray8"))


@pytest.mark.slow
def test_yuv_is_converted_as_python_does_for_every_value(camera):
    """All luma with all of each chroma, the other one at random."""
    built = camera({"filter": "nearest"}, frames=["yuyv"])
    draw = np.random.default_rng(0)
    for matrix, full_range in ENCODINGS:
        packed = np.empty((24 * 4, 20 * 4, 2), np.uint8)
        for _ in range(12):
            packed[...] = draw.choice(
                [0, 1, 15, 16, 17, 127, 128, 129, 235, 240, 254, 255, *draw.integers(0, 256, 8)], packed.shape
            )
            built.check(Frame("yuyv", 80, 96, (packed.reshape(-1),), (160,), matrix, full_range))  # fmt: skip


@pytest.mark.parametrize("format_", CAMERA_FORMATS)
def test_a_part_of_a_frame_is_what_python_cuts_out(camera, c_frame, format_):
    built = camera({"resize": "letterbox"})
    frame = encode_frame(noise(61, 80), format_, padding=2)
    for left, top, width, height in ((0, 0, 80, 61), (10, 6, 22, 31), (78, 60, 2, 1), (2, 2, 40, 2)):
        part = c_frame(frame)
        assert built.c.cam_crop(ctypes.byref(part), left, top, width, height) == 0
        assert built.status(part) == 0
        expected = built.bound(np.ascontiguousarray(frame.to_rgb()[top : top + height, left : left + width]))[0]
        np.testing.assert_array_equal(built.tensor(), expected)
    wrong = [(0, 0, 81, 1), (80, 0, 1, 1), (1 << 31, 0, 1 << 31, 1), (0, 61, 2, 1), (0, 0, 0, 1), (0, 0, 2, 62)]
    wrong += {"yuyv": [(1, 0, 2, 2), (0, 0, 3, 2)], "nv12": [(1, 0, 2, 2), (0, 1, 2, 2)]}.get(format_, [])
    for place in wrong:
        part = c_frame(frame)
        before = bytes(part)
        assert built.c.cam_crop(ctypes.byref(part), *place) == 5
        assert bytes(part) == before


def changed(shown, **values):
    for name, value in values.items():
        plane = name.partition("_")[2]
        if plane:
            setattr(shown.planes[int(plane[-1])], name.partition("_")[0], value)
        else:
            setattr(shown, name, value)
    return shown


WRONG = [
    ("gray8", {"format": 0}, 7),
    ("gray8", {"format": 6}, 7),
    ("gray8", {"format": -1}, 7),
    ("yuyv", {"encoding": 0}, 8),
    ("nv12", {"encoding": 5}, 8),
    ("nv12", {"encoding": -1}, 8),
    ("gray8", {"width": 0}, 9),
    ("gray8", {"height": 0}, 9),
    ("gray8", {"height": 65536}, 9),
    ("rgb888", {"width": 0xFFFFFFFF}, 9),
    ("yuyv", {"width": 39}, 9),
    ("rgb565", {"stride_0": 79}, 10),
    ("rgb888", {"stride_0": 0}, 10),
    ("nv12", {"stride_1": 39}, 10),
    ("yuyv", {"bytes_0": 2399}, 11),
    ("gray8", {"bytes_0": 0}, 11),
    ("gray8", {"stride_0": (1 << 64) - 1}, 11),
    ("gray8", {"stride_0": 1 << 63}, 11),
    ("gray8", {"height": 31}, 11),
    ("nv12", {"bytes_1": 599}, 11),
    ("nv12", {"height": 31}, 11),
    ("gray8", {"data_0": None}, 1),
    ("nv12", {"data_1": None}, 1),
]


def test_wrong_frames_have_their_own_answers_and_leave_the_input_alone(camera, c_frame):
    built = camera()
    built.check(encode_frame(noise(30, 40), "rgb888"))
    before = built.tensor()
    for format_, changes, status in WRONG:
        frame = encode_frame(noise(30, 40, seed=9), format_)
        assert built.status(changed(c_frame(frame), **changes)) == status, (format_, changes)
        np.testing.assert_array_equal(built.tensor(), before)
    frame = c_frame(encode_frame(noise(30, 40), "gray8"))
    assert built.c.cam_preprocess(built.context, None) == 1 == built.c.cam_preprocess(None, ctypes.byref(frame))
    assert built.c.cam_crop(None, 0, 0, 1, 1) == 1
    assert built.c.cam_preprocess((ctypes.c_void_p * 1)(), ctypes.byref(frame)) == 4


def test_only_the_formats_asked_for_are_in_the_code(camera, c_frame):
    built = camera(frames=["nv12", "gray8"])
    assert built.made.report["frames"]["formats"] == ["gray8", "nv12"]
    built.check(encode_frame(noise(30, 40), "nv12"))
    for format_ in ("rgb565", "rgb888", "yuyv"):
        assert built.status(c_frame(encode_frame(noise(30, 40), format_))) == 7
    text = (built.made.artifact.path / "cam_io.c").read_text()
    assert "yuyv" not in text and "rgb565" not in text


def test_the_class_of_a_frame_is_what_the_runtime_answers(camera, c_frame):
    built = camera({"resize": "center_crop"})
    best = (ctypes.c_int32 * 2)()
    seen = set()
    with load(built.made.artifact) as model:
        for count, image in enumerate(synthetic_images(30, 30, 40, seed=3)):
            frame = encode_frame(image, CAMERA_FORMATS[count % 5])
            assert built.status(c_frame(frame)) == 0 == built.c.cam_run(built.context)
            assert built.c.cam_classify(built.context, best, ctypes.c_size_t(1)) == 0
            scores = model.infer([built.bound(frame.to_rgb())[0]])[0].reshape(-1)
            assert list(best) == [scores.argmax(), scores.max()]
            seen.add(best[0])
    assert len(seen) > 1


def test_an_artifact_of_another_filter_is_refused_with_the_ways_out(camera, tmp_path):
    with pytest.raises(IncompatibleModelError) as refused:
        camera({"filter": "bilinear"})
    said = str(refused.value)
    assert "got bilinear; allowed: linear_fixed, nearest" in said
    assert "--filter linear_fixed" in said and "--frames none" in said
    assert not (tmp_path / "out").exists()


def test_a_filter_for_the_firmware_is_declared_in_its_artifact(camera):
    built = camera({"filter": "bilinear", "resize": "letterbox"}, filter="linear_fixed")
    artifact = Artifact.open(built.made.artifact.path)
    assert artifact.manifest.preprocessing == Preprocessing(24, 20, resize="letterbox", filter="linear_fixed")
    assert artifact.manifest.lineage[-1].parameters["filter"] == "linear_fixed"
    built.check(encode_frame(noise(90, 70), "yuyv"))


def test_without_frames_there_is_no_code_for_them(camera, small_model, tmp_path):
    source = adopt(small_model(3), tmp_path / "other", preprocessing={"filter": "bilinear"})
    made = firmware(source, tmp_path / "none", name="cam", frames=())
    assert made.report["frames"] is None and not (made.artifact.path / "cam_io.c").exists()
    assert made.artifact.manifest.preprocessing == source.manifest.preprocessing
    unknown = firmware(small_model(3), tmp_path / "unknown", name="cam")
    assert unknown.report["frames"] is None and not (unknown.artifact.path / "cam_io.h").exists()


def test_frames_that_make_no_sense_are_refused(small_model, tmp_path):
    source = adopt(small_model(3), tmp_path / "source", preprocessing={"filter": "linear_fixed"})
    with pytest.raises(ConfigError, match=r"frames: got rgb655.*did you mean rgb565"):
        firmware(source, tmp_path / "out", frames=["rgb655"])
    with pytest.raises(ConfigError, match="filter: got bilinear"):
        firmware(source, tmp_path / "out", filter="bilinear")
    with pytest.raises(ConfigError, match="no frames"):
        firmware(source, tmp_path / "out", filter="nearest", frames=())
    with pytest.raises(ConfigError, match="preprocessing, which is unknown; declare it: edgevision adopt"):
        firmware(small_model(3), tmp_path / "out", frames=["gray8"])
    assert not (tmp_path / "out").exists()


def test_the_report_has_the_bytes_of_the_frames(camera):
    report = camera({"mean": (0.0, 1.0, 2.0)}).made.report
    same = json.loads(json.dumps(report["frames"]))
    assert same == report["frames"] and same["constant_bytes"] == 3 * 256
    if same["measured"] is not None:
        assert same["measured"]["static_ram_bytes"] == 0
        assert 3 * 256 <= same["measured"]["rodata_bytes"] <= 3 * 256 + 128
        with pytest.raises(IncompatibleModelError, match="flash"):
            camera(max_flash=report["measured"]["flash_bytes"] + 300)
