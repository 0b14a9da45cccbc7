"""``edgevision devices``: what hardware is here, and which runtimes could use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgevision.cli.command import command_group
from edgevision.cli.output import facts, show, table, working
from edgevision.cli.wheelhouse import wheelhouse

if TYPE_CHECKING:
    from edgevision.devices import Device


@command_group("devices", "edgevision devices", "edgevision devices --json")
def devices() -> None:
    """Show the devices of this machine, and the runtimes: whether each is installed, and how to install it."""
    from edgevision.devices import discover

    with working("looking for devices"):
        found = discover()
        runtimes = _runtimes()
    rows = [
        [entry["name"], ", ".join(entry["formats"]) or "any", ", ".join(entry["devices"]), entry["state"]]
        for entry in runtimes
    ]
    text = "\n\n".join(_text(device) for device in found if device.state != "absent")
    absent = [f"{device.device} ({device.reason})" for device in found if device.state == "absent"]
    if absent:
        text += "\n\nnot here:\n  " + "\n  ".join(absent)
    show(
        {"devices": [device.to_dict() for device in found], "runtimes": runtimes},
        f"{text}\n\n{table(['runtime', 'formats', 'devices', 'package'], rows)}",
    )


devices.add_command(wheelhouse)


def _runtimes() -> list[dict[str, Any]]:
    from edgevision.registry import runtime_rows
    from edgevision.runtimes.base import implementation_of

    entries = []
    for row in runtime_rows():
        availability = implementation_of(row).availability()
        if availability.available:
            state = f"{availability.package} {availability.version or ''}".strip()
        else:
            state = f"not here: {availability.install}"
        entries.append(
            {
                "name": row.name,
                "formats": list(row.formats),
                "devices": list(row.devices),
                "available": availability.available,
                "package": availability.package,
                "version": availability.version,
                "install": availability.install,
                "state": state,
            }
        )
    return entries


def _text(device: Device) -> str:
    shown: dict[str, object] = {"device": device.device, "name": device.name, "state": device.state}
    shown |= {"reason": device.reason, "fix": device.fix}
    for name, value in device.facts.items():
        if name == "name" or value is None or value == []:
            continue
        if name.endswith("_bytes"):
            shown[name.removesuffix("_bytes").replace("_", " ")] = f"{value / 2**30:.1f} GiB"
        else:
            shown[name.replace("_", " ")] = " ".join(value) if isinstance(value, list) else value
    return facts(shown)
