"""Which source an address means; folders, programs and GStreamer."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgevision.errors import BackendUnavailableError, ConfigError, InputError, SourceError
from edgevision.pipeline.sources import IteratorSource, source_for
from edgevision.pipeline.sources.folder import FolderSource
from edgevision.pipeline.sources.gstreamer import GStreamerSource
from edgevision.pipeline.sources.libcamera import LibcameraSource
from edgevision.pipeline.sources.video import VideoSource

SYSTEM = Path("/usr/lib/python3/dist-packages/gi")


@pytest.mark.parametrize(
    ("address", "kind", "live"),
    [
        ("rtsp://10.0.0.7/1", VideoSource, True),
        ("https://10.0.0.7/video.mjpg", VideoSource, True),
        ("/dev/video3", VideoSource, True),
        ("v4l2:/dev/video3", VideoSource, True),
        ("camera:3", VideoSource, True),
        ("gst:videotestsrc", GStreamerSource, True),
        ("libcamera:0", LibcameraSource, True),
    ],
)
def test_kinds(address, kind, live):
    source = source_for(address)
    assert (type(source), source.live) == (kind, live)


def test_a_film_at_its_own_speed_is_a_camera(lossless):
    path, planes = lossless
    source = source_for(f"replay:{path.name}", base=path.parent)
    assert source.live
    source.open()
    for _ in range(2):  # it begins again at its end
        began = time.monotonic()
        for frames, (luma, *_) in enumerate(planes):
            frame, position_s = source.read()
            assert position_s is None and np.array_equal(frame.luma(), luma)
            assert time.monotonic() - began >= frames / 25 - 0.05
    source.close()
    with pytest.raises(SourceError, match="no such file or folder"):
        source_for("replay:nothing.mp4")
    with pytest.raises(SourceError, match=r"replay: no recording: got .*, a folder; name a film"):
        source_for(f"replay:{path.parent}")


@pytest.mark.parametrize("address", ["ftp://u:hunter2@h/x", "usb:0", "v4l2:video0", "libcamera:x", "gst: "])
def test_unknown_kinds(address):
    with pytest.raises(ConfigError, match=r"unknown kind of address.*allowed: FILE, DIR, rtsp") as caught:
        source_for(address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("place", "got"), [("h:99999", "99999"), ("h:0", "0"), ("h:hunter2", "no number")])
def test_streams_of_no_port(place, got):
    with pytest.raises(ConfigError, match=f"port: got {got}; allowed: 1 to 65535") as caught:
        source_for(f"rtsp://me:hunter2@{place}/x")
    assert "me:hunter2" not in str(caught.value)


@pytest.mark.parametrize("place", ["[::1", ""])
def test_streams_of_no_host(place):
    with pytest.raises(ConfigError, match=r"no address of a stream: got rtsp://.*; allowed: rtsp://host") as caught:
        source_for(f"rtsp://u:hunter2@{place}/x")
    assert "hunter2" not in str(caught.value)


def test_what_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="no such file or folder"):
        source_for(str(tmp_path / "nothing.mp4"))
    with pytest.raises(SourceError, match="/dev/video99 cannot be opened"):
        source_for("camera:99").open()
    with pytest.raises(SourceError, match="has no images"):
        source_for(str(tmp_path)).open()


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    for value in (2, 0, 1):
        Image.new("RGB", (3, 2), (value, 0, 0)).save(tmp_path / f"{value}.png")
    (tmp_path / "notes.txt").write_text("no image")
    source = source_for(str(tmp_path))
    assert isinstance(source, FolderSource) and not source.live
    source.open()
    assert [source.read()[0].to_rgb()[0, 0, 0] for _ in range(3)] == [0, 1, 2]
    assert source.read() is None


def test_an_image_that_cannot_be_read_costs_no_other(tmp_path):
    for value in (0, 3):
        Image.new("RGB", (3, 2), (value, 0, 0)).save(tmp_path / f"{value}.png")
    (tmp_path / "1.png").write_bytes(b"no image")
    (tmp_path / "2.png").symlink_to(tmp_path / "gone.png")
    source = source_for(str(tmp_path))
    for _ in range(2):  # opened again, it counts anew
        source.open()
        assert [source.read()[0].to_rgb()[0, 0, 0] for _ in range(2)] == [0, 3]
        with pytest.raises(SourceError, match=r"images that cannot be read: 2; the first: .*1\.png"):
            source.read()
    source.close()
    assert source.read() is None


def test_a_program_is_a_source():
    closed = []

    def images():
        try:
            yield np.full((2, 2, 3), 7, np.uint8)
            yield np.zeros((2, 2), np.uint8)
        finally:
            closed.append(True)

    source = IteratorSource(images)
    source.open()
    assert source.read()[0].to_rgb()[0, 0, 0] == 7
    with pytest.raises(InputError, match="wrong shape"):
        source.read()
    source.close()
    assert closed == [True] and source.read() is None


def test_without_libcamera_the_error_says_how_to_get_it():
    with pytest.raises(BackendUnavailableError, match="apt install python3-picamera2"):
        LibcameraSource().open()


PROGRAM = """
import json, sys
from edgevision.errors import EdgeVisionError
from edgevision.pipeline.sources import Timeouts, source_for
found = []
for pipeline in json.loads(sys.argv[1]):
    source = source_for("gst:" + pipeline, timeouts=Timeouts(open_s=3, read_s=1))
    try:
        source.open()
        frame, _ = source.read() or (None, None)
        mean = frame and frame.to_rgb().mean(axis=(0, 1)).round().tolist()
        found.append(frame and [frame.format, frame.width, frame.height, mean])
    except EdgeVisionError as exc:
        found.append(str(exc))
    source.close()
print(json.dumps(found))
"""


def test_gstreamer_pipelines(tmp_path):
    """Run with the system's binding, made visible alone."""
    if not SYSTEM.is_dir():
        pytest.skip("GStreamer's Python binding is not here: apt install python3-gi gstreamer1.0-plugins-base")
    (tmp_path / "gi").symlink_to(SYSTEM)
    caps = "videotestsrc is-live=true pattern=red ! video/x-raw,format={},width={},height={}"
    sizes = [(46, 30)] * 9 + [(47, 31)] * 4  # odd ones, where rows and planes are padded
    names = ("NV12", "YUY2", "GRAY8", "RGB", "RGB16", "BGRx", "I420", "Y42B", "Y444", "NV12", "I420", "Y42B", "Y444")
    pipelines = [caps.format(name, *size) for name, size in zip(names, sizes, strict=True)]
    pipelines += ["nosuchelement", "filesrc location=/nowhere token=hunter2 ! decodebin", "fakesrc num-buffers=0"]
    path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(tmp_path)])
    command = [sys.executable, "-c", PROGRAM, json.dumps(pipelines)]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    if "No module named" in done.stdout or "cannot import" in done.stdout:
        pytest.skip(f"the system's binding is of another Python: {done.stdout[:200]}")
    assert done.returncode == 0, done.stderr
    *good, unknown, missing, nothing = json.loads(done.stdout)
    forms = ["nv12", "yuyv", "gray8", "rgb888", "rgb565", "rgb888", "i420", "i422", "i444"]
    forms += ["nv12", "i420", "i422", "i444"]
    for (form, width, height, mean), expected, size in zip(good, forms, sizes, strict=True):
        assert (form, width, height) == (expected, *size)
        red, green, blue = mean
        assert (red == green == blue) if form == "gray8" else (red > 240 and green < 12 and blue < 12), (form, mean)
    assert "nosuchelement" in unknown
    assert "hunter2" not in missing and "failed" in missing
    assert nothing is None
