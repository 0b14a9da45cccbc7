"""`edgevision watch` in a process of its own, with two cameras, three sinks and passwords, for faults to happen to."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from fault_parts import Broker, Ear, Receiver, RtspServer, free_port, make_detector, pythons, wait_for

SECRETS: Mapping[str, tuple[str, str]] = {
    "rtsp": ("viewer", "Rt5p/S3cr+t&9Qz"),
    "mqtt": ("edge", "Mq77:S3cr/t+k2W"),
    "webhook": ("", "H00k S3cr%t/7Zx="),
    "status": ("", "T0ken+S3cr/t-0123456789"),
}
"""User and password of each."""

CONFIG = """
schema = 1
[model]
artifact = "{folder}/bright"
runtime = "onnxruntime"
answer_s = 2
{model}
{cameras}
[[sinks]]
kind = "json_lines"
path = "{folder}/events.jsonl"
[[sinks]]
kind = "mqtt"
host = "127.0.0.1"
port = {broker}
username = "edge"
password = "file:{folder}/mqtt.secret"
timeout_s = 3
[[sinks]]
kind = "webhook"
url = "http://127.0.0.1:{receiver}/hook"
secret = "file:{folder}/webhook.secret"
timeout_s = 3
[spool]
path = "{disk}/events.sqlite"
[recording]
folder = "{disk}/recorded"
max_bytes = 100000000
[recording.clips]
pre_s = 0.5
post_s = 0.5
longest_s = 5
[status]
port = {status}
token = "file:{folder}/status.secret"
"""
CAMERA = """
[[cameras]]
name = "{name}"
source = "rtsp://viewer:{{password}}@127.0.0.1:{port}/cam"
password = "file:{folder}/rtsp.secret"
{rules}"""
RULES = "".join(
    f"""[[cameras.rules]]
kind = "zone"
name = "strip {left}"
points = [[{left}, 0], [{left + 60}, 0], [{left + 60}, 2000], [{left}, 2000]]
dwell_s = 0.1
inertia_s = 0.3
"""
    for left in (40, 100, 160, 220)
)


class Rig:
    """All of it, started; a context manager.

    Attributes:
        faulty: The camera that something happens to.
        steady: The camera that nothing happens to.
    """

    def __init__(self, folder: Path, *, disk: Path | None = None, method: str = "", environment: Any = None) -> None:
        """Start it, and wait until both cameras have results and events.

        Args:
            folder: A folder of its own.
            disk: Where spool and recordings are.
            method: "digest" for cameras that ask for that.
            environment: More variables of the process.
        """
        self.folder, self.disk = folder, disk or folder
        for name, (_, secret) in SECRETS.items():
            (folder / f"{name}.secret").write_text(secret + "\n" * (name != "webhook"))
        make_detector(folder)
        python, words = pythons()[0], [word for word in (method,) if word]
        self.faulty, self.steady = (RtspServer(python, *SECRETS["rtsp"], *words) for _ in range(2))
        self.broker = Broker(folder / "broker", *SECRETS["mqtt"])
        self.receiver = Receiver(folder, folder / "webhook.secret")
        self.status_port, self.process, self.ear = free_port(), None, None
        self.camera_port = self.faulty.port
        self.results_then: int | None = None
        self._environment = dict(environment or {})

    def __enter__(self) -> Rig:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start every part, and wait until both cameras have events."""
        for part in (self.faulty, self.steady, self.broker, self.receiver):
            part.start()
        self.ear = Ear(self.broker, *SECRETS["mqtt"])
        self.write_config()
        self.start_watch()
        wait_for(self.goes_on, 60, f"both cameras have events\n{self.log()}")

    def write_config(self, model: str = "", more: str = "") -> None:
        """Write the configuration."""
        ports = {"faulty": self.camera_port, "steady": self.steady.port}
        cameras = "".join(
            CAMERA.format(name=name, port=port, folder=self.folder, rules=RULES) for name, port in ports.items()
        )
        text = CONFIG.format(
            folder=self.folder, disk=self.disk, model=model, cameras=cameras + more, broker=self.broker.port,
            receiver=self.receiver.port, status=self.status_port,
        )  # fmt: skip
        (self.folder / "watch.toml").write_text(text)

    def start_watch(self) -> None:
        """Start the process; it says all that it can."""
        command = [sys.executable, "-m", "edgevision", "watch", str(self.folder / "watch.toml"), "--json", "--debug"]
        environment = {**os.environ, "PYTHONFAULTHANDLER": "1", **self._environment}
        with (self.folder / "log").open("ab") as log, (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=log, env=environment, cwd=self.folder)

    def goes_on(self) -> bool:
        """Whether both cameras have had results and events."""
        assert self.process is not None and self.process.poll() is None, self.log()
        cameras = self.state().get("cameras", {})
        return bool(cameras) and all(one["results"] > 10 and one["events"] for one in cameras.values())

    def state(self) -> dict[str, Any]:
        """What /state.json says; nothing where the page does not answer yet."""
        try:
            return dict(json.loads(self.page("state.json")))
        except OSError:
            return {}

    def page(self, path: str) -> str:
        """What the status server answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.status_port}/{path}")
        request.add_header("Authorization", f"Bearer {SECRETS['status'][1]}")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return str(answer.read().decode())

    def camera(self, name: str) -> dict[str, Any]:
        """State of a camera."""
        return dict(self.state()["cameras"][name])

    def log(self) -> str:
        """What the process has written to its standard error."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def processes(self) -> list[int]:
        """Process ids of the command and of all that it has started."""
        assert self.process is not None
        return descendants(self.process.pid)

    def worker(self) -> int:
        """Process id of the process that runs the model."""
        assert self.process is not None
        return workers(self.process.pid)[0]

    def stop_watch(self, number: int = 15) -> int:
        """End the command, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(40)

    def close(self) -> None:
        """End everything."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.ear is not None:
            self.ear.close()
        for part in (self.faulty, self.steady, self.broker, self.receiver):
            part.kill()

    def events(self) -> list[dict[str, Any]]:
        """What the file of events has, the truth of what happened."""
        path = self.folder / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def judged(self) -> dict[str, int]:
        """Compare what the subscriber and the receiver have with the file of events, by message id."""
        truth = Counter(event["message_id"] for event in self.events())
        assert self.ear is not None
        arrived = Counter(message for message, _ in self.ear.heard)
        posted = Counter(event["message_id"] for event in self.receiver.received())
        waiting = {sink: self.waiting(sink) for sink in ("mqtt", "webhook")}
        return {
            "expected": len(truth),
            "received": len(set(arrived) & set(truth)),
            "posted": len(set(posted) & set(truth)),
            "waiting": len(waiting["mqtt"]) + len(waiting["webhook"]),
            "lost": len(set(truth) - set(arrived) - waiting["mqtt"])
            + len(set(truth) - set(posted) - waiting["webhook"]),
            "unknown": len(set(arrived) - set(truth)),
            "doubled": sum(truth.values()) - len(truth) + doubled(self.events()),
            "repeated": sum(arrived.values()) - len(arrived) + sum(posted.values()) - len(posted),
        }

    def waiting(self, sink: str) -> set[str]:
        """Message ids that the spool keeps for a sink, when the command has ended."""
        if self.process is None or self.process.poll() is None:
            return set()
        query = "SELECT message_id FROM messages WHERE position > (SELECT acknowledged FROM sinks WHERE name = ?)"
        with closing(sqlite3.connect(f"file:{self.disk}/events.sqlite?mode=ro", uri=True)) as spool:
            return {message for (message,) in spool.execute(query, (sink,))}

    def secrets(self) -> list[str]:
        """Where a secret is to be seen, in any form."""
        found = []
        for where, text in self._texts():
            found += [f"{name} in {where}" for name, forms in FORMS.items() if any(form in text for form in forms)]
        return found

    def _texts(self) -> Iterator[tuple[str, str]]:
        """Everything that anybody may see."""
        assert self.process is not None and self.ear is not None
        yield "log", self.log()
        if self.process.poll() is None:
            for path in ("", "state.json", "metrics", "healthz"):
                yield f"/{path}", self.page(path)
            for pid in self.processes():
                yield f"arguments of {pid}", _text(Path(f"/proc/{pid}/cmdline"))
                yield f"environment of {pid}", _text(Path(f"/proc/{pid}/environ"))
        yield "topics", "\n".join(self.ear.texts)
        kept = [self.folder / "out", self.folder / "events.jsonl", self.receiver.path, *self.folder.glob("core*")]
        for path in [*kept, *self.disk.glob("events.sqlite*"), *(self.disk / "recorded").rglob("*")]:
            if path.is_file():
                yield path.name, path.read_bytes().decode("latin-1")


def descendants(pid: int) -> list[int]:
    """Process ids of a process and of all that it has started."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


def workers(pid: int) -> list[int]:
    """Those of them that run a model."""
    return [one for one in descendants(pid)[1:] if "runtimes.isolated" in _text(Path(f"/proc/{one}/cmdline"))]


def doubled(events: list[dict[str, Any]]) -> int:
    """How many events tell what another one tells: a second start before the end, or a number that comes twice."""
    open_now: dict[tuple[Any, ...], str] = {}
    wrong = 0
    for event in events:
        key = event["source"], event["rule"], event["kind"], event["track_id"]
        if event["phase"] == "start":
            wrong += key in open_now
            open_now[key] = event["id"]
        elif event["phase"] == "end":
            wrong += open_now.pop(key, None) != event["id"]
    return wrong


def forms(user: str, secret: str) -> list[str]:
    """A secret as it may be written: plain, for URLs, in JSON, in Base64 (alone, and as Basic authentication does)."""
    plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    encoded = {base64.b64encode(text.encode()).decode().rstrip("=") for text in (secret, f"{user}:{secret}")}
    return sorted(plain | encoded | {quote(text, safe="") for text in encoded})


FORMS: Mapping[str, list[str]] = {name: forms(*both) for name, both in SECRETS.items()}


def _text(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode("latin-1")
    except OSError:
        return ""


def small_disk(place: Path, size: str = "3m") -> str:
    """Mount a file system of so many bytes; return '' or why that is not permitted."""
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "a small disk needs root"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, text=True
    )
    return done.stderr.strip() if done.returncode else ""


def fill(place: Path) -> None:
    """Write a file until the disk is full."""
    with (place / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def rate(rig: Rig, camera: str, seconds: float) -> float:
    """Results of a camera a second, over so many seconds."""
    before, began = rig.camera(camera)["results"], time.monotonic()
    time.sleep(seconds)
    return float((rig.camera(camera)["results"] - before) / (time.monotonic() - began))
