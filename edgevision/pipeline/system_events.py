"""What happens to the pipeline itself, as events for the sinks: a camera lost, a model exchanged, less quality."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from edgevision.pipeline.degradation import FULL
from edgevision.pipeline.events import Event
from edgevision.pipeline.events.event import wall_time
from edgevision.pipeline.notice import Notice
from edgevision.pipeline.rules import END, MOMENT, START, UPDATE

SOURCE_LOST, WORKER_DIED, DEGRADED, CLOCK_JUMPED = "source_lost", "worker_died", "degraded", "clock_jumped"
SECOND = "second_stage"
"""Key of a notice's and an event's data that has the second stage's name, where it is about one."""
MODEL_KINDS: Mapping[str, str] = {
    "switched": "model_exchanged",
    "kept": "model_kept",
    "rolled back": "model_rolled_back",
}
SETTLED_S = 2.0
"""What worked for so long again has ended; what comes back sooner is the same event still."""
LONGEST_S = 300.0
"""It has to work for twice as long after each time that it came back soon, up to so long."""
CALM_S = 600.0
"""After so long without trouble it begins with `SETTLED_S` again."""
LOOK_S = 0.25
JUMP_S = 1.0
"""A wall clock that is off by so much more than a moment ago was set."""


@dataclass
class _Incident:
    """A trouble of one kind and camera, which comes and goes."""

    event: Event | None = None
    began_s: float = 0.0
    works_s: float | None = None
    times: int = 0
    settle_s: float = SETTLED_S
    ended_s: float = float("-inf")


class SystemEvents:
    """Makes events of notices, in a thread of its own: who tells does not wait for a disk.

    A camera that comes and goes is one event that lasts, not hundreds: the event ends once frames came for 2 s, and
    for twice as long after each time that this did not hold for ten minutes.
    """

    def __init__(self, put: Callable[[Sequence[Event]], object], told: Callable[[Notice], None]) -> None:
        """Begin.

        Args:
            put: Takes the events, in the thread.
            told: Called with a notice when the wall clock jumped; it may come back through `take`.
        """
        self._put, self._told = put, told
        self._offset_s = time.time() - time.monotonic()
        self._notices: queue.SimpleQueue[Notice | None] = queue.SimpleQueue()
        self._incidents: dict[tuple[str, ...], _Incident] = {}  # by kind, camera and, if it has one, second stage
        self._thread = threading.Thread(target=self._run, name="system events", daemon=True)
        self._thread.start()

    def take(self, notice: Notice) -> None:
        """Take in a notice; returns at once, in any thread."""
        self._notices.put(notice)

    def close(self) -> None:
        """End what is open; any number of times."""
        if self._thread.is_alive():
            self._notices.put(None)
            self._thread.join(30)

    def _run(self) -> None:
        looked_s = time.monotonic()
        while True:
            with suppress(queue.Empty):
                notice = self._notices.get(timeout=LOOK_S)
                if notice is None:
                    break
                self._handle(notice)
            if time.monotonic() - looked_s >= LOOK_S:  # also while notices never cease to come
                looked_s = time.monotonic()
                self._settle(looked_s)
                self._look_at_clock()
        for key in list(self._incidents):
            self._end(key, time.monotonic(), "stopped")

    def _handle(self, notice: Notice) -> None:
        camera, what, now = notice.camera or "", notice.what, notice.at_s
        worker = (WORKER_DIED, camera, *([str(notice.data[SECOND])] if SECOND in notice.data else []))
        if notice.kind == "model" and what in MODEL_KINDS:
            self._put([self._event("model", MODEL_KINDS[what], MOMENT, camera, now, notice.data)])
        elif notice.kind == "clock":
            self._put([self._event("clock", CLOCK_JUMPED, MOMENT, camera, now, notice.data)])
        elif notice.kind == "level":
            self._level(camera, now, notice.data)
        elif notice.kind == "source" and what in ("lost", "refused", "stalled"):
            self._begin((SOURCE_LOST, camera), "source", now, {"what": what, **notice.data})
        elif notice.kind == "source" and what == "recovered":
            self._works((SOURCE_LOST, camera), now)
        elif notice.kind == "source" and what == "closed":
            self._end((SOURCE_LOST, camera), now, "closed")
            self._end((DEGRADED, camera), now, "closed")
        elif notice.kind == "worker" and what == "died":
            self._begin(worker, "worker", now, notice.data)
        elif notice.kind == "worker" and what == "revived":
            self._works(worker, now)

    def _look_at_clock(self) -> None:
        """Say when the wall clock was set: labels of events go by it from then on, durations never."""
        offset_s = time.time() - time.monotonic()
        jump_s, before_s = offset_s - self._offset_s, self._offset_s
        self._offset_s = offset_s
        if abs(jump_s) >= JUMP_S:
            before, after = (wall_time(time.monotonic() + one) for one in (before_s, offset_s))
            text = f"it jumped by {jump_s:+.1f} s, from {before} to {after}; durations do not go by it"
            data = {"seconds": round(jump_s, 3), "before": before, "after": after}
            self._told(Notice("clock", None, text, time.monotonic(), "jumped", data))

    def _level(self, camera: str, now: float, data: Mapping[str, Any]) -> None:
        incident = self._incidents.setdefault((DEGRADED, camera), _Incident())
        if data["level"] == FULL.name:
            self._end((DEGRADED, camera), now, str(data["reason"]))
        elif incident.event is None:
            self._begin((DEGRADED, camera), "degradation", now, data)
        else:
            incident.event = incident.event.next(UPDATE, _wall(now), dict(data))
            self._put([incident.event])

    def _begin(self, key: tuple[str, ...], rule: str, now: float, data: Mapping[str, Any]) -> None:
        incident = self._incidents.setdefault(key, _Incident())
        if incident.event is not None:
            if incident.works_s is not None:
                incident.works_s, incident.times = None, incident.times + 1
            return
        soon = now - incident.ended_s < CALM_S
        incident.settle_s = min(2 * incident.settle_s, LONGEST_S) if soon else SETTLED_S
        incident.began_s, incident.works_s, incident.times = now, None, 1
        incident.event = self._event(rule, key[0], START, key[1], now, data)
        self._put([incident.event])

    def _works(self, key: tuple[str, ...], now: float) -> None:
        incident = self._incidents.get(key)
        if incident is not None and incident.works_s is None:
            incident.works_s = now

    def _settle(self, now: float) -> None:
        for key, incident in self._incidents.items():
            if incident.works_s is not None and now - incident.works_s >= incident.settle_s:
                self._end(key, incident.works_s, "works again")

    def _end(self, key: tuple[str, ...], now: float, reason: str) -> None:
        incident = self._incidents.get(key)
        if incident is None or incident.event is None:
            return
        data: dict[str, Any] = {"seconds": round(now - incident.began_s, 2), "times": incident.times, "reason": reason}
        if key[2:]:
            data[SECOND] = key[2]
        event, incident.event, incident.works_s, incident.ended_s = incident.event, None, None, now
        self._put([event.next(END, _wall(now), data)])

    def _event(self, rule: str, kind: str, phase: str, camera: str, now: float, data: Mapping[str, Any]) -> Event:
        return Event(
            id=uuid.uuid4().hex, sequence=0, phase=phase, source=camera, rule=rule, kind=kind, time=_wall(now),
            data=dict(data),
        )  # fmt: skip


def _wall(at_s: float) -> str:
    """The wall time of a moment of the monotonic clock."""
    return wall_time(time.time() - (time.monotonic() - at_s))
