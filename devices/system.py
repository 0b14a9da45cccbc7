"""A Linux system as its files describe it: this one, or another whose files lie under a root.

Device nodes, their owners and answers of drivers cannot be kept as files. A described machine has them in
``nodes.txt``, one a line as ``stat -c '%a %u %g %n' /dev/…`` prints them, and in ``querycap/<node>`` as hexadecimal.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from edgevision.devices.cpu import read_text
from edgevision.installed import DPKG, library_file, packages_of
from edgevision.optional import version

NODES = "nodes.txt"
_NODE = re.compile(r"([0-7]+) (\d+) (\d+) (/dev/\S+)")
VIDIOC_QUERYCAP = 0x80685600
QUERYCAP_BYTES = 104


@dataclass(frozen=True)
class Node:
    """A device node: path from "/", permission bits, and the numbers of its owner and group."""

    path: str
    mode: int
    uid: int
    gid: int


class System:
    """Files, device nodes, the user and packages of a system."""

    def __init__(self, root: str | Path = "/") -> None:
        """Describe the system under ``root``; "/" is this one."""
        self.root = Path(root)
        self.here = self.root == Path("/")

    def text(self, path: str) -> str:
        """Return what a file says, without zero bytes and space at its ends; nothing when it cannot be read."""
        return read_text(self.root / path.lstrip("/")).strip("\0\n\t ")

    def exists(self, path: str) -> bool:
        """Whether there is a file or a node."""
        return (self.root / path.lstrip("/")).exists() or self.node("/" + path.lstrip("/")) is not None

    def glob(self, pattern: str) -> tuple[Path, ...]:
        """Return files by a pattern, in order."""
        return tuple(sorted(self.root.glob(pattern.lstrip("/"))))

    def strings(self, path: str) -> tuple[str, ...]:
        """Return the texts of a device-tree property, which zero bytes separate."""
        return tuple(part for part in read_text(self.root / path.lstrip("/")).strip("\n").split("\0") if part)

    def nodes(self, prefix: str) -> tuple[Node, ...]:
        """Return the device nodes whose path is ``prefix`` and a number, in the order of the numbers."""
        found = [node for node in self._nodes(prefix) if node.path[len(prefix) :].isdigit()]
        return tuple(sorted(found, key=lambda node: int(node.path[len(prefix) :])))

    def node(self, path: str) -> Node | None:
        """Return a device node, or None."""
        return next((node for node in self._nodes(path) if node.path == path), None)

    def _nodes(self, prefix: str) -> list[Node]:
        if not self.here:
            return [node for node in self._described if node.path.startswith(prefix)]
        found = []
        for path in Path(prefix).parent.glob(Path(prefix).name + "*"):
            try:
                state = path.stat()
            except OSError:
                continue
            found.append(Node(str(path), state.st_mode & 0o7777, state.st_uid, state.st_gid))
        return found

    @cached_property
    def _described(self) -> tuple[Node, ...]:
        rows = map(_NODE.fullmatch, self.text(NODES).splitlines())
        return tuple(Node(row[4], int(row[1], 8), int(row[2]), int(row[3])) for row in rows if row)

    @cached_property
    def user(self) -> tuple[int, frozenset[int]]:
        """The number of the user whose process asks, and those of the user's groups."""
        uid, groups = 0, set[int]()
        for line in self.text("proc/self/status").splitlines():
            key, _, value = line.partition(":")
            numbers = [int(word) for word in value.split() if word.isdigit()]
            if key == "Uid" and len(numbers) > 1:
                uid = numbers[1]
            elif key in ("Gid", "Groups"):
                groups |= set(numbers)
        return uid, frozenset(groups)

    def may_open(self, node: Node) -> bool:
        """Whether the user may read and write the node."""
        uid, groups = self.user
        shift = 6 if node.uid == uid else 3 if node.gid in groups else 0
        return uid == 0 or (node.mode >> shift) & 0o6 == 0o6

    def group_name(self, gid: int) -> str:
        """Return what a group is called, or its number."""
        for line in self.text("etc/group").splitlines():
            name, *rest = line.split(":")
            if len(rest) > 1 and rest[1] == str(gid):
                return name
        return str(gid)

    def how_to_open(self, node: Node, rule: str = "") -> str:
        """Return what gives the user access to a node."""
        if node.gid == 0 or (node.mode >> 3) & 0o6 != 0o6:
            return f"give {node.path} a group by a udev rule{rule}, then join that group and log in again"
        return f"sudo usermod -aG {self.group_name(node.gid)} $USER, then log in again (in a container: --group-add)"

    def package(self, *names: str) -> str | None:
        """Return the version of the first of some Debian packages that is installed, or None."""
        return next((self._packages[name] for name in names if name in self._packages), None)

    @cached_property
    def _packages(self) -> dict[str, str]:
        return packages_of(self.text(f"{DPKG}/status"))

    def distribution(self, name: str) -> str | None:
        """Return the version of a Python distribution ("tflite-runtime"): of this process, or by its folder there."""
        if self.here:
            return version(name)
        stem = name.replace("-", "_")
        found = self.glob(f"usr/lib/python3*/dist-packages/{stem}-*.dist-info")
        found += self.glob(f"usr/local/lib/python3*/*-packages/{stem}-*.dist-info")
        return found[0].name.removesuffix(".dist-info").partition("-")[2] if found else None

    def library(self, name: str) -> str | None:
        """Return where a shared library lies ("libedgetpu.so.1"), or None."""
        found = library_file(name, self.root)
        return None if found is None else "/" + str(found.relative_to(self.root))

    @cached_property
    def modules(self) -> frozenset[str]:
        """The kernel's loaded modules."""
        return frozenset(line.split()[0] for line in self.text("proc/modules").splitlines() if line.split())

    def querycap(self, path: str) -> bytes | None:
        """Return what a camera's driver answers to VIDIOC_QUERYCAP, or None."""
        if not self.here:
            text = self.text(f"querycap/{path.rpartition('/')[2]}").replace("\n", "").replace(" ", "")
            return bytes.fromhex(text) if text else None
        import fcntl

        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            try:
                return fcntl.ioctl(descriptor, VIDIOC_QUERYCAP, bytes(QUERYCAP_BYTES))
            finally:
                os.close(descriptor)
        except OSError:
            return None


def unpack_querycap(data: bytes) -> dict[str, object]:
    """Return what ``struct v4l2_capability`` says: driver, card, and the capabilities of this very node."""
    driver, card, _bus, _version, all_of_it, of_node = struct.unpack_from("<16s32s32sIII", data)
    return {
        "driver": driver.split(b"\0")[0].decode("utf-8", "replace"),
        "card": card.split(b"\0")[0].decode("utf-8", "replace"),
        "capabilities": of_node if all_of_it & 0x80000000 else all_of_it,
    }
