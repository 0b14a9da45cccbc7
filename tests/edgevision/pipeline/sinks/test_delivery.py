import logging
import time

import pytest

from edgevision.errors import ConfigError, EdgeVisionError
from edgevision.pipeline.events import Spool
from edgevision.pipeline.sinks import Delivery, RefusedError, UnreachableError


class Moody:
    """A sink that fails as it is told, and then takes what comes."""

    name = "moody"

    def __init__(self, failures):
        self.failures, self.taken, self.tried_s, self.closed = list(failures), [], [], 0

    def send(self, event):
        self.tried_s.append(time.monotonic())
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(event)

    def idle(self):
        pass

    def close(self):
        self.closed += 1


@pytest.fixture
def spool(tmp_path):
    with Spool(tmp_path / "spool.db", ["moody"]) as spool:
        yield spool


def test_it_tries_again_until_everything_has_arrived_in_order(spool, event, caplog):
    caplog.set_level(logging.WARNING)
    sink = Moody([UnreachableError("no")] * 3 + [RuntimeError("a bug")])
    events = [event() for _ in range(40)]
    spool.put(events)
    delivery = Delivery(spool, sink, first_wait_s=0.01, longest_wait_s=0.05)
    assert delivery.close(drain_s=10)
    assert sink.taken == events and sink.closed == 1
    stats = delivery.stats()
    assert (stats.delivered, stats.failures, stats.refused, stats.error) == (40, 4, 0, None)
    assert [record.message for record in caplog.records] == [
        "sink moody: fails, and is tried again: no", "sink moody: works again, after 4 attempts",
    ]  # fmt: skip


def test_waits_grow_are_random_and_have_an_end(spool, event):
    sink = Moody([UnreachableError("no")] * 7)
    spool.put([event()])
    delivery = Delivery(spool, sink, first_wait_s=0.02, longest_wait_s=0.16, seed=1)
    assert delivery.close(drain_s=10)
    waits = [after - before for before, after in zip(sink.tried_s, sink.tried_s[1:], strict=False)]
    for number, wait in enumerate(waits):
        longest = min(0.02 * 2**number, 0.16)
        assert longest / 2 - 0.002 <= wait <= longest + 0.1
    assert len({round(wait, 4) for wait in waits[4:]}) > 1


def test_what_is_refused_for_good_is_given_up_and_said(spool, event, caplog):
    sink = Moody([RefusedError("too large")])
    first, second = event(), event()
    spool.put([first, second])
    delivery = Delivery(spool, sink)
    assert delivery.close(drain_s=10)
    assert sink.taken == [second] and delivery.stats().refused == 1
    assert first.message_id in caplog.text and "too large" in caplog.text


def test_closing_leaves_what_waits_in_the_spool(spool, event):
    sink = Moody([EdgeVisionError("no")] * 1000)
    spool.put([event()])
    delivery = Delivery(spool, sink, first_wait_s=30, longest_wait_s=60)
    began = time.monotonic()
    assert not delivery.close(drain_s=0.2)
    assert time.monotonic() - began < 5
    assert delivery.stats().error == "no"
    assert len(spool.next("moody")) == 1


def test_a_receiver_that_asks_for_time_gets_it(spool, event):
    sink = Moody([UnreachableError("later", retry_after_s=0.3)])
    spool.put([event()])
    assert Delivery(spool, sink, first_wait_s=0.01, longest_wait_s=1.0).close(drain_s=10)
    assert sink.tried_s[1] - sink.tried_s[0] >= 0.3


def test_a_receiver_may_ask_for_more_than_the_longest_wait(spool, event):
    sink = Moody([UnreachableError("later", retry_after_s=0.4)])
    spool.put([event()])
    assert Delivery(spool, sink, first_wait_s=0.01, longest_wait_s=0.05).close(drain_s=10)
    assert sink.tried_s[1] - sink.tried_s[0] >= 0.4


def test_a_disk_that_cannot_be_read_for_a_while_costs_time_alone(spool, event, tmp_path, caplog):
    """The spool's file and journal are zeros for a moment, as those of a dying card, and then what they were."""
    events = [event(text="x" * 20_000) for _ in range(300)]  # more than SQLite keeps in memory
    spool.put(events)
    files = {path: path.read_bytes() for path in (tmp_path / "spool.db", tmp_path / "spool.db-wal")}
    for path, content in files.items():
        with path.open("r+b") as file:
            file.write(bytes(len(content)))
    sink = Moody([])
    delivery = Delivery(spool, sink, first_wait_s=0.01, longest_wait_s=0.05)
    end = time.monotonic() + 20
    while delivery.stats().error is None and time.monotonic() < end:
        time.sleep(0.01)
    assert "could not be read" in delivery.stats().error and "could not be read" in spool.stats().disk_error
    for path, content in files.items():
        with path.open("r+b") as file:
            file.write(content)
    assert delivery.close(drain_s=20)
    assert sink.taken == events and "works again" in caplog.text


def test_a_spool_that_stays_damaged_is_put_aside_and_deliveries_go_on(spool, event, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("edgevision.pipeline.events.store.LASTING_S", 0.5)
    spool.put([event(text="x" * 20_000) for _ in range(300)])
    with (tmp_path / "spool.db").open("r+b") as file:
        file.write(bytes((tmp_path / "spool.db").stat().st_size))
    sink = Moody([])
    delivery = Delivery(spool, sink, first_wait_s=0.05, longest_wait_s=0.1)
    end = time.monotonic() + 20
    while spool.stats().damaged is None and time.monotonic() < end:
        time.sleep(0.02)
    later = [event() for _ in range(3)]
    spool.put(later)
    assert delivery.close(drain_s=20)
    assert [one.kind for one in sink.taken].count("damaged") == 1 and sink.taken[-3:] == later
    assert "is damaged" in caplog.text and "sink moody: works again" in caplog.text


def test_waits_that_make_no_sense_are_refused(spool):
    with pytest.raises(ConfigError, match="waits"):
        Delivery(spool, Moody([]), first_wait_s=2, longest_wait_s=1)
