"""A real MQTT broker, and events to send."""

import shutil
import signal
import socket
import subprocess
import time
from itertools import count

import pytest

from edgevision.pipeline.events import Event

numbers = count()
MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")


@pytest.fixture(scope="session")
def event():
    """event(**data) -> an event of its own."""

    def event(**data):
        return Event(f"e{next(numbers)}", 0, "moment", "gate", "yard", "zone", "2026-11-29T00:00:00.000Z", data=data)

    return event


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Broker:
    """A mosquitto that can be killed, stopped and started again with what it had."""

    def __init__(self, folder, lines):
        self.port, self.folder = free_port(), folder
        settings = [f"listener {self.port} 127.0.0.1", *lines]
        keeping = [
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_interval 1",
            "autosave_on_changes true",
        ]
        self.config = folder / "mosquitto.conf"
        self.config.write_text("\n".join([*settings, *keeping, "user root", ""]))
        self.process = None

    def start(self):
        self.process = subprocess.Popen([MOSQUITTO, "-c", self.config], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            assert self.process.poll() is None, "mosquitto did not start"
            time.sleep(0.02)
        raise AssertionError("mosquitto does not listen")

    def send(self, what):
        self.process.send_signal(what)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


@pytest.fixture
def broker(tmp_path):
    """broker(*lines of mosquitto.conf) -> a running Broker; without lines, one that lets everybody in."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    started = []

    def start(*lines):
        folder = tmp_path / f"broker{len(started)}"
        folder.mkdir()
        started.append(Broker(folder, lines or ["allow_anonymous true"]).start())
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def listen():
    """listen(broker, topic="#", **login) -> a list that grows by (topic, text, retained) of what the broker sends."""
    import paho.mqtt.client as paho

    clients = []

    def listen(broker, topic="#", username=None, password=None):
        heard, ready = [], count()
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"ear{len(clients)}", clean_session=False)
        client.reconnect_delay_set(0.05, 0.1)
        if username:
            client.username_pw_set(username, password)
        client.on_connect = lambda *_: client.subscribe(topic, qos=1)
        client.on_subscribe = lambda *_: next(ready)
        client.on_message = lambda _c, _d, message: heard.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        client.connect("127.0.0.1", broker.port, keepalive=5)
        client.loop_start()
        clients.append(client)
        end = time.monotonic() + 5
        while next(ready) < 1 and time.monotonic() < end:
            time.sleep(0.02)
        return heard

    yield listen
    for client in clients:
        client.disconnect()
        client.loop_stop()


@pytest.fixture(scope="session")
def wait_for():
    """wait_for(condition, seconds=10) -> whether it came true in time."""

    def wait_for(condition, seconds=10.0):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)
        return condition()

    return wait_for


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """ca.pem, and server, client and stranger with their keys; the stranger's is signed by nobody that we know.

    The client's key has the password hunter2.
    """
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2")
    for name in ("ca", "stranger"):
        openssl(*new, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name, protection in (("server", ["-nodes"]), ("client", ["-passout", "pass:hunter2"])):
        request = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}")
        openssl(*request, *protection, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return folder
