"""Whether packets of a stream arrive damaged, told once when it begins and once when it is over."""

from __future__ import annotations

WHOLE_S = 2.0
"""Nothing was damaged for so long: it is over."""


class Damage:
    """Follows a source's count of what could not be decoded. Times are of a monotonic clock.

    Attributes:
        total: What could not be decoded so far, over all connections.
    """

    def __init__(self) -> None:
        self.total = self._count = 0
        self._began_s: float | None = None
        self._last_s = 0.0
        self._before = 0

    def note(self, count: int, now_s: float) -> tuple[str, str] | None:
        """Take in the source's count; return "damaged" or "whole again" with words to it when that changes.

        Args:
            count: Packets and pictures of this connection that were damaged.
            now_s: Now.
        """
        more = count - self._count if count >= self._count else count
        self._count = count
        self.total += more
        if more:
            self._last_s = now_s
            if self._began_s is None:
                self._began_s, self._before = now_s, self.total - more
                return "damaged", "packets arrive that cannot be decoded; check the network, or use TCP"
        elif self._began_s is not None and now_s - self._last_s > WHOLE_S:
            seconds, self._began_s = self._last_s - self._began_s, None
            lost = self.total - self._before
            return "whole again", f"{lost} packets or pictures were damaged in {seconds:.1f} s"
        return None
