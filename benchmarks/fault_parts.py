"""What faults happen to: RTSP servers, an MQTT broker with who listens to it, a webhook's receiver, and a detector.

All are real processes on the loopback interface, which can be killed, frozen and started again where they were.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RTSP_SERVER = Path(__file__).parents[1] / "tests" / "edgevision" / "pipeline" / "rtsp_server.py"
BINDING = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")


def missing() -> str:
    """What is not installed here of what the faults need; '' where all is."""
    if not pythons():
        return "GStreamer's RTSP server: apt install gir1.2-gst-rtsp-server-1.0 python3-gi"
    if MOSQUITTO is None or shutil.which("mosquitto_passwd") is None:
        return "mosquitto: apt install mosquitto"
    return ""


def pythons() -> list[str]:
    """Pythons here that have the binding of GStreamer's RTSP server."""
    found = [one for one in (sys.executable, "/usr/bin/python3") if shutil.which(one)]
    return [one for one in found if subprocess.run([one, "-c", BINDING], capture_output=True).returncode == 0]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> float:
    """Wait until something holds, and return the seconds that it took; raises AssertionError after ``seconds``."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - began


class Part:
    """A process that can be killed, frozen and started again."""

    process: subprocess.Popen[str] | None = None

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it with SIGKILL; any number of times."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()


class RtspServer(Part):
    """A camera: GStreamer's RTSP server with a moving ball, 25 frames a second."""

    def __init__(self, python: str, user: str, password: str, *method: str) -> None:
        self.port, self._python, self._method = free_port(), python, method
        self.user, self.password = user, password

    def start(self, width: int = 320, height: int = 240, password: str | None = None) -> RtspServer:
        """Start it, and wait until it listens."""
        words = [self.user, password or self.password, *self._method]
        command = [self._python, str(RTSP_SERVER), str(self.port), str(width), str(height), *words]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=clean
        )
        assert self.process.stdout is not None and self.process.stdout.readline() == "ready\n"
        return self


class Broker(Part):
    """A mosquitto that lets in who has the password, and keeps on disk what it has."""

    def __init__(self, folder: Path, user: str, password: str) -> None:
        folder.mkdir()
        self.port, self._config = free_port(), folder / "mosquitto.conf"
        subprocess.run(
            ["mosquitto_passwd", "-c", "-b", folder / "users", user, password], check=True, capture_output=True
        )
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous false", f"password_file {folder}/users"]
        lines += ["user root", "persistence true", f"persistence_location {folder}/", "autosave_interval 1"]
        self._config.write_text("\n".join([*lines, "autosave_on_changes true", ""]))

    def start(self) -> Broker:
        """Start it, and wait until it listens."""
        command = [str(MOSQUITTO), "-c", str(self._config)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        wait_for(lambda: _answers(self.port), 10, "mosquitto listens")
        return self


class Ear:
    """Who listens to a broker, and misses nothing: with a session that the broker keeps.

    Attributes:
        heard: Events in the order in which they came, as (message id, document).
    """

    def __init__(self, broker: Broker, user: str, password: str) -> None:
        import paho.mqtt.client as paho

        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.texts: list[str] = []
        ready: list[bool] = []
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="ear", clean_session=False)
        self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda *_: self._client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: ready.append(True)
        self._client.on_message = lambda _client, _data, message: self._hear(message)
        self._client.connect("127.0.0.1", broker.port, keepalive=5)
        self._client.loop_start()
        wait_for(lambda: ready, 10, "the subscriber is in")

    def _hear(self, message: Any) -> None:
        text = message.payload.decode()
        self.texts.append(f"{message.topic} {text}")
        if message.topic.endswith("/events"):
            event = json.loads(text)
            self.heard.append((event["message_id"], event))

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


class Receiver(Part):
    """A webhook's receiver, which checks signatures and keeps what came in a file."""

    def __init__(self, folder: Path, secret_file: Path) -> None:
        self.port, self.path, self._secret_file = free_port(), folder / "received.jsonl", secret_file

    def start(self) -> Receiver:
        """Start it, and wait until it listens."""
        command = [sys.executable, __file__, str(self.port), str(self.path), str(self._secret_file)]
        self.process = subprocess.Popen(command, text=True)
        wait_for(lambda: _answers(self.port), 10, "the receiver listens")
        return self

    def received(self) -> list[dict[str, Any]]:
        """What came, repetitions among it: a receiver drops those by the ``Idempotency-Key``."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []


def receive(port: int, path: Path, secret: str) -> None:
    """Be the receiver."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    from edgevision.pipeline.sinks.webhook import SIGNATURE, signature
    from edgevision.secret import Secret

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seconds = self.headers[SIGNATURE].partition(",")[0].removeprefix("t=")
            good = self.headers[SIGNATURE] == f"t={seconds},v1={signature(Secret(secret), int(seconds), body)}"
            if good:
                with path.open("ab") as file:
                    file.write(body + b"\n")
            self.send_response(204 if good else 403)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    HTTPServer.allow_reuse_address = True
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


def make_detector(folder: Path, width: int = 160, height: int = 120) -> Path:
    """Make an artifact of an ONNX model whose one box is around all that is bright, and return its path."""
    import onnx
    from onnx import TensorProto, helper

    from edgevision.adopt import adopt
    from edgevision.preprocessing import Preprocessing

    float32, int64 = TensorProto.FLOAT, TensorProto.INT64
    nodes, constants = [], []

    def constant(name: str, kind: int, shape: list[int], values: list[float]) -> str:
        constants.append(helper.make_tensor(name, kind, shape, values))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    bright = node("ReduceMin", ["image"], "grey", axes=[1], keepdims=0)
    edges = {}
    for name, axis, length in (("y", 2, height), ("x", 1, width)):
        line = node("ReduceMax", [bright], f"max_{name}", axes=[axis], keepdims=0)
        above = node("Greater", [line, constant(f"threshold_{name}", float32, [1], [150.0])], f"above_{name}")
        flags = node("Cast", [above], f"flags_{name}", to=float32)
        first = node("ArgMax", [flags], f"first_{name}", axis=1, keepdims=1)
        last = node("ArgMax", [flags], f"last_{name}", axis=1, keepdims=1, select_last_index=1)
        end = node("Add", [last, constant(f"one_{name}", int64, [1], [1])], f"end_{name}")
        size = constant(f"size_{name}", float32, [1], [float(length)])
        for which, place in (("low", first), ("high", end)):
            real = node("Cast", [place], f"{which}_{name}_real", to=float32)
            edges[which, name] = node("Div", [real, size], f"{which}_{name}")
    corners = [edges[key] for key in (("low", "y"), ("low", "x"), ("high", "y"), ("high", "x"))]
    flat = node("Concat", corners, "flat", axis=1)
    node("Reshape", [flat, constant("box_shape", int64, [3], [1, 1, 4])], "boxes")
    found = node("ReduceMax", ["flags_x"], "found", axes=[1], keepdims=1)
    node("Mul", [found, constant("sure", float32, [1], [0.9])], "scores")
    node("Mul", [found, constant("zero", float32, [1], [0.0])], "classes")
    node("Reshape", [found, constant("count_shape", int64, [1], [1])], "count")
    outputs = {"boxes": [1, 1, 4], "classes": [1, 1], "scores": [1, 1], "count": [1]}
    graph = helper.make_graph(
        nodes, "bright", [helper.make_tensor_value_info("image", float32, [1, 3, height, width])],
        [helper.make_tensor_value_info(name, float32, shape) for name, shape in outputs.items()], constants,
    )  # fmt: skip
    path = folder / "bright.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    artifact = adopt(
        path, out=folder / "bright", task="detection", decoder="tflite_detection_postprocess", labels=["thing"],
        layout="NCHW", preprocessing=Preprocessing(height=height, width=width, mean=(0.0,), std=(1.0,)).to_dict(),
    )  # fmt: skip
    return artifact.path


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    receive(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]).read_text())
