"""Which process runs a trial, whether it still does, and how processes of one machine take turns."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgevision.errors import ConfigError


def this_process() -> dict[str, Any]:
    """Return what tells this process apart from every other one, also from a later one of the same number."""
    return {"host": _host(), "pid": os.getpid(), "started": _started(os.getpid())}


def is_gone(owner: Any) -> bool:
    """Whether a process as `this_process` described it ran on this machine, and does no more."""
    if not isinstance(owner, dict) or owner.get("host") != _host():
        return False
    return _started(int(owner["pid"])) != owner.get("started")


@contextlib.contextmanager
def locked(file: Path | None) -> Iterator[None]:
    """Hold the one lock that stands for ``file``, waiting for it; None is no lock at all.

    SQLite lets two processes read that a trial waits before either of them takes it; databases with a server do not.
    """
    if file is None:
        yield
        return
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as exc:
        raise ConfigError(
            f"storage: cannot write beside the database, in {file.parent}", got=exc.strerror,
            next_step="name a folder that is there and can be written to",
        ) from exc  # fmt: skip
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _host() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()} {boot}".strip()


def _started(pid: int) -> str | None:
    """Return when a process began, in the kernel's ticks; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
