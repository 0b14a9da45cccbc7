"""Conditions that have to hold for a while, and may pause for a moment: dwell and inertia, in seconds."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from edgevision.errors import ConfigError

LONGEST_GAP_S = 2.0
"""Between two frames farther apart than this (or than the inertia), nothing is known: what held is over."""


@dataclass
class _Spell:
    began_s: float
    held_s: float
    open: bool = False


class Holding:
    """Which keys have held for ``dwell_s`` seconds, with pauses of up to ``inertia_s``.

    A spell starts when its key has held for the dwell, and is over when it has not held for longer than the inertia.
    """

    def __init__(self, what: str, dwell_s: float, inertia_s: float) -> None:
        for name, value in (("dwell_s", dwell_s), ("inertia_s", inertia_s)):
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{what}: {name}", got=value, allowed="0 or more seconds")
        self.dwell_s, self.inertia_s = dwell_s, inertia_s
        self._spells: dict[int, _Spell] = {}
        self._time_s = -math.inf

    def update(self, holding: Collection[int], time_s: float) -> tuple[dict[int, float], dict[int, float]]:
        """Return (key -> when its spell began) of what starts now, and (key -> when it held last) of what is over."""
        ended = self.overdue(time_s)
        self._time_s = time_s
        for key in holding:
            self._spells.setdefault(key, _Spell(time_s, time_s)).held_s = time_s
        for key, spell in list(self._spells.items()):
            if spell.held_s < time_s and time_s - spell.held_s >= self.inertia_s:
                del self._spells[key]
                if spell.open:
                    ended[key] = spell.held_s
        started = {}
        for key in holding:
            spell = self._spells[key]
            if not spell.open and time_s - spell.began_s >= self.dwell_s:
                spell.open, started[key] = True, spell.began_s
        return started, ended

    def overdue(self, time_s: float) -> dict[int, float]:
        """End all if no frame came for too long before ``time_s``, as the next one would; what was open, as `close`."""
        return self.close() if time_s - self._time_s > max(LONGEST_GAP_S, self.inertia_s) else {}

    def close(self) -> dict[int, float]:
        """End all: (key -> when it held last) of what was open."""
        ended = {key: spell.held_s for key, spell in self._spells.items() if spell.open}
        self._spells.clear()
        return ended

    @property
    def open(self) -> dict[int, float]:
        """Key -> when its spell began, of all that have started and are not over."""
        return {key: spell.began_s for key, spell in self._spells.items() if spell.open}
