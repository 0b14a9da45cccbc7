"""Recordings frame by frame, and network streams through every fault that a camera has."""

import logging
import signal
import time

import numpy as np
import pytest

from edgevision.errors import SourceError
from edgevision.pipeline.sources import LiveReader, Timeouts, source_for
from edgevision.pipeline.sources.video import frame_of
from edgevision.yuv import yuv_to_rgb

SOON = Timeouts(open_s=3, read_s=1, stalled_s=3, retry_s=0.2, retry_at_most_s=0.5)
PASSWORD = "corr3ct-horse"
AS_CODED = {"matrix": "bt601", "full_range": False, "down": 2, "across": 2}


def everything(source):
    source.open()
    try:
        while (read := source.read()) is not None:
            yield read
    finally:
        source.close()


def test_a_recording_is_lossless_ordered_and_repeatable(lossless):
    path, planes = lossless
    source = source_for(str(path))
    assert not source.live
    for _ in range(2):
        found = list(everything(source))
        assert len(found) == len(planes) == 24
        for (frame, position), (index, (y, u, v)) in zip(found, enumerate(planes), strict=True):
            assert (frame.format, frame.width, frame.height, frame.matrix, frame.full_range) == (
                "i420", 34, 18, "bt601", False,
            )  # fmt: skip
            assert position == pytest.approx(index / 25, abs=0.002)
            np.testing.assert_array_equal(frame.to_rgb(), yuv_to_rgb(y, u, v, **AS_CODED))


def test_frames_outlive_their_source(lossless):
    path, planes = lossless
    kept = [frame for frame, _ in everything(source_for(str(path)))]
    y, u, v = planes[0]
    np.testing.assert_array_equal(kept[0].to_rgb(), yuv_to_rgb(y, u, v, **AS_CODED))


@pytest.mark.parametrize(
    ("pixels", "form", "covers"),
    [("yuv420p", "i420", (2, 2)), ("yuv422p", "i422", (1, 2)), ("yuv444p", "i444", (1, 1)), ("nv12", "nv12", (2, 2)),
     ("yuyv422", "yuyv", (1, 2)), ("yuvj420p", "i420", (2, 2)), ("yuv410p", "rgb888", None), ("gray", "gray8", None)],
)  # fmt: skip
@pytest.mark.parametrize("size", [(34, 18), (35, 17)])
def test_pictures_keep_their_planes(pixels, form, covers, size):
    """A smooth picture, converted by FFmpeg, is itself again; no plane is copied or shifted."""
    av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([60 + 2 * x, 90 + 3 * y, 180 - 2 * x], axis=-1).astype(np.uint8)
    picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
    frame = frame_of(picture)
    odd_pairs = form == "yuyv" and width % 2
    assert (frame.format, frame.width, frame.height) == ("rgb888" if odd_pairs else form, width, height)
    grey = image.astype(float) @ [0.299, 0.587, 0.114]
    expected = np.repeat(grey[..., None], 3, axis=2) if form == "gray8" else image.astype(float)
    seen = frame.to_rgb()[: height // 2 * 2, : width // 2 * 2]
    assert np.abs(seen - expected[: len(seen), : seen.shape[1]]).max() <= (8 if pixels != "yuv410p" else 14)
    if covers and not odd_pairs:
        planes = frame.yuv()
        assert [plane.shape for plane in planes[1:]] == [(-(-height // covers[0]), -(-width // covers[1]))] * 2
        assert np.shares_memory(planes[0], np.frombuffer(picture.planes[0], np.uint8))
        assert (frame.matrix, frame.full_range) == ("bt601", pixels == "yuvj420p")
        again = yuv_to_rgb(*planes, matrix="bt601", full_range=frame.full_range, down=covers[0], across=covers[1])
        np.testing.assert_array_equal(frame.to_rgb(), again)


@pytest.mark.parametrize(
    ("pixels", "height", "colorspace", "matrix"),
    [("yuv420p", 576, 2, "bt601"), ("yuv420p", 720, 2, "bt709"), ("yuv420p", 720, 5, "bt601"),
     ("yuv420p", 240, 1, "bt709"), ("yuyv422", 720, 2, "bt601"), ("yuvj422p", 1080, 5, "bt601")],
)  # fmt: skip
def test_the_matrix_is_the_streams_or_that_of_its_kind(pixels, height, colorspace, matrix):
    av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
    picture = av.VideoFrame(32, height, pixels)
    picture.colorspace = colorspace
    assert frame_of(picture).matrix == matrix


def test_a_cut_recording_ends_where_it_is_cut(lossless, tmp_path):
    path, planes = lossless
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 1 <= len(list(everything(source_for(str(cut))))) < len(planes)


@pytest.mark.parametrize("content", [b"", b"no video", b"\x00" * 5000])
def test_a_file_that_is_no_video(tmp_path, content):
    path = tmp_path / "it.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"it\.mp4 cannot be opened: "):
        source_for(str(path)).open()


def test_a_recording_without_one_picture_is_not_one_that_was_read(lossless, tmp_path):
    import av

    (tmp_path / "text.jpg").write_text("no picture")  # FFmpeg opens it by its name
    path, _ = lossless
    content = path.read_bytes()
    with av.open(str(path)) as container:
        for packet in filter(len, map(bytes, container.demux(video=0))):
            content = content.replace(packet, bytes(len(packet)))
    (tmp_path / "damaged.mkv").write_bytes(content)
    for name in ("text.jpg", "damaged.mkv"):
        with pytest.raises(SourceError, match=rf"{name}: no picture in it can be decoded: got \d+ damaged"):
            list(everything(source_for(str(tmp_path / name))))


def test_a_server_that_is_not_there_and_no_password_in_the_error():
    source = source_for(f"rtsp://admin:{PASSWORD}@127.0.0.1:9/cam", timeouts=SOON)
    with pytest.raises(SourceError, match=r"rtsp://\*\*\*@127.0.0.1:9/cam cannot be opened: .*refused") as caught:
        source.open()
    assert PASSWORD not in str(caught.value) and caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def next_after(live, sequence, timeout=10):
    """The first frame of a higher number, and how long it took."""
    start = time.monotonic()
    while time.monotonic() - start < timeout:
        frame = live.take(0.2)
        if frame is not None and frame.sequence > sequence:
            return frame, time.monotonic() - start
    raise AssertionError(f"no frame within {timeout} s: {live.state()}")


@pytest.mark.slow
def test_a_stream_that_is_killed_frozen_and_restarted_in_another_size(rtsp_camera, caplog):
    """Each is noticed within the limits, and frames come again within seconds of the fault's end."""
    caplog.set_level(logging.DEBUG)
    camera, events = rtsp_camera("viewer", PASSWORD).start(), []
    address = camera.url(f"viewer:{PASSWORD}@")
    with LiveReader("gate", lambda: source_for(address, timeouts=SOON), timeouts=SOON, told=events.append) as live:
        frame, _ = next_after(live, -1)
        assert (frame.frame.width, frame.frame.height) == (320, 240)

        camera.send(signal.SIGSTOP)
        time.sleep(2.5)
        while live.take(0):
            pass
        assert not live.state().connected and live.take(0.5) is None
        camera.send(signal.SIGCONT)
        _, frozen = next_after(live, frame.sequence)

        camera.stop()
        time.sleep(1)
        frame = live.take(0) or frame
        camera.start(640, 360)
        frame, restarted = next_after(live, frame.sequence)
        while frame.frame.width == 320:
            frame, _ = next_after(live, frame.sequence)
        assert frozen < 5 and restarted < 5
    kinds = [event.kind for event in events]
    assert kinds.count("opened") >= 3 and kinds.count("resized") == 1
    assert any("gave nothing for 1 s" in event.reason for event in events), events
    seen = caplog.text + repr(events) + repr(live.state())
    assert PASSWORD not in seen and "***" in seen


def test_a_wrong_password_is_refused_and_not_shown(rtsp_camera):
    camera = rtsp_camera("viewer", PASSWORD).start()
    wrong = "wr0ng-battery"
    with pytest.raises(SourceError, match="cannot be opened") as caught:
        source_for(camera.url(f"viewer:{wrong}@"), timeouts=SOON).open()
    assert wrong not in str(caught.value) and PASSWORD not in str(caught.value)
    assert "401" in str(caught.value) or "nauthorized" in str(caught.value)
