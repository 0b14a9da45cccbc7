"""Writing results so that a killed program leaves the old one or the new one, and measuring what was written."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import hashlib
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgevision.errors import ConfigError, OutputError

OUR_DIRECTORIES = ("manifest.json", "report.json", "ledger.json", "wheelhouse.json")
"""A directory with one of these files in it was made by edgevision, and may be replaced."""

NAME_BYTES = 255
"""The longest part of a path, on the file systems of Linux, macOS and Windows."""

_CHUNK = 1 << 20
_ROOM = 1 << 16
_REASONS = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EFBIG: "files may not become that large here (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOTDIR: "a file is where a directory should be",
    errno.EEXIST: "a file is where a directory should be",
}


def user_path(text: str) -> Path:
    """Return a path that somebody wrote, "~" and "~NAME" resolved.

    Raises:
        ConfigError: It can be no path: nobody of that name, a NUL, or a part too long for any file system.
    """
    if "\0" in text or any(len(os.fsencode(part)) > NAME_BYTES for part in Path(text).parts):
        raise ConfigError(
            "path: no file can have this name", got=repr(text[:60]),
            allowed=f"parts of at most {NAME_BYTES} bytes, without NUL",
        )  # fmt: skip
    try:
        return Path(text).expanduser()
    except RuntimeError as exc:
        allowed = "a path, or ~NAME of a user of this machine"
        raise ConfigError("path: no home folder", got=text, allowed=allowed) from exc


@contextmanager
def atomic_directory(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give an empty directory to fill, and move it to ``path`` when the block ends well.

    The directory stands beside ``path`` under a hidden name. Its files are flushed to the disk before the one
    step that puts it in place (with ``overwrite``, an exchange with the old directory), so that whoever is killed
    in between leaves the old state. When the block raises, nothing is left.

    Raises:
        ConfigError: ``path`` has something in it and ``overwrite`` is False; or it holds something that edgevision
            did not make, which is never replaced.
        OutputError: No space, no permission, or something in the way.
    """
    target = Path(path).expanduser().resolve()
    _check_replaceable(target, overwrite)
    temporary = _sibling(target)
    try:
        with _mapped(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
        with _mapped(target, within=temporary):
            yield temporary
        with _mapped(target):
            _sync_tree(temporary)
            _check_replaceable(target, overwrite)
            _put_in_place(temporary, target)
            _sync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def atomic_file(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give the path of a file to write (same suffix), and move it to ``path`` when the block ends well.

    A file that was there hands on who may read it, and whose it is as far as this process may give files away.

    Raises:
        ConfigError: ``path`` exists and ``overwrite`` is False.
        OutputError: No space, no permission, or something in the way.
    """
    target = Path(path).expanduser().resolve()
    _check_free(target, overwrite)
    with _mapped(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _sibling(target)
    try:
        with _mapped(target, within=temporary):
            temporary.touch(mode=0o600 if target.exists() else 0o666, exist_ok=False)
            yield temporary
        with _mapped(target):
            _settle(temporary, target)
            os.replace(temporary, target)
            _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def turn_at(path: str | Path) -> Iterator[None]:
    """Wait until no other process has its turn at a file, then have it: for reading, changing and writing it anew.

    What is locked is the folder, for after each `atomic_file` the file is another one. Within a turn there can be none
    at a file of the same folder. Where the file system has no locks of folders, such as NFS, nobody waits.

    Raises:
        OutputError: The folder is not there and cannot be made, or may not be read.
    """
    target = Path(path).expanduser().resolve()
    with _mapped(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system that has none
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sha256_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def deflated_bytes(paths: Iterable[str | Path]) -> int:
    """Return how many bytes the files take when each is deflated (zlib, level 9): what a download would weigh."""
    total = 0
    for path in paths:
        deflate = zlib.compressobj(9)
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                total += len(deflate.compress(chunk))
        total += len(deflate.flush())
    return total


def _exists(target: Path) -> ConfigError:
    return ConfigError(f"{target} exists", next_step="name another place, or pass --overwrite (overwrite=True)")


def check_place(path: str | Path, overwrite: bool) -> None:
    """Raise what `atomic_directory` would raise at ``path`` by now: for callers with hours of work before it.

    Directories are made for the trial, and taken away again.
    """
    target = Path(path).expanduser().resolve()
    _check_replaceable(target, overwrite)
    _try_place(target)


def check_file_place(path: str | Path, overwrite: bool) -> None:
    """Raise what `atomic_file` would raise at ``path`` by now, likewise."""
    target = Path(path).expanduser().resolve()
    _check_free(target, overwrite)
    _try_place(target)


def check_room(folder: Path, target: str | Path) -> None:
    """Raise OutputError where no more fits into a folder: for those who write for us, and do not say that they failed.

    Args:
        folder: Where a file is written for the trial, and taken away again.
        target: What the folder is going to be, for the message.
    """
    trial = folder / secrets.token_hex(4)
    try:
        with open(trial, "wb") as file:
            file.write(bytes(_ROOM))
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        reason = _REASONS.get(exc.errno or 0) or exc.strerror or str(exc)
        raise OutputError(
            f"cannot write {target}: {reason}", next_step="nothing was written; make room there, or name another place"
        ) from exc
    finally:
        trial.unlink(missing_ok=True)


def _check_free(target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise ConfigError(f"{target} is a directory, not a file", next_step="name another place")
    if target.exists() and not overwrite:
        raise _exists(target)


def _try_place(target: Path) -> None:
    missing = [parent for parent in target.parents if not parent.exists()]
    trial = [*reversed(missing), _sibling(target)]
    try:
        with _mapped(target):
            for folder in trial:
                folder.mkdir()
    finally:  # of those that were not reached, too: Ctrl-C may come between making one and noting that
        for folder in reversed(trial):
            with suppress(OSError):
                folder.rmdir()


def _check_replaceable(target: Path, overwrite: bool) -> None:
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise ConfigError(f"{target} is a file, not a directory", next_step="name another place")
    with _mapped(target):
        names = set(os.listdir(target))
    if not names:
        return
    if not names.intersection(OUR_DIRECTORIES):
        raise ConfigError(
            f"{target} holds something that edgevision did not make", next_step="name another or an empty directory"
        )
    if not overwrite:
        raise _exists(target)


@contextmanager
def _mapped(target: Path, within: Path | None = None) -> Iterator[None]:
    """Turn the OSErrors of writing into OutputError; in a caller's block, only those that concern ``within``."""
    try:
        yield
    except OSError as exc:
        disk = exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
        ours = within is None or (exc.filename is not None and str(exc.filename).startswith(str(within)))
        if not (disk or ours):
            raise
        reason = _REASONS.get(exc.errno or 0) or exc.strerror or str(exc)
        raise OutputError(f"cannot write {target}: {reason}", next_step="nothing was written") from exc


def unfinished(path: Path) -> list[Path]:
    """Return what writing ``path`` left behind where the process was killed."""
    return sorted(path.parent.glob(f".????????.tmp.{glob.escape(path.name)}"))


def _settle(new: Path, old: Path) -> None:
    """Hand on what an old file has to say about who may read it, and flush the new one to the disk.

    By its descriptor: whoever may write to the folder could put a link to another file in the new one's place.
    """
    descriptor = os.open(new, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        with suppress(FileNotFoundError):
            _hand_on(old.stat(), descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hand_on(was: os.stat_result, descriptor: int) -> None:
    for owner in (was.st_uid, -1):  # a user may give a file to a group of theirs, and to nobody else
        with suppress(OSError):
            os.fchown(descriptor, owner, was.st_gid)
            break
    mode = was.st_mode & 0o777
    if os.fstat(descriptor).st_gid != was.st_gid:  # another group is not let in where that one was
        mode &= ~0o070 | (mode & 0o007) << 3
    os.fchmod(descriptor, mode)


def _sibling(target: Path) -> Path:
    return target.with_name(f".{secrets.token_hex(4)}.tmp.{target.name}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as exc:  # some file systems cannot flush a directory
        if not path.is_dir() or exc.errno not in (errno.EINVAL, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def _sync_tree(root: Path) -> None:
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            _sync(Path(folder, name))
        _sync(Path(folder))


def _put_in_place(temporary: Path, target: Path) -> None:
    try:
        os.rename(temporary, target)  # also replaces an empty directory
        return
    except OSError as exc:
        if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    if _exchange(temporary, target):
        return
    old = _sibling(target)  # a file system without exchange: two steps, the old state kept until the second is done
    os.rename(target, old)
    try:
        os.rename(temporary, target)
    except OSError:
        os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two directories in one step (renameat2 with RENAME_EXCHANGE, Linux 3.15); False where there is none."""
    at_cwd, exchange = -100, 2
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    return bool(renameat2(at_cwd, os.fsencode(first), at_cwd, os.fsencode(second), exchange) == 0)
