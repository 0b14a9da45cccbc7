"""Faults that take a tool: RTP packets that are damaged on their way, and a wall clock that jumps."""

from __future__ import annotations

import random
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

COMPILER = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
SHIFT = Path(__file__).with_name("clock_shift.c")
_RTP_HEADER = 12


def clock_of(folder: Path) -> Mapping[str, str]:
    """Return variables under which a process's wall clock is off by what `set_clock` says; takes a C compiler."""
    library = folder / "clock_shift.so"
    command = [str(COMPILER), "-O2", "-shared", "-fPIC", "-o", str(library), str(SHIFT)]
    subprocess.run(command, check=True, capture_output=True)
    set_clock(folder, 0)
    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(folder / "clock")}


def set_clock(folder: Path, seconds: int) -> None:
    """Let the wall clock be off by so many seconds from now on."""
    with open(folder / "clock", "r+b" if (folder / "clock").exists() else "w+b") as file:
        file.write(struct.pack("q", seconds))


class Garbler:
    """Passes RTSP over TCP on, and damages packets of pictures when told to (RFC 2326, 10.12); a context manager.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, target: int) -> None:
        self._target, self._garble = target, threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._random = random.Random(0)
        self._open: list[socket.socket] = []

    def __enter__(self) -> Garbler:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def garble(self, on: bool) -> None:
        """Begin to damage packets, or end that."""
        (self._garble.set if on else self._garble.clear)()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                threading.Thread(target=self._up, args=(near, far), daemon=True).start()
                threading.Thread(target=self._down, args=(far, near), daemon=True).start()

    def _up(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(1 << 16):
                far.sendall(data)
            far.shutdown(socket.SHUT_RDWR)

    def _down(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError), far.makefile("rb") as stream:
            while first := stream.read(1):
                if first == b"$":
                    head = stream.read(3)
                    content = bytearray(stream.read(int.from_bytes(head[1:], "big")))
                    if head[0] == 0 and self._garble.is_set():
                        self._damage(content)
                    near.sendall(first + head + bytes(content))
                else:
                    near.sendall(first + stream.readline())
            near.shutdown(socket.SHUT_RDWR)

    def _damage(self, packet: bytearray) -> None:
        """Change a share of the bytes behind the header, so that nothing can be made of most pictures."""
        for place in range(_RTP_HEADER, len(packet)):
            if self._random.random() < 0.2:
                packet[place] ^= self._random.randrange(1, 256)
