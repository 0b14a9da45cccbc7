"""The devices of this machine, or of one that is described by its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgevision.devices import boards, cameras, coral, intel, jetson
from edgevision.devices.base import Device
from edgevision.devices.cpu import cpu_facts
from edgevision.devices.system import System


def discover(root: str | Path = "/", *, openvino: Mapping[str, str] | None = None) -> tuple[Device, ...]:
    """Look for devices now.

    Args:
        root: The file system to read; another one than "/" is a description of a machine, see
            `edgevision.devices.system`.
        openvino: What OpenVINO lists there, device -> full name; None for what it lists here, and for a described
            machine that it is not installed.

    Returns:
        What was looked for, the processor first: each is available, unusable or absent, with reason and fix.
    """
    system = System(root)
    cpu = cpu_facts(root)
    if openvino is None and system.here:
        openvino = intel.openvino_devices()
    nvidia = tuple(jetson.probe(system))
    taken = {device.device for device in nvidia}
    return (
        Device("cpu", cpu.name, cpu.to_dict()),
        *coral.probe(system),
        *nvidia,
        *(device for device in intel.probe(system, openvino) if device.device not in taken),
        *boards.probe(system),
        *cameras.probe(system),
    )
