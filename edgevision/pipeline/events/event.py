"""An event as it leaves the process: what happened, where and when, under an id that never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timezone
from typing import Any

from edgevision.documents import canonical_json, check_fields, check_schema
from edgevision.errors import InputError, check_choice, reason_of
from edgevision.pipeline.rules.change import PHASES

SCHEMA = 1
KIND = "edgevision-event"


@dataclass(frozen=True)
class Event:
    """One message of an event.

    Attributes:
        id: Of the event: the same in its start, its updates and its end.
        sequence: 0 for the first message, counting up.
        phase: "start", "update", "end" or "moment".
        source: Name of the camera.
        rule: Name of the rule.
        kind: "zone", "line" and so on.
        time: When it happened, wall clock, UTC, ISO 8601 with milliseconds.
        track_id: The track, or None.
        label: Its class, or None.
        data: Figures of the rule.
        snapshot: Name of a picture that was kept with it, or None.
    """

    id: str
    sequence: int
    phase: str
    source: str
    rule: str
    kind: str
    time: str
    track_id: int | None = None
    label: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    snapshot: str | None = None

    def __post_init__(self) -> None:
        check_choice("event: phase", self.phase, PHASES)

    @property
    def message_id(self) -> str:
        """What tells this message from all others; a message that arrives twice has it twice."""
        return f"{self.id}-{self.sequence}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"schema": SCHEMA, "type": KIND, "message_id": self.message_id, **asdict(self)}

    def to_json(self) -> str:
        """Return the JSON form as one line of text; raises InputError for data that JSON does not have, such as NaN."""
        try:
            return canonical_json(self.to_dict())
        except (TypeError, ValueError) as exc:
            raise InputError(f"event of rule {self.rule}: data that cannot be told: {reason_of(exc)}") from exc

    @classmethod
    def from_dict(cls, document: Any) -> Event:
        """Read the JSON form; raises InputError for what is not an event, or a newer one."""
        check_schema("event", document, SCHEMA, InputError)
        names = [item.name for item in fields(cls)]
        data = check_fields("event", document, required=["schema", "type", "message_id", *names], error=InputError)
        return cls(**{name: data[name] for name in names})

    def next(self, phase: str, time: str, data: Mapping[str, Any]) -> Event:
        """Return the event's next message."""
        return replace(self, sequence=self.sequence + 1, phase=phase, time=time, data=data)


def wall_time(wall_s: float) -> str:
    """Return seconds since 1970 UTC as an event tells them.

    >>> wall_time(0.0625)
    '1970-01-01T00:00:00.062Z'
    """
    moment = datetime.fromtimestamp(wall_s, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
