"""The devices of this machine."""

from __future__ import annotations

from pathlib import Path

from edgevision.devices.base import Device
from edgevision.devices.cpu import cpu_facts


def discover(root: str | Path = "/") -> tuple[Device, ...]:
    """Look for devices now.

    Args:
        root: The file system to read ``proc`` and ``sys`` from; another one than "/" is a description of a machine.

    Returns:
        The devices found, the processor first.
    """
    cpu = cpu_facts(root)
    return (Device("cpu", cpu.name, cpu.to_dict()),)
