"""A device on the loopback interface: a real OpenSSH server with keys of its own, and a way to it that can be cut."""

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

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


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something holds; raises AssertionError when it does not within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
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
        server: the process that does.
    """

    folder: Path
    port: int
    server: subprocess.Popen | None = None

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
        """Put another key pair into its folder."""
        make_key(self.folder / name, kind)

    def know(self, *lines: str, name: str = "known") -> None:
        """Write a file of known hosts into its folder."""
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

    def stop(self) -> None:
        """End the server; connections that are open go on."""
        if self.server is not None:
            self.server.terminate()
            self.server.wait(10)


def start_device(folder: Path, more: str = SFTP, environment: str = "") -> Device:
    """Make keys in a folder and start a server that accepts them."""
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # what its service makes when it starts
    make_key(folder / "host")
    make_key(folder / "user")
    shutil.copy(folder / "user.pub", folder / "authorized")
    device = Device(folder, free_port())
    device.know(f"[127.0.0.1]:{device.port} {device.public('host')}")
    words = f"HOME={folder} XDG_CACHE_HOME={folder}/cache {environment}"  # a HOME without start-up files
    config = CONFIG.format(port=device.port, folder=folder, environment=words, more=more)
    (folder / "sshd_config").write_text(config)
    server = [str(SERVER), "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "log")]
    device.server = subprocess.Popen(server, stdin=subprocess.DEVNULL)
    until(lambda: answers(device.port) or device.server.poll() is not None, 10, "the server's start")
    assert device.server.poll() is None, (folder / "log").read_text()
    return device


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
        """Let nobody in any more, and break what is open."""
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


def proxy_to(device: Device) -> Proxy:
    """Stand between us and a device, whose key is then known at the proxy's port too."""
    made = Proxy(device.port)
    with open(device.folder / "known", "a") as known:
        known.write(f"[127.0.0.1]:{made.port} {device.public('host')}\n")
    return made
