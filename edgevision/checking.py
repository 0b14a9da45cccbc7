"""Whether a model file fits devices: the rules of each, with memory as generated firmware takes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgevision.devices.checking import Check, check_model
from edgevision.devices.fit import GENERATED, Need
from edgevision.devices.profile import DeviceProfile
from edgevision.errors import IncompatibleModelError
from edgevision.graphs import Graph, read_graph


def check_file(path: str | Path, profiles: Sequence[DeviceProfile]) -> list[Check]:
    """Check one model file on devices.

    Microcontrollers are told what the C code that `edgevision firmware` generates would take, planned as it plans,
    where it can be generated; else the tensors and the file.

    Raises:
        ArtifactError: No model file, or a damaged one.
    """
    graph = read_graph(path)
    small = any(profile.kind == "microcontroller" for profile in profiles)
    generated = firmware_need(graph, Path(path).name) if small else None
    return [
        check_model(graph, profile, generated if profile.kind == "microcontroller" else None) for profile in profiles
    ]


def firmware_need(graph: Graph, name: str) -> Need | None:
    """Return what generated firmware takes: RAM, constants and operations to the byte; None where none is generated."""
    from edgevision.converters.firmware.arena import plan_arena
    from edgevision.converters.firmware.lowering import lower
    from edgevision.converters.firmware.size import CODE_ROOM_BYTES, report

    if graph.format != "tflite":
        return None
    try:
        program = lower(graph, name)
    except IncompatibleModelError:
        return None
    found = report(program, plan_arena(program))
    ram = found["ram"]
    return Need(
        GENERATED, ram["arena_bytes"], ram["bound_bytes"], found["constant_bytes"], CODE_ROOM_BYTES, found["macs"]
    )
