"""A configuration, running: a recording of a square that walks through a zone, with a model made here that finds it."""

import functools
import hashlib
import json
import logging.handlers
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

from edgevision.artifact import Artifact
from edgevision.cli import main
from edgevision.data.locate import open_dataset
from edgevision.errors import ConfigError, EdgeVisionError, InferenceError
from edgevision.pipeline.notice import Notice
from edgevision.pipeline.watching import Watch
from edgevision.shipped import shipped_model
from edgevision.tasks.detections import Detections
from edgevision.verify import seal

av = pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")

CONFIG = """
schema = 1
[model]
artifact = "model"
[[cameras]]
name = "walk"
source = "walk.mkv"
[[cameras.rules]]
kind = "zone"
name = "middle"
points = [[60, 0], [100, 0], [100, 120], [60, 120]]
dwell_s = {dwell}
inertia_s = 0.5
{more}
[[sinks]]
kind = "json_lines"
path = "events.jsonl"
"""
RECORDING = '[recording]\nfolder = "kept"\n[recording.clips]\npre_s = 0.5\npost_s = 0.5\n'


class Bright:
    """Finds what is bright: one box around it, class 0."""

    def __init__(self, config=None):
        self.closed = False

    def prepare(self, frame):
        return frame.to_rgb()[..., 1] > 150

    def infer(self, prepared):
        assert not self.closed
        rows, columns = np.nonzero(prepared)
        if not len(rows):
            return np.empty((0, 4))
        return np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]])

    def decode(self, inferred):
        return Detections(inferred, np.full(len(inferred), 0.9), np.zeros(len(inferred)))

    def close(self):
        self.closed = True


@pytest.fixture
def place(tmp_path):
    """A folder with a model, and a film of 6 s in which a square of 20 pixels walks from left to right in 5 s."""
    shutil.copytree(shipped_model(), tmp_path / "model")
    with av.open(str(tmp_path / "walk.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for index in range(120):
            image = np.full((120, 160, 3), 60, np.uint8)
            left = round(index / 100 * 160) - 20
            if left < 160:
                image[50:70, max(0, left) : left + 20] = 230
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return tmp_path


def write(place, dwell=0.5, more=""):
    path = place / "watch.toml"
    path.write_text(CONFIG.format(dwell=dwell, more=more), encoding="utf-8")
    return path


def events(place):
    path = place / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def test_who_walks_through_is_an_event_with_pictures(place):
    """Times are those of the film, however fast it is worked on: in the zone from second 2.2 to 3.4."""
    with Watch(write(place, more=RECORDING), stages=Bright) as watch:
        assert watch.join(60)
        wait_for(lambda: len(events(place)) == 2)
        state = watch.state()
    start, end = events(place)
    assert (start["phase"], end["phase"], start["id"] == end["id"]) == ("start", "end", True)
    assert (start["rule"], start["source"], start["label"]) == ("middle", "walk", "airplane")
    assert end["data"]["duration_s"] == pytest.approx(40 / 32, abs=0.15)
    assert (place / "kept" / start["snapshot"]).stat().st_size > 500
    with av.open(str(place / "kept" / start["data"]["clip"])) as clip:
        seconds = [frame.time for frame in clip.decode(video=0)][-1]
    assert seconds == pytest.approx(0.5 + 40 / 32 + 0.5, abs=0.7)
    camera = state["cameras"]["walk"]
    assert (camera["received"], camera["results"], camera["events"]) == (120, 120, 2)
    assert state["spool"]["waiting"] == {"json-lines": 0} and state["sinks"]["json-lines"]["delivered"] == 2
    assert "age" not in camera["stages"]


def test_what_is_open_at_the_end_ends(place):
    with Watch(write(place, dwell=0.1), stages=Bright) as watch:
        wait_for(lambda: events(place))
        watch.stop()
    phases = [event["phase"] for event in events(place)]
    assert phases.count("start") == phases.count("end") == 1


def test_troubles_that_differ_in_names_and_numbers_alone_are_logged_once(place, monkeypatch):
    logger = logging.Logger("alone")  # other tests may have left the process's logging as they like
    handler = logging.handlers.BufferingHandler(1000)
    logger.addHandler(handler)
    monkeypatch.setattr("edgevision.pipeline.watching.logger", logger)
    with Watch(write(place), stages=Bright) as watch:
        for name in ("20260101T000000.000Z_a.mp4", "20260101T000001.000Z_b.mp4"):
            watch._told(Notice("error", "walk 2", f"{name} could not be recorded: No space left", 0.0))
        watch._told(Notice("error", "walk 2", "permission denied", 0.0))
    lines = [record.getMessage() for record in handler.buffer if record.levelname == "WARNING"]
    assert [line for line in lines if line.startswith("walk 2")] == [
        "walk 2: 20260101T000000.000Z_a.mp4 could not be recorded: No space left",
        "walk 2: permission denied",
    ]


def test_a_recording_that_cannot_be_read_is_a_failure(place, monkeypatch):
    monkeypatch.setattr("edgevision.pipeline.watching.Watch", functools.partial(Watch, stages=Bright))
    good = CliRunner().invoke(main, ["watch", str(write(place))])
    assert good.exit_code == 0 and "walk" in good.stdout, good.output
    (place / "walk.mkv").write_bytes(b"no film")
    bad = CliRunner().invoke(main, ["watch", str(write(place))])
    assert bad.exit_code == 1 and "walk: " in bad.output and "cannot be opened" in bad.output


def test_the_page_shows_it(place):
    pytest.importorskip("prometheus_client", reason="prometheus-client, of the extra camera")
    more = "[status]\nport = 0\n"
    with Watch(write(place, more=""), stages=Bright):
        pass
    path = place / "watch.toml"
    path.write_text(CONFIG.format(dwell=0.5, more="") + more, encoding="utf-8")
    with Watch(path, stages=Bright) as watch:
        assert watch.join(60)
        address = watch.status_url
        with urllib.request.urlopen(address + "state.json", timeout=5) as answer:
            assert json.load(answer)["cameras"]["walk"]["results"] == 120
        with urllib.request.urlopen(address + "live/walk.jpg", timeout=5) as answer:
            assert answer.read()[:2] == b"\xff\xd8"
        with urllib.request.urlopen(address + "metrics", timeout=5) as answer:
            assert 'edgevision_results_total{camera="walk"} 120.0' in answer.read().decode()


def slow(config):
    stage = Bright(config)
    infer = stage.infer
    stage.infer = lambda prepared: (time.sleep(0.03), infer(prepared))[1]
    return stage


def test_a_new_configuration_is_taken_over_and_a_bad_one_is_not(place):
    second = '[[cameras]]\nname = "{}"\nsource = "walk.mkv"\n'
    path = write(place, more=second.format("other"))
    with Watch(path, stages=slow) as watch:
        wait_for(lambda: watch.state()["cameras"]["walk"]["results"] >= 5)
        path.write_text(path.read_text().replace('kind = "zone"', 'kind = "zoo"'))
        with pytest.raises(ConfigError, match="zoo"):
            watch.reload()
        assert set(watch.state()["cameras"]) == {"walk", "other"}
        before = watch.state()["cameras"]["walk"]
        write(place, more=second.format("third"))
        watch.reload()
        state = watch.state()["cameras"]
        assert set(state) == {"walk", "third"} and state["walk"]["results"] >= before["results"]
        assert (state["walk"]["openings"], state["third"]["results"]) == (1, 0)
        path.write_text(path.read_text().replace("events.jsonl", "elsewhere.jsonl").replace("json_lines", "webhook"))
        with pytest.raises(ConfigError):
            watch.reload()


def test_another_model_is_verified_before_it_looks(place):
    shutil.copytree(place / "model", place / "better")
    path = write(place)
    seal(Artifact.open(place / "better"), open_dataset("sample", "train"))
    with Watch(path, stages=slow) as watch:
        wait_for(lambda: watch.state()["cameras"]["walk"]["results"] >= 3)
        path.write_text(path.read_text().replace('"model"', '"better"'))
        watch.reload()
        assert watch.state()["model"]["name"].endswith("better") and watch.state()["model"]["on_probation"]
    damage(place / "better" / "model.keras")
    path.write_text(path.read_text().replace('"better"', '"model"'))
    with Watch(path, stages=slow) as watch:
        path.write_text(path.read_text().replace('"model"', '"better"'))
        with pytest.raises(EdgeVisionError):
            watch.reload()
        assert watch.state()["model"]["name"].endswith("model")


def test_a_configuration_is_taken_over_as_a_whole_or_not_at_all(place):
    """What cannot be exchanged is named, and neither model nor cameras are others afterwards."""
    shutil.copytree(place / "model", place / "better")
    relabel(shutil.copytree(place / "model", place / "other"))
    path = write(place)
    text = path.read_text()
    with Watch(path, stages=slow) as watch:
        for before, after, said in (
            ("events.jsonl", "elsewhere.jsonl", "sinks changed; restart to change them; nothing was changed"),
            (
                'artifact = "model"',
                'artifact = "model"\nvariants = { small = "better" }',
                "variants of the model changed",
            ),
            ('artifact = "model"', 'artifact = "other"', "classes of the model, which rules go by, changed"),
        ):
            path.write_text(text.replace(before, after))
            with pytest.raises(ConfigError, match=said):
                watch.reload()
        path.write_text(text.replace('"model"', '"better"') + '[[cameras]]\nname = "gone"\nsource = "gone.avi"\n')
        with pytest.raises(EdgeVisionError, match="no such file or folder"):
            watch.reload()
        state = watch.state()
        assert set(state["cameras"]) == {"walk"} and state["model"] == {"name": "model", "on_probation": False}
    path.write_text(text.replace('artifact = "model"', 'artifact = "model"\nvariants = { small = "other" }'))
    with pytest.raises(ConfigError, match="small has other classes than the model"):
        Watch(path, stages=slow)


def relabel(artifact):
    """Let an artifact's classes stand in another order."""
    manifest = json.loads((artifact / "manifest.json").read_text())
    manifest["labels"].reverse()
    (artifact / "manifest.json").write_text(json.dumps(manifest))


def test_a_model_that_was_never_sealed_here_proves_nothing(place):
    shutil.copytree(place / "model", place / "unsealed")
    path = write(place)
    with Watch(path, stages=slow) as watch:
        path.write_text(path.read_text().replace('"model"', '"unsealed"'))
        with pytest.raises(InferenceError, match="got unproven; allowed: holds; look at it: edgevision verify"):
            watch.reload()


@pytest.mark.parametrize("setting", ["score_threshold = 0.4", "threads = 2", "answer_s = 9", "isolate = false"])
def test_other_settings_of_the_model_that_runs_need_no_proof_of_it(place, setting):
    path, asked = write(place), []

    def stages(config):
        asked.append(config)
        return slow(config)

    with Watch(path, stages=stages) as watch:
        path.write_text(path.read_text().replace('"model"', f'"model"\n{setting}'))
        watch.reload()
        assert watch.state()["model"]["on_probation"] and asked[-1] == watch.config.model != asked[0]


def test_what_a_new_threshold_makes_vain_is_told(place, caplog):
    path = write(place, more='[capture]\nfolder = "captured"')
    path.write_text(path.read_text().replace('"model"', '"model"\nscore_threshold = 0.3'))
    with Watch(path, stages=slow) as watch:
        assert "low_confidence" not in caplog.text
        path.write_text(path.read_text().replace("score_threshold = 0.3", ""))  # a classifier has 0.5
        watch.reload()
        assert "capture: no frame is low_confidence (0.3 to 0.5), since the model finds nothing" in caplog.text


def test_a_model_that_was_put_where_the_old_one_was_is_another(place):
    path = write(place)
    with Watch(path, stages=slow) as watch:
        watch.reload()  # as it was
        with zipfile.ZipFile(place / "model" / "model.keras", "a") as archive:
            archive.comment = b"other bytes"
        renew(place / "model")
        with pytest.raises(InferenceError, match="got unproven; allowed: holds"):
            watch.reload()


def renew(artifact):
    """Let an artifact's manifest have its model file as it is."""
    manifest, content = json.loads((artifact / "manifest.json").read_text()), (artifact / "model.keras").read_bytes()
    (entry,) = [one for one in manifest["files"] if one["name"] == "model.keras"]
    entry.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    (artifact / "manifest.json").write_text(json.dumps(manifest))


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def test_the_command(place):
    """It checks what it is given, and a typo is named."""

    def run(*arguments):
        command = [sys.executable, "-m", "edgevision", "watch", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    done = run(write(place), "--check")
    assert done.returncode == 0 and "cameras: walk; second stages: none; sinks: json-lines" in done.stdout, done.stderr
    path = write(place)
    path.write_text(path.read_text().replace("dwell_s", "dwel_s"))
    done = run(path)
    assert done.returncode == 2 and "did you mean dwell_s" in done.stderr
    done = run(place / "nothing.toml")
    assert done.returncode == 2 and "cannot be read" in done.stderr


def test_the_command_counts_what_ends_with_it(place):
    """Whoever is in the zone when the recording ends: the end of the event is counted too, and delivered."""
    path = write(place)
    text = path.read_text().replace("[[60, 0], [100, 0], [100, 120], [60, 120]]", "[[0, 0], [160, 0], [160, 120]]")
    path.write_text(text)
    with Watch(path, stages=Bright) as watch:
        assert watch.join(30)
    state = watch.state()
    assert events(place)[-1]["phase"] == "end"
    assert state["cameras"]["walk"]["events"] == state["sinks"]["json-lines"]["delivered"] == len(events(place))
    assert state["spool"]["waiting"] == {"json-lines": 0}


@pytest.mark.slow
def test_people_on_a_real_film_and_a_signal(shared_data, tmp_path):
    """YOLOX-nano watches the start of vtest.avi; SIGHUP reads the configuration anew, SIGTERM ends it in order."""
    command = [sys.executable, "-m", "edgevision"]
    model = shared_data / "models" / "detection" / "yolox_nano_coco.onnx"
    adopt = ["adopt", model, "--out", tmp_path / "yolox", "--task", "detection", "--decoder", "yolox"]
    adopt += ["--labels", "coco", "--layout", "NCHW"]
    subprocess.run([*command, *map(str, adopt)], check=True, capture_output=True, timeout=120)
    film = shared_data / "video" / "vtest.avi"
    path = tmp_path / "watch.toml"
    path.write_text(
        f'schema = 1\n[model]\nartifact = "yolox"\n[[cameras]]\nname = "yard"\nsource = "{film}"\n'
        '[[cameras.rules]]\nkind = "zone"\nname = "path"\npoints = [[0, 200], [768, 200], [768, 576], [0, 576]]\n'
        'classes = "person"\ndwell_s = 0.5\n[[sinks]]\nkind = "json_lines"\npath = "events.jsonl"\n'
    )
    process = subprocess.Popen(
        [*command, "watch", str(path), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: len(events(tmp_path)) >= 3, 120)
        process.send_signal(signal.SIGHUP)
        time.sleep(1.5)
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "the configuration was read anew" in err
    state = json.loads(out)
    assert state["cameras"]["yard"]["results"] > 10
    found = events(tmp_path)
    opened = {event["id"] for event in found if event["phase"] == "start"}
    assert opened == {event["id"] for event in found if event["phase"] == "end"}
    assert len({event["message_id"] for event in found}) == len(found)
