"""What hardware is here, and what it is called. Nothing is probed on import."""

from edgevision.devices.base import Device, DeviceString, parse_device
from edgevision.devices.cpu import CpuFacts, cpu_facts
from edgevision.devices.discovery import discover

__all__ = ["CpuFacts", "Device", "DeviceString", "cpu_facts", "discover", "parse_device"]
