"""Events that no frame waits for: real files, a disk that another process holds up, real child processes."""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from edgevision.errors import ConfigError, InputError
from edgevision.pipeline.events import Event, Spool, SpoolWriter


def event(number, **data):
    return Event(f"e{number}", 0, "moment", "gate", "yard", "zone", "", data=data)


def ids(spool, sink="file"):
    return [message.event.id for message in spool.next(sink, 10**6)]


@pytest.fixture
def busy(tmp_path):
    """A spool whose file another connection holds until ``release()``: every write waits for it."""
    spool = Spool(tmp_path / "spool.db", ["file"])
    other = sqlite3.connect(tmp_path / "spool.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    yield spool, lambda: other.execute("ROLLBACK")
    other.close()
    spool.close()


def test_who_puts_does_not_wait_for_the_disk(busy):
    spool, release = busy
    writer = SpoolWriter(spool)
    began = time.monotonic()
    for number in range(100):
        writer.put([event(number), event(f"{number}b")])
    assert time.monotonic() - began < 1.0  # SQLite waits 5 s for a file that is held
    assert not writer.flush(0.1)
    release()
    assert writer.flush(10)
    assert ids(spool) == [f"e{number}{suffix}" for number in range(100) for suffix in ("", "b")]
    assert writer.close()


def test_with_too_many_under_way_it_waits_and_drops_nothing(busy):
    spool, release = busy
    writer = SpoolWriter(spool, most=3)
    put = threading.Thread(target=lambda: [writer.put([event(number)]) for number in range(5)])
    put.start()
    put.join(0.3)
    assert put.is_alive()
    release()
    put.join(10)
    assert writer.close() and ids(spool) == [f"e{number}" for number in range(5)]


def test_closing_writes_what_is_under_way(busy):
    spool, release = busy
    writer = SpoolWriter(spool)
    writer.put([event(0)])
    writer.put([event(1)])
    assert not writer.close(0.1)
    release()
    assert writer.close() and writer.close()
    assert ids(spool) == ["e0", "e1"]
    with pytest.raises(ConfigError, match="closed"):
        writer.put([event(2)])


def test_what_json_has_not_is_refused_where_it_is_put(tmp_path):
    with Spool(tmp_path / "spool.db", ["file"]) as spool:
        writer = SpoolWriter(spool)
        with pytest.raises(InputError):
            writer.put([event(0), event(1, what={1, 2})])
        writer.put([event(2)])
        assert writer.close() and ids(spool) == ["e2"]


PUTTING = """
import sys
from edgevision.pipeline.events import Event, Spool, SpoolWriter
from edgevision.pipeline.sinks import Delivery, JsonLinesSink
spool = Spool(sys.argv[1], ["json-lines", "never"])
writer, delivery = SpoolWriter(spool), Delivery(spool, JsonLinesSink(sys.argv[2]))
for number in range(10**6):
    writer.put([Event(f"e{number}", 0, "moment", "gate", "yard", "zone", "", data={"text": "x" * 300})])
    if number % 7 == 0:
        assert writer.flush(60)
        print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 9, pytest.param(60, marks=pytest.mark.slow)])
def test_kill_9_loses_nothing_that_was_flushed_and_nothing_that_a_sink_has(tmp_path, after):
    """What is lost is at most the end: there is no gap, nothing is doubled, and no sink was told of what is lost."""
    file = tmp_path / "events.jsonl"
    child = subprocess.Popen([sys.executable, "-c", PUTTING, tmp_path / "spool.db", file], stdout=subprocess.PIPE)
    lines = [child.stdout.readline() for _ in range(after)]
    child.send_signal(signal.SIGKILL)
    last = int((lines + child.stdout.read().split())[-1])
    child.wait()
    child.stdout.close()
    with Spool(tmp_path / "spool.db", ["never"]) as spool:
        kept = ids(spool, "never")
    assert kept == [f"e{number}" for number in range(len(kept))] and len(kept) > last
    told = [json.loads(line)["id"] for line in file.read_text().splitlines()] if file.exists() else []
    assert told == kept[: len(told)]
