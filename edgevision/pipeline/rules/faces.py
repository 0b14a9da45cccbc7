"""A face that nobody here knows."""

from __future__ import annotations

from edgevision.errors import ConfigError
from edgevision.pipeline.rules.change import MOMENT, Change, Scene

FORGET_S = 30.0


class UnknownFaceRule:
    """Somebody's face was looked at as often as asked, and was never one that is known: one event for each.

    Who is recognized once is known from then on, and is no event later.

    Args:
        name: Name of the rule.
        attempts: How many times the face has to be unknown.

    Raises:
        ConfigError: Fewer attempts than one.
    """

    kind = "unknown_face"

    def __init__(self, name: str, *, attempts: int = 3) -> None:
        if attempts < 1:
            raise ConfigError(f"{name}: attempts", got=attempts, allowed="1 or more")
        self.name, self._attempts = name, attempts
        self._failed: dict[int, int] = {}
        self._settled: set[int] = set()
        self._seen_s: dict[int, float] = {}

    def update(self, scene: Scene) -> list[Change]:
        """Take in whose face was given which name in this frame."""
        seen, now = scene.tracks.confirmed, scene.tracks.time_s
        changes = []
        for track, number in zip(seen.ids.tolist(), seen.class_ids.tolist(), strict=True):
            self._seen_s[track] = now
            if track not in scene.identified or track in self._settled:
                continue
            if scene.identified[track] is not None:
                self._settled.add(track)
                continue
            self._failed[track] = self._failed.get(track, 0) + 1
            if self._failed[track] >= self._attempts:
                self._settled.add(track)
                data = {"attempts": self._failed[track]}
                changes.append(Change(self.name, self.kind, MOMENT, track, track, number, now, data))
        self._forget(now)
        return changes

    def close(self, time_s: float) -> list[Change]:
        """Forget everybody."""
        self._forget(float("inf"))
        return []

    def _forget(self, now: float) -> None:
        for track in [key for key, last in self._seen_s.items() if now - last > FORGET_S]:
            self._settled.discard(track)
            self._failed.pop(track, None)
            del self._seen_s[track]
