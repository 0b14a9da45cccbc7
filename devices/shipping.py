"""Bringing files to a device: each by its hash, so that only what is missing travels, and a cut transfer goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.documents import digest
from edgevision.errors import InputError, RemoteError
from edgevision.files import sha256_file

CHUNK = 1 << 18
"""Bytes that are acknowledged before the next are sent: of a file that was cut off, all but the last are whole."""

AT_ONCE = 8
"""Files on their way at the same time."""

BATCH = 256
"""Files that are checked on the device in one request."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Tree:
    """Files to lay out in a folder of the device.

    Attributes:
        files: Path in the folder -> the file here.
        hashes: Path in the folder -> SHA-256.
    """

    files: Mapping[str, Path]
    hashes: Mapping[str, str]

    @classmethod
    def of(cls, files: Mapping[str, Path]) -> Tree:
        """Hash the files.

        Raises:
            InputError: One of them cannot be read.
        """
        try:
            return cls(dict(files), {name: sha256_file(path) for name, path in files.items()})
        except OSError as exc:
            raise InputError(f"cannot read {exc.filename}: {exc.strerror}") from exc

    @property
    def digest(self) -> str:
        """What tells this tree from any other: a hash over names and hashes."""
        return digest(dict(self.hashes))


async def ship(board: Any, tree: Tree, what: str, tell: Tell) -> str:
    """Send what the device does not have of a tree, and return the folder there that holds it.

    Args:
        board: An `edgevision.devices.board.OpenBoard`.
        tree: The files.
        what: What they are, for messages.
        tell: Called with what is going on.

    Raises:
        RemoteError: No space, no SFTP, or the connection was cut; what has arrived is kept.
    """
    sources = {tree.hashes[name]: path for name, path in tree.files.items()}
    sizes = {name: path.stat().st_size for name, path in sources.items()}
    answer = await board.ask("missing", files=sizes)
    missing: dict[str, int] = answer["missing"]
    if missing:
        total = sum(sizes[name] for name in missing)
        if total > answer["free_bytes"]:
            raise RemoteError(
                f"no space on the device for {what}", got=f"{answer['free_bytes']:,} bytes free", allowed=f"{total:,}"
            )
        transfer = _Transfer(answer["folder"], total, what, tell)
        async with board.files() as sftp:
            names = list(missing)
            for start in range(0, len(names), BATCH):
                batch = {name: missing[name] for name in names[start : start + BATCH]}
                await _send(board, sftp, transfer, sources, batch)
    return str(await board.ask("tree", digest=tree.digest, files=dict(tree.hashes)))


@dataclass
class _Transfer:
    """Where files go, and how far they are."""

    folder: str
    total: int
    what: str
    tell: Tell
    sent: int = 0

    def advance(self, count: int) -> None:
        self.sent += count
        self.tell(f"sending {self.what}, {self.sent / 1e6:.1f} of {self.total / 1e6:.1f} MB")


async def _send(
    board: Any, sftp: Any, transfer: _Transfer, sources: Mapping[str, Path], batch: Mapping[str, int]
) -> None:
    """Send files and have them checked; what arrived wrong is sent once more, from its beginning."""
    await _send_all(sftp, transfer, sources, batch)
    wrong = await board.ask("keep", names=list(batch))
    if wrong:
        await _send_all(sftp, transfer, sources, dict.fromkeys(wrong, 0))
        if await board.ask("keep", names=wrong):
            changed = ", ".join(str(sources[name]) for name in wrong[:3])
            raise RemoteError(
                f"{changed} did not arrive as it is here", next_step="was it changed meanwhile? try again"
            )


async def _send_all(sftp: Any, transfer: _Transfer, sources: Mapping[str, Path], batch: Mapping[str, int]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, there: int) -> None:
        async with gate:
            await _send_file(sftp, sources[name], f"{transfer.folder}/{name}.part", there, transfer)

    ends = await asyncio.gather(*(one(name, there) for name, there in batch.items()), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end


async def _send_file(sftp: Any, source: Path, target: str, there: int, transfer: _Transfer) -> None:
    start = max(0, there - 1) // CHUNK * CHUNK
    if not there:
        async with sftp.open(target, "wb"):
            pass
    with open(source, "rb") as file:
        file.seek(start)
        transfer.advance(start)
        async with sftp.open(target, "r+b") as remote:
            while data := file.read(CHUNK):
                await remote.write(data, start)
                start += len(data)
                transfer.advance(len(data))
