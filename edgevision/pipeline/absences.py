"""Which models' processes are away: since when, why, and that it is said once."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Absences(Generic[K]):
    """What is told of models by the thread that runs them; any thread may ask.

    Attributes:
        deaths: How often one was found dead that was there before.
    """

    def __init__(
        self, *, died: Callable[[K, str], None] | None = None, revived: Callable[[K, float], None] | None = None
    ) -> None:
        """Begin with all of them there.

        Args:
            died: Called with who and why when one is found dead, and when it does not begin anew.
            revived: Called with who and the seconds that it was away, when it works again.
        """
        self._died, self._revived = died, revived
        self._away: dict[K, tuple[float, str]] = {}
        self.deaths = 0

    def works(self, who: K, trouble: str) -> bool:
        """Note why one cannot run, '' where it can; return whether it can."""
        now = time.monotonic()
        since_s, before = self._away.get(who, (now, ""))
        if trouble:
            self._away[who] = since_s, trouble
            self.deaths += not before
            if trouble != before and self._died is not None:
                self._died(who, trouble)
        elif self._away.pop(who, None) is not None and self._revived is not None:
            self._revived(who, now - since_s)
        return not trouble

    @property
    def longest_s(self) -> float:
        """Seconds for which one has been away; 0 where all are there."""
        return max((time.monotonic() - since_s for since_s, _ in list(self._away.values())), default=0.0)

    @property
    def trouble(self) -> str:
        """Why one is away; '' where all are there."""
        return next((why for _, why in list(self._away.values())), "")

    def since_s(self, who: K) -> float:
        """Return for how many seconds one has been away; 0 where it is there."""
        away = self._away.get(who)
        return 0.0 if away is None else time.monotonic() - away[0]

    def reason(self, who: K) -> str:
        """Return why one is away; '' where it is there."""
        return self._away.get(who, (0.0, ""))[1]
