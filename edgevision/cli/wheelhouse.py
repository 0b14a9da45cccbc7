"""``edgevision devices wheelhouse``: what a device without network is installed from."""

from __future__ import annotations

from pathlib import Path

import click

from edgevision.cli.command import command
from edgevision.cli.options import Choice, out_option, overwrite_option
from edgevision.cli.output import facts, show, working
from edgevision.cli.remote import address_of, address_options


@command(
    "wheelhouse",
    "edgevision devices wheelhouse --device ssh://pi@camera-3/cpu --out wheels",
    "edgevision devices wheelhouse --machine aarch64 --python 3.11 --glibc 2.36 --out wheels",
)
@click.option("--device", help="Ask this device, ssh://[USER@]HOST[:PORT], what it is.")
@click.option("--machine", type=Choice(["x86_64", "aarch64", "armv7l"]), help="Or say it: what 'uname -m' says there.")
@click.option("--python", metavar="N.M", help="Version of Python there.")
@click.option("--glibc", metavar="N.M", help="Version of the C library there: the end of what 'ldd --version' says.")
@address_options
@out_option("wheels")
@overwrite_option
def wheelhouse(
    device: str | None,
    machine: str | None,
    python: str | None,
    glibc: str | None,
    known_hosts: Path | None,
    identity: Path | None,
    out: Path,
    overwrite: bool,
) -> None:
    """Gather wheels for a device: this edgevision, what its base install needs there, and pip.

    The package index is the one that pip is configured for here. On the device, from a copy of the folder:
    python3 -m pip install --no-index --find-links wheels edgevision. Commands with --device ssh://… take the
    folder as --wheelhouse.
    """
    from edgevision.devices.target import Target
    from edgevision.devices.wheelhouse import build_wheelhouse
    from edgevision.remote import ask_target

    said = (machine, python, glibc)
    if (device is None) == (None in said) or (device is not None and any(said)):
        raise click.UsageError("name --device, or all of --machine, --python and --glibc")
    with working("gathering wheels"):
        if device is not None:
            target = ask_target(address_of(device, known_hosts, identity))
        else:
            target = Target(str(machine), str(python), str(glibc))
        made = build_wheelhouse(target, out, overwrite=overwrite)
    rows = {"for": target, "folder": out, "wheels": len(made.wheels), "bytes": f"{made.bytes:,}"}
    names = "\n".join(made.wheels)
    show({**made.to_dict(), "folder": str(out), "bytes": made.bytes}, f"{facts(rows)}\n\n{names}")
