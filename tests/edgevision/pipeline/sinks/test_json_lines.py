import json
import os
import signal
import subprocess
import sys
import time

import pytest

from edgevision.errors import ConfigError, OutputError
from edgevision.pipeline.events import Event, Spool
from edgevision.pipeline.sinks import Delivery, JsonLinesSink


def ids(path):
    return [json.loads(line)["message_id"] for line in path.read_text().splitlines()]


def test_a_line_for_each_event_and_none_twice(tmp_path, event):
    first, second, third = event(), event(), event()
    sink = JsonLinesSink(tmp_path / "out" / "events.jsonl")
    for one in (first, first, second):
        sink.send(one)
    sink.close()
    sink.close()
    again = JsonLinesSink(tmp_path / "out" / "events.jsonl")
    for one in (second, third):
        again.send(one)
    again.close()
    lines = (tmp_path / "out" / "events.jsonl").read_text().splitlines()
    assert [Event.from_dict(json.loads(line)) for line in lines] == [first, second, third]


def test_half_a_line_is_cut_off(tmp_path, event):
    path = tmp_path / "events.jsonl"
    first, second = event(), event()
    path.write_text(first.to_json() + "\n" + second.to_json()[:20])
    sink = JsonLinesSink(path)
    sink.send(second)
    sink.close()
    assert ids(path) == [first.message_id, second.message_id]


@pytest.mark.parametrize(
    "there", ["# mine\n[1, 2]\n", "# mine\n[1, 2]", '{"precious": 1}', '{"data": 1}', "no line end"]
)
def test_what_others_wrote_is_left_alone(tmp_path, event, there):
    path = tmp_path / "events.jsonl"
    path.write_text(there)
    sink = JsonLinesSink(path)
    sent = event()
    sink.send(sent)
    sink.close()
    assert path.read_text() == there.removesuffix("\n") + "\n" + sent.to_json() + "\n"


def test_an_event_that_lacks_its_line_end_alone_is_not_written_again(tmp_path, event):
    path, sent = tmp_path / "events.jsonl", event()
    path.write_text(sent.to_json())
    sink = JsonLinesSink(path)
    sink.send(sent)
    sink.close()
    assert path.read_text() == sent.to_json() + "\n"


def test_zeros_that_a_power_cut_left_are_cut_off(tmp_path, event):
    path, first, second = tmp_path / "events.jsonl", event(), event()
    path.write_bytes(first.to_json().encode() + b"\n" + bytes(500))
    sink = JsonLinesSink(path)
    sink.send(second)
    sink.close()
    assert ids(path) == [first.message_id, second.message_id]


def test_a_pipe_or_folder_keeps_no_lines(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ConfigError, match="keeps lines"):
            JsonLinesSink(path)


def test_a_file_that_is_moved_away_is_begun_anew(tmp_path, event):
    path = tmp_path / "events.jsonl"
    sink = JsonLinesSink(path)
    sink.send(event())
    path.rename(tmp_path / "events.1")
    sink.send(event())
    sink.close()
    assert len(ids(path)) == len(ids(tmp_path / "events.1")) == 1


def test_what_cannot_be_written_is_said(tmp_path, event):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"events\.jsonl"):
        JsonLinesSink(tmp_path / "file" / "events.jsonl").send(event())


def test_a_full_disk_leaves_no_half_line_and_later_everything_is_there(small_disk, fill, event):
    path = small_disk / "events.jsonl"
    sink = JsonLinesSink(path)
    first, second, third = (event(text="x" * 3000) for _ in range(3))
    sink.send(first)
    fill(small_disk / "hog")
    for _ in range(3):
        with pytest.raises(OutputError, match="No space"):
            sink.send(second)
    assert ids(path)[:1] == [first.message_id] and path.read_text().endswith("\n")
    (small_disk / "hog").unlink()
    for one in (second, third):
        sink.send(one)
    sink.close()
    assert ids(path) == [first.message_id, second.message_id, third.message_id]


WATCHING = """
import itertools, sys, threading
from edgevision.pipeline.events import Event, Spool
from edgevision.pipeline.sinks import Delivery, JsonLinesSink
first = int(sys.argv[3])
spool = Spool(sys.argv[1], ["json-lines"])
Delivery(spool, JsonLinesSink(sys.argv[2]))
for number in itertools.count(first):
    spool.put([Event(f"e{number}", 0, "moment", "gate", "yard", "zone", "")])
    print(number, flush=True)
"""


def test_kill_9_between_putting_and_delivering_loses_and_doubles_nothing(tmp_path):
    """Killed three times at other moments; then all that was put is in the file, once and in order."""
    first = 0
    for wait in (0.05, 0.31, 0.02):
        command = [sys.executable, "-c", WATCHING, tmp_path / "spool.db", tmp_path / "events.jsonl", str(first)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        lines = [child.stdout.readline()]
        time.sleep(wait)
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.read().split()
        child.stdout.close()
        child.wait()
        first = int(lines[-1]) + 1
    with Spool(tmp_path / "spool.db", ["json-lines"]) as spool:
        assert Delivery(spool, JsonLinesSink(tmp_path / "events.jsonl")).close(drain_s=20)
    written = ids(tmp_path / "events.jsonl")
    assert len(set(written)) == len(written)
    numbers = [int(name[1:-2]) for name in written]
    assert numbers == sorted(numbers) and set(range(first)) <= set(numbers) <= set(range(first + 1))
