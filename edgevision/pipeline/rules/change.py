"""What rules see, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgevision.pipeline.tracking.tracks import Tracks

START, UPDATE, END, MOMENT = "start", "update", "end", "moment"
PHASES = (START, UPDATE, END, MOMENT)
"""Something begins, changes, or is over; or it has no duration, as the crossing of a line."""


@dataclass(frozen=True)
class Attribute:
    """What a second stage says of a track, over all of its looks.

    Attributes:
        label: The class, or the name of whom it is; None when none is likely enough.
        score: How sure that is: the mean probability of the likeliest class, 0 to 1, or the cosine to the closest
            enrolled vector, -1 to 1.
        looks: How often it was looked at with a result.
        seen_s: When the frame was taken that was looked at last, on the tracks' monotonic clock.
    """

    label: str | None
    score: float
    looks: int
    seen_s: float

    def to_dict(self, now_s: float) -> dict[str, Any]:
        """Return the JSON form; ``age_s`` is how long before ``now_s`` it was looked at last."""
        return {
            "label": self.label, "score": round(self.score, 4), "looks": self.looks,
            "age_s": round(max(0.0, now_s - self.seen_s), 3),
        }  # fmt: skip


Attributes = Mapping[int, Mapping[str, Attribute]]
"""Track id -> name of a second stage -> what it says; tracks that were never looked at are not there."""


@dataclass(frozen=True)
class Scene:
    """One frame, as rules see it.

    Attributes:
        tracks: The tracks; every duration is measured by their monotonic ``time_s``.
        wall_s: The frame's time on the wall clock, seconds since 1970 UTC. It may jump: labels and schedules alone
            go by it.
        attributes: What second stages say of the tracks, up to this frame.
    """

    tracks: Tracks
    wall_s: float
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What a rule says of a frame.

    Attributes:
        rule: Name of the rule.
        kind: "zone", "loitering", "line", "count", "speed", "unknown_face" or "known_face".
        phase: "start", "update", "end" or "moment".
        key: Which of the rule's events it is about, the same from start to end: a track's id, or 0 for the rule itself.
        track_id: The track, or None.
        class_id: Its class, or None.
        time_s: When it happened, on the monotonic clock: for a start when the condition began to hold, which is earlier
            than now by the dwell; for an end when it held last.
        data: Figures of the rule, such as count, speed_kmh or direction.
    """

    rule: str
    kind: str
    phase: str
    key: int
    track_id: int | None
    class_id: int | None
    time_s: float
    data: Mapping[str, Any] = field(default_factory=dict)


class Rule(Protocol):
    """A small state machine over scenes, in the order of time."""

    @property
    def name(self) -> str:
        """What its events are called by; unique among the rules of a camera."""

    def update(self, scene: Scene) -> list[Change]:
        """Take in one frame, and say what changed."""

    def overdue(self, time_s: float) -> list[Change]:
        """End what is over though no frame came since the last one, at ``time_s``: what the next frame would end."""

    def close(self, time_s: float) -> list[Change]:
        """End what is open, at ``time_s``; the rule then begins anew."""
