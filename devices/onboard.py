"""The program that edgevision runs on a device while a command works there.

It is sent over SSH as text and needs Python 3.10 and nothing else; no file of edgevision is imported. Requests come as
lines of JSON on standard input, answers go as lines of JSON behind `TOKEN` to standard output. An empty line says that
the other side is still there: when standard input ends, or nothing has come for `SILENCE_S`, whatever was started here
is killed, with all of its process group, and the program ends.

Everything that it writes is below one private directory (0700):

    blobs/SHA256        a file by its hash; SHA256.part while it is on its way
    trees/DIGEST/       files by their names, linked to blobs
    envs/DIGEST/        a virtual environment with the wheels of a tree; complete when it has the file STAMP
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import queue
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

TOKEN = "edgevision-onboard:"
SILENCE_S = 30.0
STAMP = "edgevision-complete"
# What would let the device's own settings into the environment that is made here.
FOREIGN = ("PYTHON", "PIP_", "VIRTUAL_ENV")


class Refused(Exception):
    """A request that cannot be done; its text is for the user."""


class Children:
    """The process that works, and its end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None

    def run(self, command: Sequence[str], folder: Path) -> tuple[int, str, str]:
        """Run a command in its own process group, and end that group: (status, standard output, standard error)."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        environment = {**kept, "PYTHONUTF8": "1", "PYTHONNOUSERSITE": "1", "PIP_CONFIG_FILE": os.devnull}
        with tempfile.TemporaryFile(dir=folder) as out, tempfile.TemporaryFile(dir=folder) as err:
            with self._lock:
                child = self._running = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder, env=environment,
                    start_new_session=True,
                )  # fmt: skip
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # not reaped: its number is still its own
            with self._lock:
                _kill(child, signal.SIGKILL)
                status, self._running = child.wait(), None
            return status, _text(out), _text(err)

    def end(self) -> None:
        """Kill what runs; nothing is started after this."""
        self._lock.acquire()
        if self._running is not None:
            _kill(self._running, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._running.wait(2)
            _kill(self._running, signal.SIGKILL)


def _kill(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _text(file: Any) -> str:
    file.seek(0)
    data: bytes = file.read()
    return data.decode("utf-8", "replace")


class Board:
    """What can be asked for: each public method is a request of that name."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._root = _private_directory()
        self._locks = [_lock(self._root / "lock", fcntl.LOCK_SH)]

    def missing(self, files: Mapping[str, int]) -> dict[str, Any]:
        """Which files (hash -> bytes) are not here, with the bytes that are; and where to put the rest."""
        blobs = self._folder("blobs")
        absent = {}
        for name in files:
            if not (blobs / name).exists():
                part = blobs / f"{name}.part"
                absent[name] = part.stat().st_size if part.exists() else 0
        return {"folder": str(blobs), "missing": absent, "free_bytes": shutil.disk_usage(blobs).free}

    def keep(self, names: Sequence[str]) -> list[str]:
        """Take files that have arrived; return those whose content is not what their name says, which are dropped."""
        blobs, wrong = self._folder("blobs"), []
        for name in names:
            part = blobs / f"{name}.part"
            if (blobs / name).exists():
                part.unlink(missing_ok=True)
            elif _sha256(part) == name:
                part.rename(blobs / name)
            else:
                part.unlink()
                wrong.append(name)
        return wrong

    def tree(self, digest: str, files: Mapping[str, str]) -> str:
        """Lay out files (path -> hash) that are here, and return the folder."""
        place = self._folder("trees") / digest
        if place.exists():
            return str(place)
        with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
            whole = Path(temporary) / "tree"
            whole.mkdir()
            for name, blob in files.items():
                if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                    raise Refused(f"a file name that leads elsewhere: {name}")
                (whole / name).parent.mkdir(parents=True, exist_ok=True)
                _link(self._root / "blobs" / blob, whole / name)
            try:
                whole.rename(place)
            except OSError:
                if not place.exists():  # otherwise another session was faster
                    raise
        return str(place)

    def environment(self, digest: str, wheels: str, own: str, pip: str) -> dict[str, Any]:
        """Make the virtual environment of a tree of wheels, unless it is there; return its Python."""
        place = self._folder("envs") / digest
        self._locks.append(_lock(place.with_suffix(".lock"), fcntl.LOCK_EX))
        python, made = place / "bin/python", False
        if not (place / STAMP).exists():
            shutil.rmtree(place, ignore_errors=True)
            self._install(place, python, Path(wheels), own, pip)
            (place / STAMP).touch()
            made = True
        fcntl.flock(self._locks[-1], fcntl.LOCK_SH)
        self._drop_other_environments(place)
        return {"python": str(python), "made": made}

    def run(self, command: Sequence[str]) -> dict[str, Any]:
        """Run a command to its end."""
        status, out, err = self._children.run(command, self._root)
        return {"status": status, "stdout": out, "stderr": err}

    def clean(self) -> str:
        """Remove the private directory; refused while another session uses it."""
        if not _try_lock(self._locks[0], fcntl.LOCK_EX):
            raise Refused("another session is at work on the device; its files are not removed under it")
        shutil.rmtree(self._root)
        return str(self._root)

    def _install(self, place: Path, python: Path, wheels: Path, own: str, pip: str) -> None:
        install = ("install", "--quiet", "--no-index", "--no-cache-dir", "--no-input", "--disable-pip-version-check")
        for command in (
            [sys.executable, "-m", "venv", "--without-pip", str(place)],
            [str(python), str(wheels / pip / "pip"), *install, "--find-links", str(wheels), str(wheels / own)],
        ):
            status, out, err = self._children.run(command, self._root)
            if status:
                last = ([line for line in (out + err).splitlines() if line.strip()] or ["nothing"])[-1]
                raise Refused(f"installing edgevision there failed with exit status {status}; it said: {last[:300]}")

    def _drop_other_environments(self, place: Path) -> None:
        """Remove the environments of other wheels that nobody uses."""
        for other in place.parent.glob("*.lock"):
            if other.stem != place.name:
                with open(other, "r+b") as file:
                    if _try_lock(file.fileno(), fcntl.LOCK_EX):
                        shutil.rmtree(other.with_suffix(""), ignore_errors=True)

    def _folder(self, name: str) -> Path:
        folder = self._root / name
        folder.mkdir(exist_ok=True)
        return folder


def _private_directory() -> Path:
    """Make the directory that only this user can enter, below the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "edgevision-remote"
    place.mkdir(parents=True, exist_ok=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Refused(f"{place} is not a directory of this user's")
    place.chmod(0o700)
    return place


def _lock(path: Path, kind: int) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, kind)
    return handle


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def facts() -> dict[str, Any]:
    """What decides which wheels run here."""
    return {
        "machine": platform.machine(),
        "bits": struct.calcsize("P") * 8,
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "glibc": _glibc(),
        "host": platform.node(),
    }


def _glibc() -> str | None:
    """Version of the GNU C library; None where there is another one."""
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ") or None
    except (ValueError, OSError):
        return None


def main() -> None:
    """Answer requests until standard input ends."""
    os.umask(0o077)
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    children = Children()
    requests: queue.Queue[dict[str, Any]] = queue.Queue()

    def stop(*_: object) -> None:
        children.end()
        os._exit(1)

    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda *_: threading.Thread(target=stop).start())
    try:
        board = Board(children)
        answer: dict[str, Any] = {"ok": facts()}
    except (Refused, OSError) as exc:
        answer = {"error": _reason(exc)}
    _say(answers, answer, stop)
    threading.Thread(target=_listen, args=(requests, stop), daemon=True).start()
    while True:
        request = requests.get()
        try:
            answer = {"ok": getattr(board, request.pop("do"))(**request)}
        except (Refused, OSError) as exc:
            answer = {"error": _reason(exc)}
        _say(answers, answer, stop)


def _reason(exc: Exception) -> str:
    if isinstance(exc, OSError) and exc.strerror:
        return f"{exc.filename}: {exc.strerror}" if exc.filename else exc.strerror
    return str(exc)


def _say(answers: Any, answer: Mapping[str, Any], stop: Callable[[], None]) -> None:
    try:
        answers.write(f"\n{TOKEN}{json.dumps(answer)}\n")  # whatever a shell's start-up files said ends before it
        answers.flush()
    except OSError:
        stop()


def _listen(requests: queue.Queue[dict[str, Any]], stop: Callable[[], None]) -> None:
    rest = b""
    while True:
        ready, _, _ = select.select([0], [], [], SILENCE_S)
        data = os.read(0, 1 << 16) if ready else b""
        if not data:
            stop()
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                requests.put(json.loads(line))


if __name__ == "__main__":
    main()
