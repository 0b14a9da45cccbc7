"""A device: the string that names it (its grammar is in `edgevision.device_string`), its state, and facts about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgevision.device_string import DeviceString, parse_device

__all__ = ["STAGES", "STATES", "TRIALS", "Device", "DeviceString", "Trial", "parse_device"]

STATES = ("available", "unusable", "absent")
STAGES = ("node", "permission", "driver", "inference")
"""What is looked at, in this order: is it there, may we open it, does its driver match the library, does it answer."""


TRIALS = ("passed", "failed", "not tested")


@dataclass(frozen=True)
class Trial:
    """A test inference, or why there was none.

    Attributes:
        runtime: What ran it; None where nothing could.
        state: One of `TRIALS`.
        reason: Why it failed, or was not done; None when it passed.
        load_ms: Milliseconds to load the model in a new process.
        first_ms: Milliseconds of the inference.
    """

    runtime: str | None
    state: str
    reason: str | None = None
    load_ms: float | None = None
    first_ms: float | None = None


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
        runtimes: Names of the runtimes that drive it; empty for every one that has its kind of device.
        trials: Test inferences (`edgevision.trying.try_devices`); empty when none was asked for.
    """

    device: str
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    state: str = "available"
    stage: str | None = None
    reason: str | None = None
    fix: str | None = None
    runtimes: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()

    @property
    def stages(self) -> Mapping[str, str]:
        """Each of `STAGES`: "passed", "failed", "not reached", or "not tested" (an inference that was not tried).

        >>> dict(Device.unusable("npu", "NPU", "permission", "no group", "join it").stages)
        {'node': 'passed', 'permission': 'failed', 'driver': 'not reached', 'inference': 'not reached'}
        """
        end = STAGES.index(self.stage or STAGES[-1])
        at = "failed" if self.stage else "passed" if any(one.state == "passed" for one in self.trials) else "not tested"
        return {
            name: "passed" if place < end else at if place == end else "not reached"
            for place, name in enumerate(STAGES)
        }

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
            "runtimes": list(self.runtimes),
            "stages": dict(self.stages),
            "trials": [asdict(trial) for trial in self.trials],
            "facts": dict(self.facts),
        }
