"""Tracks placed by hand, a disk that is soon full, a real RTSP server, and a video whose every frame is known."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgevision.pipeline.rules import Scene
from edgevision.pipeline.tracking import CONFIRMED, Tracks

WALL_S = 1_795_000_000.0  # some day in 2026
SERVER = Path(__file__).parent / "rtsp_server.py"
BINDING = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@pytest.fixture(scope="session")
def place():
    """place(time_s, {id: (x, y)}, states={id: state}, class_ids={id: class}, velocities={id: (x, y)}) -> Tracks.

    x and y are the anchor: the middle of the lower edge of a box 40 wide and 100 high.
    """

    def place(time_s, anchors, states=None, class_ids=None, velocities=None):
        count = len(anchors)
        feet = np.array(list(anchors.values()), float).reshape(count, 2)
        return Tracks(
            time_s=time_s,
            ids=np.array(list(anchors), np.int64),
            boxes=np.concatenate([feet - [20, 100], feet + np.array([20, 0])], axis=1),
            velocities=np.array([(velocities or {}).get(key, (0, 0)) for key in anchors], float).reshape(count, 2),
            scores=np.full(count, 0.9),
            class_ids=np.array([(class_ids or {}).get(key, 0) for key in anchors], np.int64),
            states=np.array([(states or {}).get(key, CONFIRMED) for key in anchors], np.int8),
            first_s=np.zeros(count),
            seen_s=np.full(count, time_s),
            detections=np.arange(count),
        )

    return place


@pytest.fixture(scope="session")
def scene(place):
    """scene(time_s, {id: (x, y)}, wall_s=…, attributes=…, …) -> Scene; its wall clock follows time_s unless told."""

    def scene(time_s, anchors, *, wall_s=None, attributes=None, **more):
        wall = WALL_S + time_s if wall_s is None else wall_s
        return Scene(place(time_s, anchors, **more), wall, attributes or {})

    return scene


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True) if os.geteuid() == 0 else None
    if done is None or done.returncode:
        pytest.skip("a small disk needs root and the right to mount: " + (done.stderr.strip() if done else "not root"))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="session")
def fill():
    """fill(path): write a file until there is no more room."""

    def fill(path):
        with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"x" * 512)

    return fill


class Camera:
    """An RTSP server in a process of its own, which can be killed, frozen and started again on its port."""

    def __init__(self, python, credentials=()):
        self._python, self._credentials, self._process = python, credentials, None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def url(self, who=""):
        return f"rtsp://{who}127.0.0.1:{self.port}/cam"

    def start(self, width=320, height=240):
        command = [self._python, SERVER, str(self.port), str(width), str(height), *self._credentials]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean)
        assert self._process.stdout.readline() == "ready\n"
        return self

    def send(self, number):
        self._process.send_signal(number)

    def stop(self):
        if self._process is not None:
            for number in (signal.SIGCONT, signal.SIGKILL):
                self._process.send_signal(number)
            self._process.wait(10)
            self._process.stdout.close()
            self._process = None


@pytest.fixture
def rtsp_camera():
    """rtsp_camera(user, password) starts none yet: `Camera.start` does."""
    pythons = [found for found in (sys.executable, "/usr/bin/python3") if shutil.which(found)]
    fitting = [one for one in pythons if subprocess.run([one, "-c", BINDING], capture_output=True).returncode == 0]
    if not fitting:
        pytest.skip("no Python here has GStreamer's RTSP server: apt install gir1.2-gst-rtsp-server-1.0 python3-gi")
    cameras = []

    def make(*credentials):
        cameras.append(Camera(fitting[0], credentials))
        return cameras[-1]

    yield make
    for camera in cameras:
        camera.stop()


@pytest.fixture(scope="session")
def lossless(tmp_path_factory):
    """A video whose every frame is known: (path, YUV planes of each frame), 24 frames of 34×18, FFV1."""
    av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
    path = tmp_path_factory.mktemp("video") / "lossless.mkv"
    generator, planes = np.random.default_rng(0), []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 34, 18, "yuv420p"
        for _ in range(24):
            y, u, v = (generator.integers(0, 256, shape, np.uint8) for shape in ((18, 34), (9, 17), (9, 17)))
            planes.append((y, u, v))
            frame = av.VideoFrame(34, 18, "yuv420p")
            for plane, values in zip(frame.planes, (y, u, v), strict=True):
                padded = np.zeros((values.shape[0], plane.line_size), np.uint8)
                padded[:, : values.shape[1]] = values
                plane.update(padded.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path, planes
