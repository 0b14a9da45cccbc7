"""Events wait here until every sink has acknowledged them: through crashes, dead brokers and full disks."""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from edgevision.errors import ConfigError, OutputError
from edgevision.pipeline.events.event import Event, wall_time
from edgevision.pipeline.events.store import Message, Store
from edgevision.pipeline.rules.change import END, MOMENT

logger = logging.getLogger("edgevision.pipeline")

DROPPED = "dropped"
"""Kind of the event that stands for events that were dropped; its data says how many."""

DAMAGED = "damaged"
"""Kind of the event that says that the file could not be read: its events are lost, and it was put aside.

Its data has the name that the file has now, "moved_to", where it was the whole file, and, where it was found while it
was in use, how many messages are "lost"."""

INTERRUPTED = "interrupted"
"""Reason of the end of an event that was open when the process died."""

FEWEST_MESSAGES = 2
"""A spool has room for so many: one, and what stands for those that were dropped."""

RETRY_S = 1.0
"""Seconds until a disk that took nothing is tried again."""

_AT_ONCE = 500  # messages in one transaction
_GAP_BYTES = 500  # more than what stands for dropped messages has


@dataclass(frozen=True)
class SpoolStats:
    """How a spool is doing.

    Attributes:
        waiting: Sink -> how many messages it has not acknowledged.
        in_memory: Messages that the disk did not take yet.
        dropped: Messages that were given up for lack of room, since the file was made.
        disk_error: Why the disk does not take what it should; None when it does.
        damaged: Where a file that could not be read was moved to; None.
    """

    waiting: dict[str, int]
    in_memory: int
    dropped: int
    disk_error: str | None
    damaged: Path | None


class Spool:
    """A bounded queue of events on disk, from which each sink takes all of them in order.

    `put` returns when the events are on the disk; killing the process at any moment loses none that it returned for,
    and doubles none: a sink that had not acknowledged a message gets it again, under the same message id. While the
    disk is full, events wait in memory, as many as ``max_messages``, and go to the sinks from there. When there is no
    more room, the oldest are dropped, and an event of kind "dropped" with their number takes their place. The logger
    `edgevision.pipeline` has a line for each of these.

    Threads may share it.

    Args:
        path: The file; made where it is not there.
        sinks: Names of the sinks. What only sinks of other names waited for is let go.
        max_messages: Most messages, on disk and again in memory.
        max_bytes: Most bytes of messages on disk. The file with its journal may be a few times as large.

    Raises:
        ConfigError: No sink, a limit that is no limit, or another process has the file.
        OutputError: The file cannot be made.
    """

    def __init__(
        self, path: str | Path, sinks: Sequence[str], *, max_messages: int = 100_000, max_bytes: int = 100_000_000
    ) -> None:
        if not sinks or len(set(sinks)) != len(sinks):
            raise ConfigError("spool: names of sinks", got=list(sinks), allowed="one or more, each once")
        if max_messages < FEWEST_MESSAGES or max_bytes < 1:
            raise ConfigError(
                "spool: limits", got=f"{max_messages} messages, {max_bytes} bytes",
                allowed=f"{FEWEST_MESSAGES} and 1 or more",
            )  # fmt: skip
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._store = Store(Path(path))
        self._changed = threading.Condition()
        self._memory: deque[Message] = deque()
        self._disk_error: str | None = None
        self._retry_s, self._lost = -math.inf, 0
        try:
            self._acknowledged = self._store.acknowledged(sinks)
            self._on_disk = dict(self._acknowledged)
            self._position = max(self._store.last_position(), *self._acknowledged.values())
            self._dropped = self._store.counter(DROPPED)
            self._unfinished = self._store.unfinished()
            self._open = {event.id: event for event in self._unfinished}
            if self._store.damaged:
                logger.error("spool %s could not be read; it is now %s", path, self._store.damaged)
                self.put([_damaged({"moved_to": self._store.damaged.name})])
        except BaseException:
            self._store.close()
            raise

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def interrupted(self) -> list[Event]:
        """Return an end for each event that was open when the last process died; to be `put` once, before others."""
        now = wall_time(time.time())
        return [event.next(END, now, {"reason": INTERRUPTED}) for event in self._unfinished]

    def put(self, events: Sequence[Event]) -> bool:
        """Take in events, all or none; return whether they are on the disk, and not in memory alone.

        Raises:
            InputError: An event's data is not what JSON has.
            ConfigError: The spool is closed.
        """
        for event in events:
            event.to_json()
        if not events:
            return True
        with self._changed:
            if self._store.closed:
                raise ConfigError("spool: it is closed, and takes no events")
            for event in events:
                self._remember(event)
            stored = self._flush()
            self._changed.notify_all()
            return stored

    def next(self, sink: str, limit: int = 32, timeout_s: float = 0.0) -> list[Message]:
        """Return the first messages that a sink has not acknowledged, waiting for one for up to ``timeout_s``.

        Of a closed spool there are none. Raises OutputError while the disk cannot be read.
        """
        end = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = self._after(self._acknowledged[sink], limit)
                left = end - time.monotonic()
                if found or left <= 0:
                    return found
                self._changed.wait(left)

    def acknowledge(self, sink: str, message: Message, *, at_once: bool = True) -> None:
        """Note that a sink has a message, and all before it; a closed spool does not, and gives it again.

        Args:
            sink: Its name.
            message: What it has.
            at_once: Whether the disk is told now, or with the next event or acknowledgement.
        """
        with self._changed:
            if self._store.closed:
                return
            held = self._after(message.position - 1, 1)
            there = held[0].event.message_id if held and held[0].position == message.position else None
            if there not in (None, message.event.message_id):
                return  # more was dropped while the word of it was under way: it is told again
            self._acknowledged[sink] = max(self._acknowledged[sink], message.position)
            if at_once:
                self._flush()

    def stats(self) -> SpoolStats:
        """Return how it is doing."""
        with self._changed:
            on_disk, error = dict.fromkeys(self._acknowledged, self._store.count), self._disk_error
            try:
                on_disk = {sink: self._store.waiting(position) for sink, position in self._acknowledged.items()}
            except OutputError as exc:  # of what cannot be read, all may wait
                error = error or str(exc)
            waiting = {
                sink: on_disk[sink] + sum(message.position > position for message in self._memory)
                for sink, position in self._acknowledged.items()
            }
            return SpoolStats(waiting, len(self._memory), self._dropped, error, self._store.damaged)

    def close(self) -> None:
        """Write what can be written, and let go of the file; idempotent."""
        with self._changed:
            if not self._store.closed:
                self._flush(at_once=True)
                self._store.close()
                self._changed.notify_all()

    def _after(self, position: int, limit: int) -> list[Message]:
        if self._store.closed:
            return []
        try:
            found = self._store.after(position, limit)
        except OutputError:
            if not self._store.suspect:
                raise
            self._renew()
            self._flush(at_once=True)
            found = self._store.after(position, limit)
        if len(found) < limit:
            found += [message for message in self._memory if message.position > position][: limit - len(found)]
        return found

    def _flush(self, at_once: bool = False) -> bool:
        """Bring the disk up to date; what it does not take stays in memory, within bounds."""
        everywhere = min(self._acknowledged.values())
        while self._memory and self._memory[0].position <= everywhere:
            self._memory.popleft()
        if time.monotonic() < self._retry_s and not at_once:
            self._make_room_in_memory()
            return not self._memory
        try:
            try:
                self._write()
            except OutputError:
                if not self._store.suspect:
                    raise
                self._renew()
                self._write()
        except OutputError as exc:
            if self._disk_error is None:
                logger.error("%s; what is new waits in memory: free space", exc)
            self._disk_error, self._retry_s = str(exc), time.monotonic() + RETRY_S
            self._make_room_in_memory()
            return False
        if self._disk_error is not None:
            logger.warning("spool %s: works again, and has what waited in memory", self._store.path)
        self._disk_error = None
        return True

    def _write(self) -> None:
        while self._memory:
            self._store.add(list(islice(self._memory, _AT_ONCE)), self._dropped)
            for _ in range(min(_AT_ONCE, len(self._memory))):
                self._memory.popleft()
            self._make_room()
        if self._acknowledged != self._on_disk:
            self._store.acknowledge(self._acknowledged)
            self._on_disk = dict(self._acknowledged)

    def _remember(self, event: Event) -> None:
        self._position += 1
        self._memory.append(Message(self._position, event))
        if event.phase == END:
            self._open.pop(event.id, None)
        elif event.phase != MOMENT:
            self._open[event.id] = event

    def _renew(self) -> None:
        """Do with a file that was damaged while it is in use what is done at a start.

        What is in memory stays, and what can still be read of the file comes there too.
        """
        before = self._store.damaged
        saved, lost = self._store.renew()
        known = {message.position for message in self._memory}
        older = [message for message in saved if message.position <= self._position and message.position not in known]
        self._memory = deque(sorted([*older, *self._memory], key=lambda message: message.position))
        self._on_disk = self._store.acknowledged(list(self._acknowledged))
        self._store.hold_open(list(self._open.values()))
        aside = self._store.damaged if self._store.damaged != before else None
        if aside is not None or lost:
            moved = {} if aside is None else {"moved_to": aside.name}
            where = "" if aside is None else f"; it is now {aside}"
            logger.error("spool %s is damaged, %d messages in it are lost%s", self._store.path, lost, where)
            self._remember(_damaged({**moved, "lost": lost}))
            self._changed.notify_all()

    def _make_room(self) -> None:
        excess, extra = self._store.count - self._max_messages, self._store.bytes - self._max_bytes
        if excess <= 0 and extra <= 0:
            return
        gone = self._store.oldest(max(excess + 1, 2), extra + _GAP_BYTES)
        gap, lost = _gap(gone)
        self._store.replace([message.position for message in gone], gap, self._dropped + lost)
        self._count_dropped(lost)

    def _make_room_in_memory(self) -> None:
        excess = len(self._memory) - self._max_messages
        if excess > 0:
            gap, lost = _gap([self._memory.popleft() for _ in range(excess + 1)])
            self._memory.appendleft(gap)
            self._count_dropped(lost)

    def _count_dropped(self, lost: int) -> None:
        """Count, with a line in the log for the first, the tenth, the hundredth and so on of this process."""
        before, self._lost = self._lost, self._lost + lost
        self._dropped += lost
        if len(str(self._lost)) > len(str(before or "")):
            logger.error("spool %s: full; %d of the oldest events are dropped so far", self._store.path, self._lost)


def _gap(gone: Sequence[Message]) -> tuple[Message, int]:
    """Return what stands for messages that are dropped, in the place of the last, and how many are lost by that."""
    gaps = [message.event for message in gone if message.event.kind == DROPPED]
    lost = len(gone) - len(gaps)
    number = lost + sum(int(gap.data["count"]) for gap in gaps)
    first = gaps[0].data["first"] if gaps else gone[0].event.time
    event = Event(
        id=gaps[0].id if gaps else uuid.uuid4().hex, sequence=number, phase=MOMENT, source="", rule="spool",
        kind=DROPPED, time=wall_time(time.time()),
        data={"count": number, "first": first, "last": gone[-1].event.time},
    )  # fmt: skip
    return Message(gone[-1].position, event), lost


def _damaged(data: dict[str, Any]) -> Event:
    return Event(
        id=uuid.uuid4().hex, sequence=0, phase=MOMENT, source="", rule="spool", kind=DAMAGED,
        time=wall_time(time.time()), data=data,
    )  # fmt: skip
