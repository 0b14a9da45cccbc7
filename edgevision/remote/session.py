"""One command on a device of another machine: everything it needs is brought there, and its document comes back."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgevision.devices.board import OpenBoard, open_board
from edgevision.devices.own_wheel import NAME, own_wheel
from edgevision.devices.shipping import Tree, ship
from edgevision.devices.ssh import Address
from edgevision.devices.target import Target
from edgevision.devices.wheelhouse import Wheelhouse, cached_wheelhouse
from edgevision.errors import ConfigError, EdgeVisionError, RemoteError
from edgevision.remote.arguments import Argument

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Remote:
    """A device of another machine, and what may be done there.

    Attributes:
        address: The device, and how its machine is entered.
        wheelhouse: Folder that `edgevision.devices.wheelhouse.build_wheelhouse` made; None to gather the wheels when
            the device needs them, and keep them in the user's cache.
        clean: Whether to remove from the device all that was put there, also by earlier runs.
    """

    address: Address
    wheelhouse: Path | None = None
    clean: bool = False


@dataclass(frozen=True)
class Machine:
    """What ran a command.

    Attributes:
        device: The device string.
        host: What the machine calls itself.
        machine: Its architecture.
        python: Version of its Python.
        edgevision: Version of the edgevision that ran there: this one.
    """

    device: str
    host: str
    machine: str
    python: str
    edgevision: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.device}: {self.host}, {self.machine}, Python {self.python}, edgevision {self.edgevision}"


def run_there(
    remote: Remote, command: str, arguments: Sequence[Argument], tell: Tell | None
) -> tuple[dict[str, Any], Machine]:
    """Run a command there; return its document, without the command's name, and the machine."""
    return asyncio.run(_session(remote, command, arguments, tell or (lambda text: None)))


def ask_target(address: Address) -> Target:
    """Connect to a device and ask what kind of machine it is; raises RemoteError and ConfigError."""

    async def ask() -> Target:
        async with open_board(address) as board:
            return target_of(board.facts, address.shown)

    return asyncio.run(ask())


async def _session(
    remote: Remote, command: str, arguments: Sequence[Argument], tell: Tell
) -> tuple[dict[str, Any], Machine]:
    tell(f"connecting to {remote.address.shown}")
    async with open_board(remote.address) as board:
        try:
            found = await _command(board, remote, command, arguments, tell)
        except EdgeVisionError:
            if remote.clean and board.alive:
                await board.ask("clean")
            raise
        if remote.clean:
            await board.ask("clean")
        return found


async def _command(
    board: OpenBoard, remote: Remote, command: str, arguments: Sequence[Argument], tell: Tell
) -> tuple[dict[str, Any], Machine]:
    python, version = await _environment(board, remote, tell)
    facts = board.facts
    machine = Machine(str(remote.address.device), facts["host"], facts["machine"], facts["python"], version)
    places: dict[str, str] = {}
    typed = [await _typed(board, argument, places, tell) for argument in arguments]
    tell(f"{command} on {remote.address.shown}")
    answer = await board.ask("run", command=[python, "-m", NAME, command, *typed, "--json"])
    return _document(answer, remote, command, places), machine


async def _environment(board: OpenBoard, remote: Remote, tell: Tell) -> tuple[str, str]:
    """Make sure that this edgevision is on the device; return its Python there, and its version."""
    target = target_of(board.facts, remote.address.shown)
    # In threads: what takes long here must not keep us from telling the device that we are still there.
    house = await asyncio.to_thread(_wheelhouse, remote, target, tell)
    with tempfile.TemporaryDirectory() as temporary:
        own = await asyncio.to_thread(own_wheel, Path(temporary))
        wheels = {name: house.folder / name for name in house.wheels if not name.startswith(f"{NAME}-")}
        tree = await asyncio.to_thread(Tree.of, {**wheels, own.name: own})
        folder = await ship(board, tree, "edgevision", tell)
    tell(f"installing edgevision on {remote.address.shown}")
    pip = next(name for name in house.wheels if name.startswith("pip-"))
    made = await board.ask("environment", digest=tree.digest, wheels=folder, own=own.name, pip=pip)
    return made["python"], own.name.split("-")[1]


def _wheelhouse(remote: Remote, target: Target, tell: Tell) -> Wheelhouse:
    if remote.wheelhouse is None:
        tell(f"gathering wheels for {target}")
        return cached_wheelhouse(target, Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / NAME)
    house = Wheelhouse.open(remote.wheelhouse)
    if not house.target.fits(target):
        raise ConfigError(
            f"{remote.wheelhouse}: its wheels do not run on {remote.address.shown}",
            got=house.target,
            allowed=str(target),
            next_step="make another one: edgevision devices wheelhouse",
        )
    return house


def target_of(facts: Mapping[str, Any], shown: str) -> Target:
    """Return the kind of machine that a device says it is.

    Raises:
        RemoteError: No wheels run there.
        ConfigError: An architecture that there are no wheels for.
    """
    if facts["implementation"] != "cpython" or facts["glibc"] is None:
        raise RemoteError(
            f"{shown}: no wheels for its Python", got=f"{facts['implementation']}, glibc {facts['glibc']}",
            allowed="CPython with the GNU C library",
        )  # fmt: skip
    if facts["bits"] == 32 and facts["machine"] != "armv7l":
        raise RemoteError(f"{shown}: a 32-bit Python on a 64-bit system is not served", got=facts["machine"])
    return Target(facts["machine"], ".".join(facts["python"].split(".")[:2]), facts["glibc"])


async def _typed(board: OpenBoard, argument: Argument, places: dict[str, str], tell: Tell) -> str:
    """What is typed there for an argument: its files are there then."""
    if isinstance(argument, str):
        return argument
    folder = await ship(board, await asyncio.to_thread(Tree.of, argument.files), argument.place, tell)
    places[folder] = argument.place
    if argument.name is None:
        return folder
    places[f"{folder}/{argument.name}"] = argument.place
    return f"{folder}/{argument.name}"


def _document(answer: Mapping[str, Any], remote: Remote, command: str, places: Mapping[str, str]) -> dict[str, Any]:
    """Read what the command printed; raises RemoteError with what it said and its status when it failed."""
    status = answer["status"]
    if status in (0, 3) and answer["stdout"].strip():
        document = json.loads(answer["stdout"])
        document.pop("command")
        return dict(document)
    said = [line for line in answer["stderr"].splitlines() if line.strip()] or ["nothing"]
    mark = "edgevision: error: "
    text = next((line.removeprefix(mark) for line in said if line.startswith(mark)), None)
    if text is None:
        text = f"edgevision {command} ended with exit status {status}; it said: {said[-1][:300]}"
    for there in sorted(places, key=len, reverse=True):
        text = text.replace(there, places[there])
    raise RemoteError(f"{remote.address.shown}: {text}", exit_code=status if status in (1, 2, 3) else 1)
