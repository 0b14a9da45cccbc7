"""What happened on the machine while something was measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from edgevision.devices.sensors import MachineState, machine_state
from edgevision.documents import check_fields

LOOK_S = 0.25
"""Least time between two looks in the midst of a measurement: one costs a fraction of a millisecond."""


@dataclass(frozen=True)
class Conditions:
    """A machine during a measurement; None where the system does not tell.

    Attributes:
        duration_s: How long it was watched.
        load_average_start: Average of the last minute when it began.
        load_average_end: The same when it ended.
        others_share: Share of all cores' time that other processes took.
        steal_share: Share of all cores' time that a hypervisor gave to others.
        waited_share: Share of the time in which the measuring thread was ready and no core was free.
        throttled_s: For how long the container's quota stopped it.
        frequency_low_mhz: The lowest clock rate of the fastest core, of all looks.
        frequency_high_mhz: The highest.
        frequency_end_mhz: The one when it ended.
        temperatures_start_c: Each thermal zone when it began.
        temperatures_end_c: Each thermal zone when it ended.
    """

    duration_s: float
    load_average_start: float | None
    load_average_end: float | None
    others_share: float | None
    steal_share: float | None
    waited_share: float | None
    throttled_s: float | None
    frequency_low_mhz: float | None
    frequency_high_mhz: float | None
    frequency_end_mhz: float | None
    temperatures_start_c: Mapping[str, float]
    temperatures_end_c: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Conditions:
        """Read the JSON form; raises ConfigError."""
        return cls(**check_fields("conditions", data, required=[item.name for item in fields(cls)]))

    @property
    def not_exposed(self) -> tuple[str, ...]:
        """What the machine did not tell, in words."""
        asked = {
            "others' load": self.others_share,
            "steal": self.steal_share,
            "waiting for a core": self.waited_share,
            "throttling by a quota": self.throttled_s,
            "frequency": self.frequency_high_mhz,
            "temperature": self.temperatures_end_c or None,
        }
        return tuple(name for name, value in asked.items() if value is None)


class Watch:
    """Looks at the machine when it is made, whenever it is told to, and when it ends."""

    def __init__(self, look: Callable[[], MachineState] = machine_state) -> None:
        """Look for the first time."""
        self._look = look
        self._start = self._latest = time.perf_counter()
        self._first = look()
        self._frequencies = [self._first.frequency_mhz]

    def look(self) -> None:
        """Note the clock rate, unless that was done a moment ago."""
        now = time.perf_counter()
        if now - self._latest >= LOOK_S:
            self._latest = now
            self._frequencies.append(self._look().frequency_mhz)

    def conditions(self) -> Conditions:
        """Look for the last time."""
        first, last = self._first, self._look()
        duration = time.perf_counter() - self._start
        frequencies = [value for value in (*self._frequencies, last.frequency_mhz) if value is not None]
        return Conditions(
            duration_s=duration,
            load_average_start=first.load_average,
            load_average_end=last.load_average,
            others_share=_others(first, last),
            steal_share=_share(_grown(first.steal_s, last.steal_s), _grown(first.cpu_s, last.cpu_s)),
            waited_share=_share(_grown(first.waited_s, last.waited_s), duration),
            throttled_s=_grown(first.throttled_s, last.throttled_s),
            frequency_low_mhz=min(frequencies, default=None),
            frequency_high_mhz=max(frequencies, default=None),
            frequency_end_mhz=last.frequency_mhz,
            temperatures_start_c=first.temperatures_c,
            temperatures_end_c=last.temperatures_c,
        )


def _grown(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else min(1.0, part / whole)


def _others(first: MachineState, last: MachineState) -> float | None:
    busy = _grown(first.busy_s, last.busy_s)
    own = max(0.0, last.own_s - first.own_s)
    return _share(None if busy is None else max(0.0, busy - own), _grown(first.cpu_s, last.cpu_s))
