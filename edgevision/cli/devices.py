"""``edgevision devices``: what hardware is here, and which runtimes could use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command_group
from edgevision.cli.output import check_failed, facts, show, table, working
from edgevision.cli.wheelhouse import wheelhouse

if TYPE_CHECKING:
    from edgevision.devices import Device


@command_group("devices", "edgevision devices", "edgevision devices --test --json")
@click.option("--test", is_flag=True, help="Run a small model on each, in a process of its own.")
@click.option(
    "--model", metavar="MODEL", type=click.Path(path_type=Path), help="With --test: run this one where it fits."
)
def devices(test: bool, model: Path | None) -> None:
    """Show the devices of this machine, and the runtimes: whether each is installed, and how to install it.

    Each device is looked at in stages: its node is present, this user may open it, its driver matches the library, and
    with --test an inference works. An Edge TPU is tested with a compiled MODEL, or one that edgetpu_compiler makes.
    Exit status 3 where an inference fails.
    """
    from edgevision.cli.models import open_model
    from edgevision.devices import discover
    from edgevision.errors import ConfigError

    if model is not None and not test:
        raise ConfigError("--model is what --test runs", next_step="edgevision devices --test --model MODEL")
    with working("looking for devices"):
        found = discover()
        if test:
            from edgevision.trying import try_devices

            found = try_devices(found, None if model is None else open_model(model))
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
    failed = [f"{one.device} ({t.runtime})" for one in found for t in one.trials if t.state == "failed"]
    if failed:
        check_failed(f"no inference on {', '.join(failed)}")


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
    shown["stages"] = ", ".join(f"{name} {state}" for name, state in device.stages.items())
    for trial in device.trials:
        took = trial.reason or f"loaded in {trial.load_ms:.0f} ms, answered in {trial.first_ms:.2f} ms"
        shown[f"test {trial.runtime or ''}".strip()] = f"{trial.state}: {took}"
    for name, value in device.facts.items():
        if name == "name" or value is None or value == []:
            continue
        if name.endswith("_bytes"):
            shown[name.removesuffix("_bytes").replace("_", " ")] = f"{value / 2**30:.1f} GiB"
        else:
            shown[name.replace("_", " ")] = " ".join(value) if isinstance(value, list) else value
    return facts(shown)
