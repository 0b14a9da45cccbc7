"""`edgevision watch --check`: what would fail once it runs, told before; also while it runs."""

import os
import re
import shutil
import socket
import sys

import pytest

from edgevision.errors import (
    BackendUnavailableError,
    ConfigError,
    EdgeVisionError,
    InferenceError,
    OutputError,
    SourceError,
)
from edgevision.pipeline.checking import check
from edgevision.pipeline.config import ModelConfig
from edgevision.pipeline.events import Spool
from edgevision.pipeline.stages import check_artifact
from edgevision.shipped import shipped_model

pytest.importorskip("av", reason="PyAV, of the extra camera, is not installed")
pytest.importorskip("paho.mqtt.client", reason="paho-mqtt, of the extra camera, is not installed")

CONFIG = """
schema = 1
[model]
artifact = "model"
[[cameras]]
name = "walk"
source = "walk.mkv"
[[sinks]]
kind = "json_lines"
path = "{events}"
[spool]
path = "{spool}"
[recording]
folder = "{recorded}"
"""


class Model:
    def __init__(self, config):
        pass

    def close(self):
        """Nothing is held."""


@pytest.fixture
def write(tmp_path):
    shutil.copytree(shipped_model(), tmp_path / "model")
    (tmp_path / "walk.mkv").write_bytes(b"")

    def write(more="", **places):
        names = {"events": "events.jsonl", "spool": "spool.sqlite", "recorded": "recorded", **places}
        (tmp_path / "watch.toml").write_text(CONFIG.format(**names) + more)
        return tmp_path / "watch.toml"

    return write


def test_what_is_well_leaves_nothing_behind(write, tmp_path):
    before = set(os.listdir(tmp_path)) | {"watch.toml"}
    found = check(write("[status]\nport = 0\n"), stages=Model)
    assert found.notes == () and [camera.name for camera in found.config.cameras] == ["walk"]
    assert set(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"events": "spool.sqlite"}, "spool and sink json-lines have one place"),
        ({"events": "./x/../spool.sqlite-wal"}, "spool and sink json-lines have one place"),
        ({"recorded": "events.jsonl"}, "sink json-lines and recording have one place"),
        ({"recorded": "spool.sqlite.lock"}, "spool and recording have one place"),
    ],
)  # fmt: skip
def test_two_that_would_write_one_file(write, places, said):
    with pytest.raises(ConfigError, match=said):
        check(write(**places), stages=Model)


def test_a_recording_that_is_not_there(write, tmp_path):
    (tmp_path / "walk.mkv").unlink()
    with pytest.raises(SourceError, match=r"no such file or folder: got .*walk\.mkv"):
        check(write(), stages=Model)


def test_two_sinks_for_one_file_or_with_one_name_at_a_broker(write):
    second = '[[sinks]]\nkind = "json_lines"\nname = "again"\npath = "events.jsonl"\n'
    with pytest.raises(ConfigError, match="sink json-lines and sink again have one place"):
        check(write(second), stages=Model)
    broker = '[[sinks]]\nkind = "mqtt"\nname = "{}"\nhost = "broker"\n'
    with pytest.raises(ConfigError, match="sinks a and b have one client_id"):
        check(write(broker.format("a") + broker.format("b")), stages=Model)


def test_places_that_cannot_be_written_to(write, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"file/recorded cannot be written to: .*is no folder; free space"):
        check(write(recorded="file/recorded"), stages=Model)
    with pytest.raises(OutputError, match=r"aaa cannot be written to: .*File name too long.*name another place"):
        check(write(recorded="/".join(["a" * 200] * 25)), stages=Model)


@pytest.mark.parametrize(
    ("source", "package", "said"),
    [
        ("rtsp://10.0.0.7/1", "av", r"cameras\.walk: .*av.* is not installed"),
        ("replay:walk.mkv", "av", r"cameras\.walk: .*av.* is not installed"),
        ("gst:videotestsrc", "gi", r"cameras\.walk: GStreamer's Python binding is not here"),
        ("libcamera:0", "picamera2", r"cameras\.walk: picamera2 is not here"),
    ],
)
def test_software_that_a_camera_needs_and_is_not_here(write, monkeypatch, source, package, said):
    monkeypatch.setitem(sys.modules, package, None)
    path = write()
    path.write_text(path.read_text().replace('source = "walk.mkv"', f'source = "{source}"'))
    with pytest.raises(BackendUnavailableError, match=said):
        check(path, stages=Model)


@pytest.mark.parametrize(
    ("more", "package"),
    [
        ('[[sinks]]\nkind = "mqtt"\nhost = "broker"\n', "paho.mqtt.client"),
        ("[recording.clips]\n", "av"),
    ],
)
def test_software_that_a_sink_or_clips_need_and_is_not_here(write, monkeypatch, tmp_path, more, package):
    path = write(more)
    (tmp_path / "images").mkdir()
    path.write_text(path.read_text().replace('source = "walk.mkv"', 'source = "images"'))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendUnavailableError, match=r"pip install"):
        check(path, stages=Model)


def test_a_spool_that_is_a_folder(write, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=r"spool .*folder is a folder; name a file"):
        check(write(spool="folder"), stages=Model)


def test_a_disk_that_is_full(write, small_disk, fill):
    fill(small_disk / "filler")
    with pytest.raises(OutputError, match="No space left on device; free space"):
        check(write(recorded=str(small_disk / "recorded")), stages=Model)


def test_certificates_that_are_none(write, tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    tls = '[[sinks]]\nkind = "mqtt"\nhost = "broker"\n[sinks.tls]\nca_file = "{}.pem"\n'
    for name in ("ca", "missing"):
        with pytest.raises(ConfigError, match=rf"mqtt: tls: .*{name}\.pem"):
            check(write(tls.format(name)), stages=Model)


def test_a_port_that_is_taken_unless_it_runs_now(write, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = write(f"[status]\nport = {taken.getsockname()[1]}\n")
        with pytest.raises(ConfigError, match=r"status page: .*in use.*name a host"):
            check(path, stages=Model)
        with Spool(tmp_path / "spool.sqlite", ["json-lines"]):
            (note,) = check(path, stages=Model).notes
        assert "runs now" in note


def test_a_classifier_finds_nothing_of_which_it_is_as_unsure_as_capture_wants_it(write, tmp_path):
    (note,) = check(write('[capture]\nfolder = "captured"\n'), stages=Model).notes
    assert re.match(r"capture: no frame is low_confidence \(0.3 to 0.5\), .* under 0.5; lower its score_thr", note)
    assert check(write('[capture]\nfolder = "captured"\nlow_confidence = [0.5, 0.7]\n'), stages=Model).notes == ()
    path = write('[capture]\nfolder = "captured"\n')
    path.write_text(path.read_text().replace('artifact = "model"', 'artifact = "model"\nscore_threshold = 0.3'))
    assert check(path, stages=Model).notes == ()


@pytest.mark.parametrize("status", ['host = "0.0.0.0"', 'token = "env:SHORT"'])
def test_a_page_without_a_token_that_it_needs(write, monkeypatch, status):
    monkeypatch.setenv("SHORT", "short")
    with pytest.raises(ConfigError, match=r"status page: .*token"):
        check(write(f"[status]\nport = 0\n{status}\n"), stages=Model)


def test_a_model_that_does_not_load(write):
    def broken(config):
        raise EdgeVisionError("it does not load")

    with pytest.raises(EdgeVisionError, match="it does not load"):
        check(write(), stages=broken)


def test_a_model_is_verified_with_edgevision_s_modules_whatever_lies_in_the_folder(tmp_path, monkeypatch):
    (tmp_path / "click.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InferenceError, match="got unproven"):  # a Keras model, sealed for no runtime
        check_artifact(ModelConfig(shipped_model()))
