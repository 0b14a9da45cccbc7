"""Do frames come often enough to follow anybody?"""

from __future__ import annotations

FEWEST = 5
"""So many frames in a row have to come too late before it is said."""


class Pace:
    """Says, once, that a camera's frames are farther apart than its tracks live: nobody is believed, no rule speaks.

    Args:
        lost_s: Seconds out of sight after which tracks end.
    """

    def __init__(self, lost_s: float) -> None:
        self._lost_s = lost_s
        self._last_s: float | None = None
        self._apart: list[float] = []
        self._said = False

    def note(self, captured_s: float) -> str | None:
        """Take in the time of the next frame; return what is to be said of it, or None."""
        gap_s = 0.0 if self._last_s is None else captured_s - self._last_s
        self._last_s = captured_s
        if gap_s <= self._lost_s:
            self._apart.clear()
            return None
        self._apart.append(gap_s)
        if self._said or len(self._apart) < FEWEST:
            return None
        self._said = True
        usual_s = sorted(self._apart)[len(self._apart) // 2]
        return (
            f"a frame is looked at every {usual_s:.1f} s, and tracks end after {self._lost_s:g} s: nobody is followed, "
            "and no rule says anything; set lost_s in [cameras.tracker], and inertia_s of rules, to the time of some "
            "frames"
        )
