"""While the model's process is away: cameras are read, recorded and shown, events stay open, and the page answers."""

import json
import os
import signal
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from edgevision.pipeline.watching import Watch

av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
pytest.importorskip("paho.mqtt.client", reason="paho-mqtt, of the extra camera, is not installed")
pytest.importorskip("prometheus_client", reason="prometheus-client, of the extra camera, is not installed")
pytest.importorskip("onnx", reason="onnx, of the extra onnx, is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra onnx, is not installed")

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
from fault_parts import make_detector, wait_for  # noqa: E402
from fault_rig import workers  # noqa: E402

CONFIG = """
schema = 1
[model]
artifact = "bright"
runtime = "onnxruntime"
[[cameras]]
name = "still"
source = "replay:still.mkv"
tracker = { lost_s = 30 }
[[cameras.rules]]
kind = "zone"
name = "all"
inertia_s = 30
[[sinks]]
kind = "json_lines"
path = "events.jsonl"
[recording]
folder = "kept"
[recording.clips]
pre_s = 0.5
post_s = 0.5
[status]
port = 0
"""
AWAY_S = 3.0


@pytest.fixture
def place(tmp_path):
    """A folder with a detector of what is bright, and a film of two seconds in which a square stands still."""
    make_detector(tmp_path)
    image = np.full((120, 160, 3), 60, np.uint8)
    image[50:70, 70:90] = 230
    with av.open(str(tmp_path / "still.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    (tmp_path / "watch.toml").write_text(CONFIG)
    return tmp_path


def events(place):
    path = place / "events.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [event for event in found if event["rule"] == "all"]


def test_cameras_are_recorded_and_shown_and_no_event_ends(place):
    """The model's process is killed, and for three seconds there is no file to start it anew with."""
    with Watch(place / "watch.toml") as watch:

        def camera():
            return watch.state()["cameras"]["still"]

        wait_for(lambda: events(place) and camera()["results"] > 20, 30, "it sees")
        hidden = (place / "bright").rename(place / "hidden")
        for worker in workers(os.getpid()):
            os.kill(worker, signal.SIGKILL)
        wait_for(lambda: watch.state()["worker"]["reason"], 10, "the model is away")
        number, _ = watch._preview.jpeg("still", timeout_s=5)
        before = camera()
        time.sleep(AWAY_S)
        after = camera()
        assert watch._preview.jpeg("still")[0] >= number + 20
        assert urllib.request.urlopen(f"{watch.status_url}/healthz").status == 200
        hidden.rename(place / "bright")
        wait_for(lambda: camera()["results"] > after["results"] + 10, 30, "it sees again")
        assert not watch.state()["worker"]["reason"]
    assert after["results"] == before["results"] and after["connected"]
    came = after["received"] - before["received"]
    assert came > 20 and after["dropped"]["worker"] - before["dropped"]["worker"] >= came - 2
    start, end = events(place)
    assert (start["phase"], end["phase"], start["id"]) == ("start", "end", end["id"])
    assert end["data"]["duration_s"] > AWAY_S
    with av.open(str(place / "kept" / start["data"]["clip"])) as clip:
        times = np.array([frame.time for frame in clip.decode(video=0)])
    assert times[-1] - times[0] > AWAY_S and np.diff(times).max() < 1.0
