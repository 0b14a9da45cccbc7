"""Options of commands that can run on a device of another machine: ``--device ssh://…`` and what belongs to it."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.options import Body

if TYPE_CHECKING:
    from edgevision.remote import Address, Machine, Remote


def remote_options(function: Body) -> Body:
    """``--known-hosts --identity --wheelhouse --clean``; with ``--device`` they become the argument ``remote``.

    It is None for a device of this machine, where each of the options is a usage error.
    """

    @functools.wraps(function)
    def body(
        known_hosts: Path | None, identity: Path | None, wheelhouse: Path | None, clean: bool, **others: Any
    ) -> None:
        given = {"--known-hosts": known_hosts, "--identity": identity, "--wheelhouse": wheelhouse, "--clean": clean}
        remote = remote_of(others["device"], known_hosts, identity, wheelhouse, clean)
        if remote is None and any(given.values()):
            name = next(name for name, value in given.items() if value)
            raise click.UsageError(f"{name} is for a device of another machine: --device ssh://[USER@]HOST[:PORT]")
        function(remote=remote, **others)

    decorated = address_options(body)
    decorated = click.option(
        "--wheelhouse", metavar="DIR", type=click.Path(path_type=Path),
        help="Wheels for the device ssh://…, made by 'edgevision devices wheelhouse'.  [default: gathered when needed]",
    )(decorated)  # fmt: skip
    return click.option(
        "--clean", is_flag=True, help="Afterwards remove from the device ssh://… all that was ever put there."
    )(decorated)


def address_options(function: Body) -> Body:
    """``--known-hosts`` and ``--identity``: how a machine is entered."""
    function = click.option(
        "--identity", metavar="FILE", type=click.Path(path_type=Path),
        help="Private key for the device ssh://….  [default: those of ~/.ssh and ssh-agent]",
    )(function)  # fmt: skip
    return click.option(
        "--known-hosts", metavar="FILE", type=click.Path(path_type=Path),
        help="Keys of the machines that are trusted.  [default: OpenSSH's files]",
    )(function)  # fmt: skip


def remote_of(
    device: str, known_hosts: Path | None, identity: Path | None, wheelhouse: Path | None, clean: bool
) -> Remote | None:
    """Return what the options say of a device of another machine; None for one of this machine."""
    if not device.startswith("ssh://"):
        return None
    from edgevision.remote import Remote

    return Remote(address_of(device, known_hosts, identity), wheelhouse, clean)


def address_of(device: str, known_hosts: Path | None, identity: Path | None) -> Address:
    """Return how a machine is entered; where only the machine is named, ``ssh://HOST``, its processor is meant."""
    from edgevision.device_string import parse_device
    from edgevision.remote import Address

    machine_alone = re.fullmatch("ssh://[^/]+", device) is not None
    return Address(parse_device(f"{device}/cpu" if machine_alone else device), known_hosts, identity)


def ran_on(machine: Machine | None) -> str:
    """Return the line that ends a text about another machine; nothing for this one."""
    return "" if machine is None else f"\n\nran on {machine}"


def machine_entry(machine: Machine | None) -> dict[str, Any]:
    """Return the field of a document about another machine; none for this one."""
    return {} if machine is None else {"ran_on": machine.to_dict()}
