"""``edgevision check``: whether models fit devices, which need not be here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgevision.cli.command import command
from edgevision.cli.output import check_failed, show, table, working

if TYPE_CHECKING:
    from edgevision.devices.checking import Check
    from edgevision.devices.fit import Fit

SHOWN = 12
"""So many reasons are printed for a model on a device; ``--json`` has all of them."""


@command(
    "check",
    "edgevision check runs/resnet8-tflite-static_wi8_ai8 --profile coral-usb --profile stm32h7",
    "edgevision check model.tflite",
    "edgevision check model.onnx --device hetero:gpu,cpu",
)
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=click.Path(path_type=Path))
@click.option(
    "--profile", "profiles", multiple=True, metavar="NAME|PATH",
    help="A device, by the name of its profile or the path of a TOML file. By default every profile.",
)  # fmt: skip
@click.option(
    "--device", "devices", multiple=True, metavar="DEVICE",
    help="A device of this machine (cpu, gpu, npu, coral:usb:0, hetero:gpu,cpu): the model is loaded there.",
)  # fmt: skip
def check(models: tuple[Path, ...], profiles: tuple[str, ...], devices: tuple[str, ...]) -> None:
    """Say whether each MODEL runs on devices: operators, numbers, shapes, memory and installation.

    Of a profile this is predicted from rules; on microcontrollers also RAM, flash and operations of the code that
    edgevision firmware would generate, and an estimate of its latency, from instructions counted in an emulator. Onto
    a device that is here the model is loaded, and the runtime says where each operator runs.

    Exit status 3 where a model does not run on a device that was named.
    """
    from edgevision.checking import check_file
    from edgevision.checking_here import check_here
    from edgevision.cli.models import open_model
    from edgevision.device_string import parse_device
    from edgevision.devices.checking import NO
    from edgevision.devices.profile import load_profile, profile_names

    named = bool(profiles or devices)
    chosen = [load_profile(name) for name in profiles or (() if devices else profile_names())]
    for device in devices:
        parse_device(device)
    found: dict[str, list[Check]] = {}
    with working("checking"):
        for model in models:
            artifact = open_model(model)
            found[str(model)] = [check_here(artifact, device) for device in devices]
            if chosen:
                found[str(model)] = check_file(artifact.model_file, chosen) + found[str(model)]
    few = len(models) == 1 and named
    show(
        {"models": {name: [one.to_dict() for one in checks] for name, checks in found.items()}},
        _detailed(found) if few else _table(found),
    )
    pairs = [(Path(name).name, one) for name, checks in found.items() for one in checks]
    failed = [f"{name} on {one.profile}" for name, one in pairs if one.verdict == NO]
    if failed and named:
        check_failed(f"does not run: {', '.join(failed)}")


def _table(found: dict[str, list[Check]]) -> str:
    """One row for a device, one column for a model; where something is left to the processor, how much is not."""
    names = list(found)
    rows = []
    for place, first in enumerate(found[names[0]]):
        cells = [_cell(found[name][place]) for name in names]
        rows.append([first.profile, *cells])
    return table(["profile", *(Path(name).name for name in names)], rows)


def _cell(one: Check) -> str:
    from edgevision.devices.checking import NO, PARTLY, PARTLY_GPU, RUNS

    install = "*" if any(reason.kind == "install" and reason.rewrite for reason in one.reasons) else ""
    if one.verdict == RUNS:
        return f"runs{install}"
    if one.verdict in (PARTLY, PARTLY_GPU) and one.mapping is not None:
        return f"partly {one.mapping.mapped}/{len(one.mapping.placements)}{install}"
    kinds = [reason.kind for reason in one.reasons if reason.kind != "install"]
    return f"{'no' if one.verdict == NO else one.verdict}: {kinds[0]}{install}"


def _detailed(found: dict[str, list[Check]]) -> str:
    return "\n\n".join(_text(one) for checks in found.values() for one in checks)


def _text(one: Check) -> str:
    lines = [f"{one.profile}: {one.verdict}"]
    if one.way is not None and one.mapping is not None:
        by = f"{one.mapping.mapped} of {len(one.mapping.placements)} operators on {one.way.target}"
        lines[0] += f" ({one.way.runtime}: {by})"
    if one.fit is not None:
        lines.append(f"  {_fit(one.fit)}")
    for reason in one.reasons[:SHOWN]:
        where = f"{reason.where}: " if reason.where else f"{reason.kind}: "
        lines.append(f"  {where}{reason.text}" + (f"; {reason.rewrite}" if reason.rewrite else ""))
    if len(one.reasons) > SHOWN:
        lines.append(f"  and {len(one.reasons) - SHOWN} more: --json has all of them")
    return "\n".join(lines)


def _fit(fit: Fit) -> str:
    need, room = fit.need, f", {fit.need.code_bytes:,} of them room for code" if fit.need.code_bytes else ""
    least = ", the least possible" if need.ram_bytes == need.bound_bytes else ""
    parts = [
        f"RAM {need.ram_bytes:,} bytes{_of(fit.ram_bytes)}{least}",
        f"flash {need.constant_bytes + need.code_bytes:,} bytes{_of(fit.flash_bytes)}{room}",
    ]
    if need.macs is not None:
        parts.append(f"{need.macs:,} MACs")
    if fit.estimated_ms is not None:
        parts.append("estimated {:.3g} to {:.3g} ms".format(*fit.estimated_ms))
    return f"{need.basis}: {'; '.join(parts)}"


def _of(there: int | None) -> str:
    return "" if there is None else f" of {there:,}"
