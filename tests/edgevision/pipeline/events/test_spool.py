import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import count

import pytest

from edgevision.errors import ConfigError, InputError, OutputError
from edgevision.pipeline.events import DAMAGED, DROPPED, INTERRUPTED, Event, Spool
from edgevision.pipeline.events import spool as spool_module
from edgevision.pipeline.rules import END, MOMENT, START

numbers = count()


def event(phase=MOMENT, id=None, sequence=0, **data):
    return Event(
        id or f"e{next(numbers)}", sequence, phase, "gate", "yard", "zone", "2026-11-29T00:00:00.000Z", data=data
    )


def drain(spool, sink):
    """Take and acknowledge all that waits for a sink; return the events."""
    taken = []
    while found := spool.next(sink):
        for message in found:
            taken.append(message.event)
            spool.acknowledge(sink, message)
    return taken


def test_each_sink_gets_everything_once_in_order(tmp_path):
    events = [event(number=number) for number in range(40)]
    with Spool(tmp_path / "spool.db", ["mqtt", "file"]) as spool:
        assert spool.put(events[:20]) and spool.put(events[20:])
        assert drain(spool, "mqtt") == events
        assert spool.next("mqtt") == []
        assert spool.stats().waiting == {"mqtt": 0, "file": 40}
        assert drain(spool, "file") == events
        assert (spool._store.count, spool._store.bytes) == (0, 0)


def test_what_was_not_acknowledged_comes_again_after_a_restart(tmp_path):
    events = [event() for _ in range(5)]
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        spool.put(events)
        first, second, *_ = spool.next("mqtt")
        spool.acknowledge("mqtt", first)
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        assert spool.next("mqtt")[0] == second
        assert drain(spool, "mqtt") == events[1:]
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        later = event()
        spool.put([later])
        assert drain(spool, "mqtt") == [later]


def test_sinks_come_and_go(tmp_path):
    first, second = event(), event()
    with Spool(tmp_path / "spool.db", ["mqtt", "file"]) as spool:
        spool.put([first])
        drain(spool, "file")
    with Spool(tmp_path / "spool.db", ["file", "hook"]) as spool:
        spool.put([second])
        assert drain(spool, "file") == [second]
        assert drain(spool, "hook") == [first, second]
        assert (spool._store.count, spool._store.bytes) == (0, 0)


def test_a_message_that_is_put_twice_is_there_once(tmp_path):
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        once = event()
        spool.put([once])
        spool.put([once])
        assert drain(spool, "mqtt") == [once]


def test_waiting_for_an_event(tmp_path):
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        assert spool.next("mqtt", timeout_s=0.05) == []
        late = event()
        timer = threading.Timer(0.1, spool.put, ([late],))
        timer.start()
        began = time.monotonic()
        assert [message.event for message in spool.next("mqtt", timeout_s=5)] == [late]
        assert time.monotonic() - began < 2
        timer.join()


def test_the_oldest_are_dropped_counted_and_said(tmp_path, caplog):
    events = [event(number=number) for number in range(25)]
    with Spool(tmp_path / "spool.db", ["mqtt"], max_messages=10) as spool:
        for one in events:
            spool.put([one])
        assert spool._store.count == 10
        gap, *rest = drain(spool, "mqtt")
        assert (gap.kind, gap.data["count"], gap.phase) == (DROPPED, 16, MOMENT)
        assert rest == events[16:]
        assert spool.stats().dropped == 16
    assert re.findall(r"(\d+) of the oldest", caplog.text) == ["2", "10"]
    with Spool(tmp_path / "spool.db", ["mqtt"], max_messages=10) as spool:
        assert spool.stats().dropped == 16


def test_bytes_are_bounded_too(tmp_path):
    with Spool(tmp_path / "spool.db", ["mqtt"], max_bytes=20_000) as spool:
        for _ in range(100):
            spool.put([event(text="x" * 1000)])
            assert spool._store.bytes <= 20_000
        gap, *rest = drain(spool, "mqtt")
        assert gap.data["count"] + len(rest) == 100 and len(rest) > 10


def test_who_acknowledges_a_number_that_has_grown_is_told_again(tmp_path):
    with Spool(tmp_path / "spool.db", ["mqtt"], max_messages=3) as spool:
        spool.put([event() for _ in range(6)])
        told = spool.next("mqtt")[0]
        spool.put([event(), event()])
        spool.acknowledge("mqtt", told)
        again = spool.next("mqtt")[0].event
        assert again.kind == DROPPED and again.data["count"] == told.event.data["count"] + 2
        assert again.message_id != told.event.message_id


def test_what_was_read_from_memory_and_is_on_the_disk_by_now_is_acknowledged(tmp_path):
    """JSON has no tuples: what comes back from the disk is not equal to what was put."""
    with Spool(tmp_path / "spool.db", ["file"]) as spool:
        sent = event(points=(1, 2))
        spool.put([sent])
        (message,) = spool.next("file")
        assert message.event != sent
        spool.acknowledge("file", replace(message, event=sent))
        assert spool.next("file") == []


def test_a_sink_that_is_dead_costs_the_others_nothing(tmp_path):
    with Spool(tmp_path / "spool.db", ["dead", "file"], max_messages=5) as spool:
        events = [event() for _ in range(30)]
        taken = []
        for one in events:
            spool.put([one])
            taken += drain(spool, "file")
        assert taken == events


def test_what_was_open_when_the_process_died_is_ended(tmp_path):
    started = event(START, id="a")
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        spool.put([started, event(START, id="b"), event(END, id="b", sequence=1)])
        drain(spool, "mqtt")
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        (end,) = spool.interrupted()
        assert (end.id, end.sequence, end.phase, end.data) == ("a", 1, END, {"reason": INTERRUPTED})
        spool.put([end])
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        assert spool.interrupted() == []


def test_a_file_that_is_damaged_is_put_aside_and_said(tmp_path, caplog):
    path = tmp_path / "spool.db"
    path.write_bytes(b"this was never a database, and is long enough to be taken for one" * 100)
    with Spool(path, ["mqtt"]) as spool:
        spool.put([event()])
        damaged, _ = drain(spool, "mqtt")
        assert (
            "could not be read" in caplog.text
            and damaged.kind == DAMAGED
            and (tmp_path / damaged.data["moved_to"]).read_bytes().startswith(b"this was")
        )
        assert spool.stats().damaged == tmp_path / damaged.data["moved_to"]


@pytest.fixture
def at_once(monkeypatch):
    """Damage is damage the first time that it is met."""
    monkeypatch.setattr("edgevision.pipeline.events.store.LASTING_S", 0.0)


def spoil(path, start=0):
    """Overwrite a file from somewhere on, as a disk that fails does."""
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * (path.stat().st_size - start))


def fill_up(spool, count=1500):
    """More than SQLite has in its cache and its journal, so that it reads the file."""
    for _ in range(count // 100):
        spool.put([event(text="x" * 4000) for _ in range(100)])


@pytest.mark.parametrize("start", [0, 4096])
@pytest.mark.parametrize("first", ["put", "next"])
def test_a_file_that_is_damaged_while_it_is_in_use_is_put_aside_and_all_goes_on(
    tmp_path, caplog, at_once, start, first
):
    path = tmp_path / "spool.db"
    opened, later = event(START, "open"), [event() for _ in range(50)]
    with Spool(path, ["mqtt", "other"]) as spool:
        spool.put([opened])
        fill_up(spool)
        spool.acknowledge("mqtt", spool.next("mqtt", 3)[2])
        before = spool.stats().waiting["other"]
        spoil(path, start)
        early = drain(spool, "other") if first == "next" else []
        for one in later:
            spool.put([one])
        assert spool.stats().disk_error is None and spool.stats().in_memory == 0
        found = {"mqtt": drain(spool, "mqtt"), "other": early + drain(spool, "other")}
        for sink, events in found.items():
            assert [one.id for one in events if one.id in {one.id for one in later}] == [one.id for one in later], sink
            (damaged,) = (one for one in events if one.kind == DAMAGED)
        aside = tmp_path / damaged.data["moved_to"]
        assert aside.stat().st_size > 1_000_000 and 0 < damaged.data["lost"] <= before + len(later)
        assert len(found["other"]) + damaged.data["lost"] >= before
        assert "is damaged" in caplog.text and str(aside) in caplog.text
    with Spool(path, ["mqtt", "other"]) as spool:
        assert drain(spool, "mqtt") == drain(spool, "other") == []
        (end,) = spool.interrupted()
        assert (end.id, end.phase) == ("open", END)


def test_a_file_that_cannot_be_made_anew_yet_is_tried_again(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(spool_module, "RETRY_S", 0.0)
    path = tmp_path / "spool.db"
    with Spool(path, ["mqtt"]) as spool:
        fill_up(spool)
        spoil(path)
        with monkeypatch.context() as broken:
            broken.setattr("edgevision.pipeline.events.store.Store._set_aside", refuse)
            with pytest.raises(OutputError, match="refused"):
                drain(spool, "mqtt")
            last = [event() for _ in range(3)]
            for one in last:
                assert spool.put([one]) is False
            assert "refused" in spool.stats().disk_error
        assert spool.put([event()]) is True
        found = drain(spool, "mqtt")
        assert {one.id for one in last} <= {one.id for one in found}
        assert sum(one.kind == DAMAGED for one in found) == 1


def refuse(store):
    raise PermissionError(13, "refused")


def test_a_message_whose_text_is_damaged_is_lost_alone(tmp_path, at_once):
    path = tmp_path / "spool.db"
    with Spool(path, ["mqtt"]) as spool:
        events = [event() for _ in range(9)]
        spool.put(events)
        with sqlite3.connect(path) as database:  # as one byte of the text on the disk
            database.execute("UPDATE messages SET body = replace(body, '{', '[') WHERE position = 5")
        found = drain(spool, "mqtt")
        assert [one.id for one in found if one.kind != DAMAGED] == [one.id for one in events if one is not events[4]]
        assert [dict(one.data) for one in found if one.kind == DAMAGED] == [{"lost": 1}]
        assert spool.stats().damaged is None


def test_only_one_process_has_it_and_only_its_user_reads_it(tmp_path):
    with Spool(tmp_path / "spool.db", ["mqtt"]), pytest.raises(ConfigError, match="in use"):
        Spool(tmp_path / "spool.db", ["mqtt"])
    (tmp_path / "link.db").symlink_to(tmp_path / "spool.db")
    with Spool(tmp_path / "spool.db", ["mqtt"]), pytest.raises(ConfigError, match="in use"):
        Spool(tmp_path / "link.db", ["mqtt"])
    Spool(tmp_path / "spool.db", ["mqtt"]).close()
    assert (tmp_path / "spool.db").stat().st_mode & 0o077 == 0


def test_data_that_cannot_be_told_is_refused_and_blocks_nothing(tmp_path):
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        for data in (float("nan"), {1, 2}, b"bytes"):
            with pytest.raises(InputError, match="yard"):
                spool.put([event(), event(value=data)])
        good = event()
        assert spool.put([good]) and drain(spool, "mqtt") == [good]


def test_a_closed_spool_gives_nothing_and_takes_nothing(tmp_path):
    spool = Spool(tmp_path / "spool.db", ["mqtt"])
    spool.put([event()])
    (message,) = spool.next("mqtt")
    spool.close()
    spool.close()
    assert spool.next("mqtt", timeout_s=0.01) == [] and spool.stats().waiting == {"mqtt": 0}
    spool.acknowledge("mqtt", message)
    with pytest.raises(ConfigError, match="closed"):
        spool.put([event()])
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        assert spool.next("mqtt") == [message]


def test_what_makes_no_sense_is_refused(tmp_path):
    for wrong in ([], ["a", "a"]):
        with pytest.raises(ConfigError, match="sinks"):
            Spool(tmp_path / "spool.db", wrong)
    with pytest.raises(ConfigError, match="limits"):
        Spool(tmp_path / "spool.db", ["a"], max_messages=1)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="spool"):
        Spool(tmp_path / "file" / "spool.db", ["a"])
    newer = sqlite3.connect(tmp_path / "newer.db")
    newer.execute("PRAGMA user_version = 9")
    newer.close()
    with pytest.raises(ConfigError, match="newer edgevision"):
        Spool(tmp_path / "newer.db", ["a"])


def test_a_full_disk_loses_nothing_while_there_is_memory(small_disk, fill, monkeypatch, caplog):
    monkeypatch.setattr(spool_module, "RETRY_S", 0.0)
    with Spool(small_disk / "spool.db", ["file", "dead"]) as spool:
        hog = small_disk / "hog"
        before = event()
        assert spool.put([before])
        fill(hog)
        events = [event(text="y" * 2000) for _ in range(60)]
        assert [spool.put([one]) for one in events][-1] is False
        stats = spool.stats()
        assert stats.in_memory > 0 and "full" in stats.disk_error and stats.dropped == 0
        assert drain(spool, "file") == [before, *events]  # from memory
        hog.unlink()
        after = event()
        assert spool.put([after])
        assert spool.stats().in_memory == 0 and spool.stats().disk_error is None
        assert drain(spool, "file") == [after]
        assert drain(spool, "dead") == [before, *events, after]
    waits, works = caplog.messages[:2]
    assert "waits in memory" in waits and "full" in waits and "works again" in works


def test_a_disk_that_stays_full_is_bounded_in_memory(small_disk, fill, monkeypatch):
    monkeypatch.setattr(spool_module, "RETRY_S", 0.0)
    with Spool(small_disk / "spool.db", ["file"], max_messages=20) as spool:
        fill(small_disk / "hog")
        for _ in range(80):
            spool.put([event(text="y" * 20_000)])
        stats = spool.stats()
        assert stats.in_memory <= 20
        taken = drain(spool, "file")
        told = sum(one.data["count"] for one in taken if one.kind == DROPPED)
        assert told + sum(one.kind != DROPPED for one in taken) == 80
        assert stats.dropped == told
        (small_disk / "hog").unlink()
        assert spool.put([event()])
    with Spool(small_disk / "spool.db", ["file"]) as spool:
        assert spool.stats().dropped == told


PUTTING = """
import sys
from edgevision.pipeline.events import Event, Spool
spool = Spool(sys.argv[1], ["file"])
for number in range(10**6):
    spool.put([Event(f"e{number}", 0, "moment", "gate", "yard", "zone", "", data={"text": "x" * 300})])
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 40, pytest.param(173, marks=pytest.mark.slow)])
def test_kill_9_loses_nothing_that_was_put(tmp_path, after):
    child = subprocess.Popen([sys.executable, "-c", PUTTING, tmp_path / "spool.db"], stdout=subprocess.PIPE, text=True)
    lines = [child.stdout.readline() for _ in range(after)]
    child.send_signal(signal.SIGKILL)
    last = int((lines + child.stdout.read().split())[-1])
    child.wait()
    child.stdout.close()
    with Spool(tmp_path / "spool.db", ["file"]) as spool:
        names = [one.id for one in drain(spool, "file")]
    assert names in ([f"e{number}" for number in range(last + 1)], [f"e{number}" for number in range(last + 2)])


def test_a_folder_is_no_spool(tmp_path):
    for path in (tmp_path, "."):
        with pytest.raises(ConfigError, match="is a folder; name a file"):
            Spool(path, ["mqtt"])
