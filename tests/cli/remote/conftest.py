"""A device: a real OpenSSH server on the loopback interface, with keys made for the test and a cache of its own."""

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgevision.devices.target import Target
from edgevision.devices.wheelhouse import Wheelhouse, build_wheelhouse
from edgevision.errors import BackendUnavailableError
from edgevision.remote.session import target_of

SERVER = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
SetEnv {environment}
{more}
"""
SFTP = "Subsystem sftp internal-sftp"


@pytest.fixture(name="until", scope="session")
def until_fixture() -> Callable[..., None]:
    """until(condition, seconds, what) waits until something holds."""
    return until


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something holds; fail when it does not within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def make_key(path: Path, kind: str = "ed25519") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    return path


@dataclass
class Device:
    """A server, and how it is entered.

    Attributes:
        folder: its keys and files: `host`, `user` (the key that it accepts), `known` (its own key, as known host).
        port: where it listens.
    """

    folder: Path
    port: int

    @property
    def private(self) -> Path:
        """Where everything goes that is put on it."""
        return self.folder / "cache" / "edgevision-remote"

    def options(self, port: int | None = None, known: str = "known", identity: str = "user") -> list[object]:
        """The command line's words for it."""
        place = f"ssh://{getpass.getuser()}@127.0.0.1:{port or self.port}/cpu"
        keys = ("--known-hosts", self.folder / known, "--identity", self.folder / identity)
        return ["--device", place, *keys]

    def public(self, key: str) -> str:
        """Kind and key of a key pair of its folder, as files of known hosts have them."""
        return " ".join((self.folder / key).with_suffix(".pub").read_text().split()[:2])

    def fingerprint(self, key: str) -> str:
        """What ssh-keygen calls a key pair of its folder."""
        command = ["ssh-keygen", "-lf", self.folder / f"{key}.pub"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]

    def make_key(self, name: str, kind: str = "ed25519") -> None:
        make_key(self.folder / name, kind)

    def know(self, *lines: str, name: str = "known") -> None:
        (self.folder / name).write_text("".join(f"{line}\n" for line in lines))

    def processes(self) -> dict[int, str]:
        """What runs of it but the server: the program on board, and all that was started from its directory."""
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                inside = f"XDG_CACHE_HOME={self.private.parent}\0" in (entry / "environ").read_text(errors="replace")
                if entry.name.isdigit() and text and inside:
                    found[int(entry.name)] = text
        return found

    def working(self) -> bool:
        """Whether a command of edgevision runs on it."""
        return any("-m edgevision" in text for text in self.processes().values())


@pytest.fixture(scope="session")
def make_device(tmp_path_factory) -> Iterator[Callable[..., Device]]:
    """make_device(more="", environment="", kind="ed25519") -> a server of its own."""
    if SERVER is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no OpenSSH server here: apt-get install openssh-server")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # what its service makes when it starts
    servers = []

    def make(more: str = SFTP, environment: str = "", kind: str = "ed25519") -> Device:
        folder = tmp_path_factory.mktemp("device")
        make_key(folder / "host", kind)
        make_key(folder / "user")
        shutil.copy(folder / "user.pub", folder / "authorized")
        device = Device(folder, free_port())
        device.know(f"[127.0.0.1]:{device.port} {device.public('host')}")
        words = f"HOME={folder} XDG_CACHE_HOME={folder}/cache {environment}"  # a HOME without start-up files
        config = CONFIG.format(port=device.port, folder=folder, environment=words, more=more)
        (folder / "sshd_config").write_text(config)
        server = subprocess.Popen(
            [SERVER, "-D", "-f", folder / "sshd_config", "-E", folder / "log"], stdin=subprocess.DEVNULL
        )
        servers.append(server)
        until(lambda: answers(device.port) or server.poll() is not None, 10, "the server's start")
        assert server.poll() is None, (folder / "log").read_text()
        return device

    yield make
    for server in servers:
        server.terminate()
        server.wait(10)


@pytest.fixture
def fresh(make_device) -> Device:
    """A device that nothing was ever put on."""
    return make_device()


@pytest.fixture(scope="session")
def device(make_device) -> Device:
    """A device that several tests use, one after another: edgevision is installed on it by the first."""
    return make_device()


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory) -> Wheelhouse:
    """Wheels for a device that is this machine, from the package index that pip is configured for."""
    from edgevision.devices.onboard import facts

    try:
        return build_wheelhouse(target_of(facts(), "here"), tmp_path_factory.mktemp("wheels") / "house")
    except BackendUnavailableError as exc:
        pytest.skip(f"no wheels here: {exc}")


@pytest.fixture(scope="session")
def other_wheelhouse(wheelhouse, tmp_path_factory) -> Path:
    """The same, said to be for another machine."""
    folder = tmp_path_factory.mktemp("wheels") / "other"
    shutil.copytree(wheelhouse.folder, folder)
    document = json.loads((folder / "wheelhouse.json").read_text())
    document["target"] = Target("aarch64", "3.12", "2.28").to_dict()
    (folder / "wheelhouse.json").write_text(json.dumps(document))
    return folder


class Proxy:
    """Something between us and a server that passes bytes on, until it is cut or falls silent."""

    def __init__(self, target: int) -> None:
        """Stand in front of the port ``target``."""
        self.sent = 0
        self.limit: int | None = None
        self.silent = threading.Event()
        self._target = target
        self._pairs: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection, as a cable that is pulled and a router that tells."""
        for end in self._pairs:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._pairs += [near, far]
                threading.Thread(target=self._pass, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self.silent.is_set():
                    continue
                if up:
                    self.sent += len(data)
                    if self.limit is not None and self.sent > self.limit:
                        self.cut()
                        return
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy_to() -> Iterator[Callable[[Device], Proxy]]:
    """proxy_to(device) -> a proxy in front of it, whose key is then known too."""
    proxies = []

    def proxy(device: Device) -> Proxy:
        made = Proxy(device.port)
        proxies.append(made)
        with open(device.folder / "known", "a") as known:
            known.write(f"[127.0.0.1]:{made.port} {device.public('host')}\n")
        return made

    yield proxy
    for made in proxies:
        made.close()


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    """start("benchmark", …) -> the command line as a process that runs."""
    running = []

    def start(*args: object) -> subprocess.Popen:
        command = [sys.executable, "-m", "edgevision", *map(str, args)]
        running.append(subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="session")
def sealed(artifact, images, run, tmp_path_factory) -> Path:
    """The artifact, sealed here."""
    folder = tmp_path_factory.mktemp("sealed") / "colors"
    shutil.copytree(artifact.path, folder)
    done = run("verify", folder, "--seal", "--data", images)
    assert done.exit_code == 0, done.stderr
    return folder
