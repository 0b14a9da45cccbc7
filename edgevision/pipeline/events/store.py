"""The file of a spool: SQLite, each change whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edgevision.errors import ConfigError, EdgeVisionError, OutputError, reason_of
from edgevision.pipeline.events.event import Event
from edgevision.pipeline.rules.change import END, MOMENT

_TABLES = """
CREATE TABLE IF NOT EXISTS messages (
    position INTEGER PRIMARY KEY, message_id TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sinks (name TEXT PRIMARY KEY, acknowledged INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS unfinished (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
PRAGMA user_version = 1;
"""
_VERSION = 1
_WAL_BYTES = 1 << 20
LASTING_S = 5.0
"""What cannot be read or written for so long is damaged; for a shorter time it may be a bad moment of the disk."""


@dataclass(frozen=True)
class Message:
    """An event in the spool.

    Attributes:
        position: Its place in the order in which events came.
        event: The event.
    """

    position: int
    event: Event


def check_no_folder(path: Path) -> None:
    """Raise ConfigError where a spool's file is to be and a folder is."""
    if path.is_dir():
        raise ConfigError(f"spool {path} is a folder", next_step="name a file")


def lock_of(path: Path) -> Path:
    """The file that is locked while a process has the spool ``path``."""
    return path.with_name(path.name + ".lock")


def files_of(path: Path) -> tuple[Path, ...]:
    """Every file that a spool ``path`` writes to."""
    return path, lock_of(path), *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))


class Store:
    """What a spool keeps on disk. One process has it at a time; calls come one after the other.

    Every method that writes does so in one transaction, flushed to the disk, and raises OutputError when it could not:
    the file then is as it was before. Those that read raise it too, for a disk that fails.

    Attributes:
        count: Messages in it.
        bytes: Bytes of their text.
        damaged: Where a file that could not be read was moved to; None.
        suspect: Whether the last error sounds like a damaged file, and has come again for `LASTING_S`: `renew` then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path = Path(os.path.realpath(path))  # one lock for a file, by whatever link it is called
        check_no_folder(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise OutputError(f"spool {path}: {reason_of(exc)}", next_step="name another place") from exc
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._lock)
            raise ConfigError(f"spool {path} is in use by another process", next_step="name another place") from exc
        self.damaged: Path | None = None
        self.suspect = False
        self._saved: dict[int, Event] = {}
        self._failing: dict[str, float] = {}
        try:
            self._database = self._open()
            self.count, self.bytes = self._measured("")
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._lock < 0

    def close(self) -> None:
        """Let go of the file; idempotent."""
        if not self.closed:
            self._database.close()
            os.close(self._lock)
            self._lock = -1

    def renew(self) -> tuple[list[Message], int]:
        """Look at a suspect file as at a start, and put it aside if it is damaged.

        Returns:
            Messages that could be read and are in the file no more, and how many are lost.

        Raises:
            OutputError: There can be no file now; this may be called again.
        """
        before, aside = self.count, self.damaged
        self._save()
        with suppress(sqlite3.Error):
            self._database.close()
        self._database = self._open()
        self.suspect = False
        self._failing.clear()
        if self.damaged == aside:
            self._forget_unreadable()
        self.count, self.bytes = self._measured("")
        saved, self._saved = self._saved if self.count == 0 else {}, {}
        return [Message(position, saved[position]) for position in sorted(saved)], before - self.count - len(saved)

    def _save(self) -> None:
        """Read messages from both ends, as far as that goes."""
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.Error):
                rows = self._database.execute(f"SELECT position, CAST(body AS BLOB) FROM messages ORDER BY 1 {order}")
                for position, body in rows:
                    if (event := _event(body)) is not None:
                        self._saved[position] = event

    def hold_open(self, events: Sequence[Event]) -> None:
        """Note events that have started and not ended, by their last messages."""
        with self._transaction("events that are open"):
            rows = [(event.id, event.to_json()) for event in events]
            self._database.executemany("INSERT OR REPLACE INTO unfinished VALUES (?, ?)", rows)

    def last_position(self) -> int:
        """Return the highest position that was ever given, or 0."""
        query = (
            "SELECT max((SELECT ifnull(max(position), 0) FROM messages), (SELECT ifnull(max(value), 0) FROM counters"
        )
        (last,) = self._database.execute(query + " WHERE name = 'position'))").fetchone()
        return int(last)

    def acknowledged(self, sinks: Sequence[str]) -> dict[str, int]:
        """Return sink -> the position up to which it has everything; a new sink begins with what is here."""
        with self._transaction("the names of its sinks"):
            marks = ", ".join("?" * len(sinks))
            self._database.execute(f"DELETE FROM sinks WHERE name NOT IN ({marks})", list(sinks))
            self._database.executemany("INSERT OR IGNORE INTO sinks VALUES (?, 0)", [(name,) for name in sinks])
        return dict(self._database.execute("SELECT name, acknowledged FROM sinks"))

    def counter(self, name: str) -> int:
        """Return a count that outlives the process."""
        row = self._database.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def waiting(self, position: int) -> int:
        """Return how many messages there are after a position; none when it is closed."""
        if self.closed:
            return 0
        with self._reading(f"those after {position} to count"):
            return self._measured("WHERE position > ?", position)[0]

    def oldest(self, count: int, size: int) -> list[Message]:
        """Return the first ``count`` messages, or more if those have less than ``size`` bytes."""
        found: list[Message] = []
        freed = 0
        while len(found) < self.count and (len(found) < count or freed < size):
            more = self.after(found[-1].position if found else 0, max(count - len(found), 1))
            freed += sum(len(message.event.to_json().encode()) for message in more)
            found += more
        return found

    def after(self, position: int, limit: int) -> list[Message]:
        """Return the first messages after a position, in order."""
        query = "SELECT position, body FROM messages WHERE position > ? ORDER BY position LIMIT ?"
        with self._reading(f"those after {position}"):
            rows = self._database.execute(query, (position, limit))
            return [Message(number, Event.from_dict(json.loads(body))) for number, body in rows]

    def unfinished(self) -> list[Event]:
        """Return the last message of every event that has started and not ended."""
        return [Event.from_dict(json.loads(body)) for (body,) in self._database.execute("SELECT body FROM unfinished")]

    def add(self, messages: Sequence[Message], dropped: int) -> None:
        """Take in messages, and how many were dropped in all; one whose id is here already is not taken twice."""
        with self._transaction("events"):
            for message in messages:
                event, body = message.event, message.event.to_json()
                self._insert(message, body, "IGNORE")
                if event.phase == END:
                    self._database.execute("DELETE FROM unfinished WHERE id = ?", (event.id,))
                elif event.phase != MOMENT:
                    self._database.execute("INSERT OR REPLACE INTO unfinished VALUES (?, ?)", (event.id, body))
            self._count("position", messages[-1].position)
            self._count("dropped", dropped)

    def acknowledge(self, positions: dict[str, int]) -> None:
        """Note how far the sinks are, and forget what all of them have."""
        with self._transaction("what was delivered"):
            self._database.executemany(
                "UPDATE sinks SET acknowledged = max(acknowledged, ?) WHERE name = ?",
                [(position, name) for name, position in positions.items()],
            )
            (everywhere,) = self._database.execute("SELECT min(acknowledged) FROM sinks").fetchone()
            self._delete("WHERE position <= ?", everywhere)

    def replace(self, gone: Sequence[int], gap: Message, dropped: int) -> None:
        """Put a message in the place of some that are dropped, and count how many were dropped in all."""
        with self._transaction("what was dropped"):
            for position in gone:
                self._delete("WHERE position = ?", position)
            self._insert(gap, gap.event.to_json(), "ABORT")
            self._count("dropped", dropped)

    def _insert(self, message: Message, body: str, otherwise: str) -> None:
        size = len(body.encode())
        row = (message.position, message.event.message_id, size, body)
        done = self._database.execute(f"INSERT OR {otherwise} INTO messages VALUES (?, ?, ?, ?)", row).rowcount
        self.count, self.bytes = self.count + done, self.bytes + done * size

    def _delete(self, which: str, position: int) -> None:
        count, size = self._measured(which, position)
        self._database.execute(f"DELETE FROM messages {which}", (position,))
        self.count, self.bytes = self.count - count, self.bytes - size

    def _measured(self, which: str, *values: int) -> tuple[int, int]:
        query = f"SELECT count(*), ifnull(sum(bytes), 0) FROM messages {which}"
        count, size = self._database.execute(query, values).fetchone()
        return int(count), int(size)

    def _count(self, name: str, value: int) -> None:
        self._database.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (name, value))

    def _forget_unreadable(self) -> None:
        """Delete messages whose text is no event: damage in the midst of a text is none to SQLite."""
        with self._transaction("what is damaged"):
            rows = self._database.execute("SELECT position, CAST(body AS BLOB) FROM messages")
            bad = [position for position, body in rows if _event(body) is None]
            self._database.executemany("DELETE FROM messages WHERE position = ?", [(position,) for position in bad])

    def _open(self) -> sqlite3.Connection:
        try:
            try:
                return self._connect()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self.damaged = self._set_aside()
                return self._connect()
        except (sqlite3.Error, OSError) as exc:
            reason = reason_of(exc)
            raise OutputError(f"spool {self.path}: {reason}", next_step="free space, or name another place") from exc

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            self.path.chmod(0o600)
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise ConfigError(f"spool {self.path}: written by a newer edgevision", next_step="name another place")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
            if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("damaged")
            database.executescript(_TABLES)
        except BaseException:
            database.close()
            raise
        return database

    def _set_aside(self) -> Path:
        aside = self.path.with_name(f"{self.path.name}.damaged-{int(time.time())}")
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.path.rename(aside)
        return aside

    def _doubt(self, what: str, exc: Exception) -> None:
        now = time.monotonic()
        self.suspect = _sounds_damaged(exc) and now - self._failing.setdefault(what, now) >= LASTING_S

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        try:
            yield
            self._failing.pop(what, None)
        except (sqlite3.Error, ValueError, LookupError, TypeError, EdgeVisionError) as exc:
            self._doubt(what, exc)
            with suppress(sqlite3.Error):
                self._database.execute("PRAGMA shrink_memory")  # what was read wrongly is read from the disk next time
            raise OutputError(f"spool {self.path}: events could not be read: {reason_of(exc)}") from exc

    @contextmanager
    def _transaction(self, what: str) -> Iterator[None]:
        before = self.count, self.bytes
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield
            self._database.execute("COMMIT")
            self._failing.pop(what, None)
        except BaseException as exc:
            self.count, self.bytes = before
            with suppress(sqlite3.DatabaseError):  # of a file that is damaged
                if not self.closed and self._database.in_transaction:
                    self._database.execute("ROLLBACK")
            if not isinstance(exc, sqlite3.Error):
                raise
            self._doubt(what, exc)
            raise OutputError(f"spool {self.path}: {what} could not be written: {reason_of(exc)}") from exc


def _sounds_damaged(exc: Exception) -> bool:
    """Whether an error is of a file that is damaged, or is closed since `Store.renew` could not open it."""
    if isinstance(exc, sqlite3.OperationalError):  # a disk that is full or fails, but for these
        return any(words in str(exc) for words in ("no such table", "decode to UTF-8"))
    return not isinstance(exc, sqlite3.Error) or type(exc) in (sqlite3.DatabaseError, sqlite3.ProgrammingError)


def _event(body: bytes) -> Event | None:
    try:
        return Event.from_dict(json.loads(body))
    except (ValueError, LookupError, TypeError, EdgeVisionError):
        return None
