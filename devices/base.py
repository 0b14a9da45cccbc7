"""A device: the string that names it (its grammar is in `edgevision.device_string`), its state, and facts about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgevision.device_string import DeviceString, parse_device

__all__ = ["STAGES", "STATES", "Device", "DeviceString", "parse_device"]

STATES = ("available", "unusable", "absent")
STAGES = ("node", "permission", "driver", "inference")
"""What is looked at, in this order: is it there, may we open it, does its driver match the library, does it answer."""


@dataclass(frozen=True)
class Device:
    """A piece of hardware that was looked for.

    Attributes:
        device: The string to pass as ``device=`` ("cpu", "gpu:1"); for what runs no models, what it is ("camera:0").
        name: What its maker calls it.
        facts: What is known about it; the unit is in each name.
        state: One of `STATES`.
        stage: The one of `STAGES` that failed; None when it is available.
        reason: Why it cannot be used; None when it can.
        fix: What the owner can do about it; None when there is nothing to do.
    """

    device: str
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    state: str = "available"
    stage: str | None = None
    reason: str | None = None
    fix: str | None = None

    @classmethod
    def absent(cls, device: str, name: str, reason: str, fix: str | None = None) -> Device:
        """Return a device that is not here."""
        return cls(device, name, {}, "absent", "node", reason, fix)

    @classmethod
    def unusable(
        cls, device: str, name: str, stage: str, reason: str, fix: str, facts: Mapping[str, Any] | None = None
    ) -> Device:
        """Return a device that is here and cannot be used."""
        return cls(device, name, facts or {}, "unusable", stage, reason, fix)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "device": self.device,
            "name": self.name,
            "state": self.state,
            "stage": self.stage,
            "reason": self.reason,
            "fix": self.fix,
            "facts": dict(self.facts),
        }
