"""Is there still time for this frame? A result that comes too late is not worth the work."""

from __future__ import annotations

from edgevision.errors import ConfigError


class Deadline:
    """Frames have to be answered within a budget of their capture.

    Attributes:
        budget_s: Seconds from the capture of a frame to its result; None: any time.
    """

    def __init__(self, budget_s: float | None) -> None:
        if budget_s is not None and not 0 < budget_s < float("inf"):
            raise ConfigError("deadline: budget_s", got=budget_s, allowed="seconds, more than 0")
        self.budget_s = budget_s

    def refuses(self, captured_s: float, now_s: float, needs_ms: float | None) -> bool:
        """Say whether a frame is not worth beginning.

        Args:
            captured_s: When it was captured.
            now_s: Now, on the same clock.
            needs_ms: What the stages to come take in 95 of 100 cases; None while that is unknown.
        """
        if self.budget_s is None:
            return False
        return captured_s + self.budget_s - now_s < (needs_ms or 0.0) / 1e3

    def missed(self, captured_s: float, done_s: float) -> bool:
        """Say whether a result came too late."""
        return self.budget_s is not None and done_s > captured_s + self.budget_s
