"""A device over SSH while something is done there: requests to the program on board, files, and a sign of life."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from edgevision.devices import onboard
from edgevision.devices.ssh import Address, connect
from edgevision.errors import RemoteError, reason_of
from edgevision.optional import require

PYTHONS = ("python3", *(f"python3.{minor}" for minor in range(15, 9, -1)))
NO_PYTHON = "edgevision-no-python:"
START_S = 60
CLOSING_S = 1
BEAT_S = onboard.SILENCE_S / 6

# Any login shell passes this on to sh: no line break, no single quote inside, nothing that csh or fish would read.
_START = (
    "sh -c 'for p in " + " ".join(PYTHONS) + "; do "
    'if $p -c "import sys; sys.exit(sys.version_info < (3, 10))" >/dev/null 2>&1; '
    'then exec $p -I -c "import sys; exec(bytes.fromhex(sys.stdin.readline()))"; fi; done; '
    f'echo "{NO_PYTHON}" $(python3 --version 2>&1)\''
)


class OpenBoard:
    """An open session on a device.

    Attributes:
        facts: What the device says of itself: machine, bits, python, implementation, glibc, host.
    """

    def __init__(self, address: Address, connection: Any, process: Any) -> None:
        """Use a connection and the program that runs there."""
        self.facts: Mapping[str, Any] = {}
        self._address = address
        self._connection = connection
        self._process = process
        self._received = b""

    async def ask(self, request: str, **arguments: Any) -> Any:
        """Let the program on board do something (a public method of `edgevision.devices.onboard.Board`).

        Raises:
            RemoteError: It refused, or the connection was cut.
        """
        await self.write(json.dumps({"do": request, **arguments}))
        return await self.answer()

    async def answer(self) -> Any:
        """Wait for the next answer; raises RemoteError as `ask`."""
        while True:
            text = await self._line()
            if text.startswith(NO_PYTHON):
                version = text.removeprefix(NO_PYTHON).strip()
                raise RemoteError(
                    f"{self._address.shown} has no Python 3.10 or newer",
                    got=version if version.startswith("Python") else f"no python3 ({version})",
                    next_step="install one there, as python3 or python3.N on the PATH",
                )
            if text.startswith(onboard.TOKEN):
                answer = json.loads(text.removeprefix(onboard.TOKEN))
                if "error" in answer:
                    raise RemoteError(f"{self._address.shown}: {answer['error']}")
                return answer["ok"]

    @asynccontextmanager
    async def files(self) -> AsyncIterator[Any]:
        """Give an SFTP client; raises RemoteError where the device has no SFTP, or refuses a file."""
        asyncssh = require("asyncssh")
        try:
            client = await self._connection.start_sftp_client()
        except (asyncssh.ChannelOpenError, asyncssh.SFTPError) as exc:
            if self._connection.is_closed():
                raise _cut(self._address) from exc
            raise RemoteError(
                f"the SSH server of {self._address.shown} has no SFTP: {reason_of(exc)}",
                next_step="install openssh-sftp-server on the device",
            ) from exc
        try:
            async with client:
                yield client
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError) as exc:
            raise _cut(self._address) from exc
        except asyncssh.SFTPError as exc:
            raise RemoteError(f"{self._address.shown}: a file could not be written: {reason_of(exc)}") from exc

    async def beat(self) -> None:
        """Say again and again that this side is there."""
        while True:
            await asyncio.sleep(BEAT_S)
            await self.write("")

    @property
    def alive(self) -> bool:
        """Whether the connection is there still, as far as is known."""
        return not self._connection.is_closed()

    async def write(self, line: str) -> None:
        """Send a line to the program on board; raises RemoteError when the connection was cut."""
        try:
            self._process.stdin.write(line.encode() + b"\n")
            await self._process.stdin.drain()
        except (require("asyncssh").Error, OSError) as exc:
            raise _cut(self._address) from exc

    async def _line(self) -> str:
        while b"\n" not in self._received:
            try:
                data = await self._process.stdout.read(1 << 16)
            except (require("asyncssh").Error, OSError) as exc:
                raise _cut(self._address) from exc
            if not data:
                raise await self._ended()
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return line.decode("utf-8", "replace")

    async def _ended(self) -> RemoteError:
        """What to say when nothing more comes: the connection is gone, or only the program on board is."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._connection.wait_closed(), CLOSING_S)
        if not self.alive:
            return _cut(self._address)
        return RemoteError(
            f"what edgevision had started on {self._address.shown} ended",
            got=f"exit status {self._process.exit_status}",
            next_step="was it killed for want of memory, or is there no sh? run the same command again to go on",
        )


def program() -> str:
    """Return the text of the program on board."""
    return inspect.getsource(onboard)


def _cut(address: Address) -> RemoteError:
    return RemoteError(
        f"the connection to {address.shown} was cut",
        next_step="what was sent is kept there, and what ran there is stopped: run the same command again to go on",
    )


@asynccontextmanager
async def open_board(address: Address) -> AsyncIterator[OpenBoard]:
    """Connect to a device and start the program on board; at the end, all that runs there for us ends.

    Raises:
        RemoteError: The device cannot be reached or does not let us in, or has no Python; see `edgevision.devices.ssh`.
    """
    asyncssh = require("asyncssh")
    async with connect(address) as connection:
        try:
            process = await connection.create_process(_START, encoding=None, stderr=asyncssh.DEVNULL)
        except asyncssh.Error as exc:
            raise RemoteError(f"{address.shown} starts no command for us: {reason_of(exc)}") from exc
        board = OpenBoard(address, connection, process)
        await board.write(program().encode().hex())
        try:
            board.facts = await asyncio.wait_for(board.answer(), START_S)
        except asyncio.TimeoutError as exc:
            raise RemoteError(f"{address.shown} started no Python within {START_S} s") from exc
        beating = asyncio.ensure_future(board.beat())
        try:
            yield board
        except (asyncssh.DisconnectError, ConnectionError) as exc:
            raise _cut(address) from exc
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError, RemoteError):
                await beating
