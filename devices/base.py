"""A device: the string that names it (its grammar is in `edgevision.device_string`), and facts about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgevision.device_string import DeviceString, parse_device

__all__ = ["Device", "DeviceString", "parse_device"]


@dataclass(frozen=True)
class Device:
    """A piece of hardware that was found.

    Attributes:
        device: The string to pass as ``device=`` ("cpu", "gpu:1").
        name: What its maker calls it.
        facts: What is known about it; the unit is in each name.
    """

    device: str
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"device": self.device, "name": self.name, "facts": dict(self.facts)}
