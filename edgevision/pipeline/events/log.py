"""From what rules say to events with ids."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence

from edgevision.pipeline.events.event import Event, wall_time
from edgevision.pipeline.rules.change import END, MOMENT, START, UPDATE, Change


class EventLog:
    """Gives the changes of one camera's rules their ids: one from start to end.

    Args:
        source: Name of the camera.
        labels: Names of the classes, by class id.
    """

    def __init__(self, source: str, labels: Sequence[str] = ()) -> None:
        self._source, self._labels = source, labels
        self._open: dict[tuple[str, int], Event] = {}

    def events(self, changes: Iterable[Change], *, time_s: float, wall_s: float) -> list[Event]:
        """Return the events of one frame's changes; an update or end of what never started is left out.

        Args:
            changes: What the rules said.
            time_s: The frame's monotonic time, which the changes' times refer to.
            wall_s: Its wall time, which makes labels of them.
        """
        made = []
        for change in changes:
            event = self._event(change, wall_time(wall_s - (time_s - change.time_s)))
            if event is not None:
                made.append(event)
        return made

    def renewed(self, tracks: Collection[int], wall_s: float) -> list[Event]:
        """Return an update of each open event of some tracks, of which something is known that rules did not say.

        Args:
            tracks: The tracks.
            wall_s: When that came to be known.
        """
        made = []
        for key, event in self._open.items():
            if event.track_id in tracks:
                self._open[key] = event.next(UPDATE, wall_time(wall_s), {})
                made.append(self._open[key])
        return made

    def _event(self, change: Change, time: str) -> Event | None:
        key = change.rule, change.key
        if change.phase in (START, MOMENT):
            event = Event(
                id=uuid.uuid4().hex, sequence=0, phase=change.phase, source=self._source, rule=change.rule,
                kind=change.kind, time=time, track_id=change.track_id, label=self._label(change.class_id),
                data=dict(change.data),
            )  # fmt: skip
        elif key in self._open:
            event = self._open[key].next(change.phase, time, dict(change.data))
        else:
            return None
        if change.phase == END:
            del self._open[key]
        elif change.phase != MOMENT:
            self._open[key] = event
        return event

    def _label(self, number: int | None) -> str | None:
        if number is None:
            return None
        return self._labels[number] if 0 <= number < len(self._labels) else str(number)
