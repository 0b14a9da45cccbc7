"""Faces that nobody here knows, and those of people who are known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any

from edgevision.errors import ConfigError
from edgevision.pipeline.rules.change import MOMENT, Attribute, Change, Scene

FORGET_S = 30.0


class _FaceRule(ABC):
    """One event for each track, when what a second stage says of its face is what the rule waits for."""

    kind: str

    def __init__(self, name: str, stage: str, attempts: int) -> None:
        if attempts < 1:
            raise ConfigError(f"{name}: attempts", got=attempts, allowed="1 or more")
        self.name, self._stage, self._attempts = name, stage, attempts
        self._settled: set[int] = set()
        self._seen_s: dict[int, float] = {}

    def update(self, scene: Scene) -> list[Change]:
        """Take in what is known of the faces by now."""
        seen, now = scene.tracks.confirmed, scene.tracks.time_s
        changes = []
        for track, number in zip(seen.ids.tolist(), seen.class_ids.tolist(), strict=True):
            self._seen_s[track] = now
            found = scene.attributes.get(track, {}).get(self._stage)
            if found is None or found.looks < self._attempts or track in self._settled:
                continue
            said = self._say(track, found)
            if said is not None:
                data = {**said, "score": round(found.score, 4), "attempts": found.looks}
                changes.append(Change(self.name, self.kind, MOMENT, track, track, number, now, data))
        self._forget(now)
        return changes

    def overdue(self, time_s: float) -> list[Change]:
        """Say nothing: faces have no end to be told."""
        return []

    def close(self, time_s: float) -> list[Change]:
        """Forget everybody."""
        self._forget(float("inf"))
        return []

    @abstractmethod
    def _say(self, track: int, found: Attribute) -> dict[str, Any] | None:
        """What there is to say; None for nothing."""

    def _forget(self, now: float) -> None:
        for track in [key for key, last in self._seen_s.items() if now - last > FORGET_S]:
            self._settled.discard(track)
            del self._seen_s[track]


class UnknownFaceRule(_FaceRule):
    """Somebody's face was looked at as often as asked, and is nobody's that is known: one event for each.

    Who is recognized first is known from then on, and is no event later.

    Args:
        name: Name of the rule.
        stage: Name of the second stage that identifies.
        attempts: How many looks at the face it takes.

    Raises:
        ConfigError: Fewer attempts than one.
    """

    kind = "unknown_face"

    def __init__(self, name: str, *, stage: str = "faces", attempts: int = 3) -> None:
        super().__init__(name, stage, attempts)

    def _say(self, track: int, found: Attribute) -> dict[str, Any] | None:
        self._settled.add(track)
        return {} if found.label is None else None


class KnownFaceRule(_FaceRule):
    """Somebody who is known was recognized: one event for each track, with the name.

    Args:
        name: Name of the rule.
        stage: Name of the second stage that identifies.
        names: Whom it is about; None for everybody who is enrolled.
        attempts: How many looks at the face it takes.

    Raises:
        ConfigError: Fewer attempts than one, or an empty list of names.
    """

    kind = "known_face"

    def __init__(
        self, name: str, *, stage: str = "faces", names: Collection[str] | None = None, attempts: int = 2
    ) -> None:
        super().__init__(name, stage, attempts)
        if names is not None and not names:
            raise ConfigError(f"{name}: names: an empty list is nobody", next_step="name some, or take it out")
        self._names = None if names is None else frozenset(names)

    def _say(self, track: int, found: Attribute) -> dict[str, Any] | None:
        if found.label is None or (self._names is not None and found.label not in self._names):
            return None
        self._settled.add(track)
        return {"name": found.label}
