"""The parts together: what docs/watch.md shows, and real people on PETS09-S2L1."""

import json
import re
import subprocess
import sys

import numpy as np

from edgevision.data.mot import NOTHING, read_mot
from edgevision.pipeline.config import WatchConfig
from edgevision.pipeline.events import EventLog, Spool
from edgevision.pipeline.rules import Identities, LineRule, Scene, ZoneRule
from edgevision.pipeline.sinks import Delivery, JsonLinesSink
from edgevision.pipeline.tracking import Tracker


def test_the_example_in_the_documentation(repository, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (repository / "docs/watch.md").read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(one["rule"], one["phase"]) for one in events] == [("yard", "start"), ("door", "moment"), ("yard", "end")]
    assert events[0]["id"] == events[2]["id"] and events[1]["data"]["direction"] == "in"
    assert {(one["label"], one["track_id"]) for one in events} == {("person", 1)}


def blocks(repository):
    """The TOML of the documentation."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((repository / "docs").glob("*.md"))]
    return [block for text in texts for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]


def read(tmp_path, text):
    """Read a configuration; a part of one is made whole."""
    head = "schema = 1\n" if "schema" not in text else ""
    head += '[model]\nartifact = "m"\n' if "[model]" not in text else ""
    camera = '[[cameras]]\nname = "gate"\nsource = "film.mp4"\n' if "[[cameras]]" not in text else ""
    (tmp_path / "watch.toml").write_text(head + text + camera, encoding="utf-8")
    return WatchConfig.read(tmp_path / "watch.toml", lambda model: ["person", "traffic sign"], lambda stage: ["Ada"])


def test_the_configurations_in_the_documentation(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GATE_PASSWORD", "hunter2")
    first, capture, second = (read(tmp_path, block) for block in blocks(repository))
    assert [camera.name for camera in first.cameras] == ["gate"] and first.recording.clips.pre_s == 3
    assert capture.capture.folder == tmp_path / "captured"
    assert [len(camera.rules()) for camera in second.cameras] == [2]
    assert [stage.name for stage in second.cameras[0].second_stages] == ["who"]


def test_the_defaults_of_second_stages_in_the_documentation(repository, tmp_path):
    """The table of keys says what a stage has that says no more than it must."""
    text = (repository / "docs/watch.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| key \| default \| \|\n\| --- .*\n((?:\|.*\n)+)", text)
    needed = '[[second_stages]]\nname = "{0}"\nkind = "{0}"\nartifact = "m"\n'
    stages = read(tmp_path, needed.format("classify") + needed.format("identify") + 'gallery = "g"\n').second_stages
    made = {stage.name: {**vars(stage), "budget_ms": stage.budget_s * 1e3, "runtime": "first"} for stage in stages}
    told = {"classify": {}, "identify": {}}
    for row in table.splitlines():
        keys, values, _ = (cell.strip() for cell in row.strip("|").split("|"))
        names = re.findall(r"`(\w+)`", keys)
        first, _, other = values.partition(", `identify` ")
        told["classify"] |= zip(names, first.split(", "), strict=True)
        told["identify"] |= zip(names, (other or first).split(", "), strict=True)
    assert len(told["classify"]) >= 15
    for kind, defaults in told.items():
        for name, value in defaults.items():
            known = made[kind][name]
            assert value == (known if isinstance(known, str) else str(known).lower().removesuffix(".0")), (kind, name)


def test_pedestrians_on_pets09(shared_data, tmp_path):
    """300 frames: whatever starts ends, under one id; who crosses the path is counted once, flicker as it may."""
    detected = read_mot(shared_data / "video" / "vtest_det_mot15.txt")
    tracker, names, log = Tracker(), Identities(), EventLog("pets09", ["person"])
    line = LineRule("path", (384, 576), (384, 0))
    rules = [line, ZoneRule("middle", [(250, 150), (550, 150), (550, 450), (250, 450)], margin_px=5)]
    with Spool(tmp_path / "spool.db", ["json-lines"]) as spool:
        delivery = Delivery(spool, JsonLinesSink(tmp_path / "events.jsonl"))
        for number in range(1, 301):
            found = detected.get(number, NOTHING)
            time_s = number / 10
            classes = np.zeros(len(found.scores), int)
            scene = Scene(names.update(tracker.update(found.boxes, found.scores, classes, time_s)), 1e9 + time_s)
            changes = [change for rule in rules for change in rule.update(scene)]
            spool.put(log.events(changes, time_s=time_s, wall_s=1e9 + time_s))
        changes = [change for rule in rules for change in rule.close(30.0)]
        spool.put(log.events(changes, time_s=30.0, wall_s=1e9 + 30.0))
        assert delivery.close(drain_s=20) and spool.interrupted() == []
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert len({one["message_id"] for one in events}) == len(events)
    phases = {}
    for one in events:
        phases.setdefault(one["id"], []).append(one["phase"])
    assert set(map(tuple, phases.values())) == {("moment",), ("start", "end")}
    crossings = line.counts["in"] + line.counts["out"]
    assert 5 <= crossings <= 25
    assert crossings == sum(one["rule"] == "path" for one in events)
