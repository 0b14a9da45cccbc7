"""The printed example is a configuration as it stands; with all its lines taken in, it has every key there is."""

import re
from importlib.resources import files

import pytest

from edgevision.pipeline.capture import CaptureSettings, DriftSettings
from edgevision.pipeline.config import WatchConfig
from edgevision.pipeline.config.table import Table

EXAMPLE = files("edgevision.pipeline.config").joinpath("example.toml").read_text(encoding="utf-8")
WHOLE = re.sub(r"^# (?=[\[\w])", "", EXAMPLE, flags=re.MULTILINE)
WHOLE = WHOLE.replace("https://", "http://")  # whose context would be made at once, of a file that is not there


@pytest.fixture
def read(tmp_path, monkeypatch):
    for name in re.findall(r'"env:(\w+)"', EXAMPLE):
        monkeypatch.setenv(name, "s3cret")

    def read(text):
        path = tmp_path / "watch.toml"
        path.write_text(text, encoding="utf-8")
        return WatchConfig.read(path, lambda model: ("person", "car"), lambda stage: ("stop", "Ada"))

    return read


def test_the_example_makes_sense_as_it_is_printed(read):
    config = read(EXAMPLE)
    assert [camera.name for camera in config.cameras] == ["gate"]
    assert config.recording is None and config.status is None


def test_the_whole_example_has_every_key_that_a_table_may_have(read, monkeypatch):
    lacking = {}
    finish = Table.finish

    def finished(table):
        lacking[table.what] = set(table._asked) - set(table.data)
        finish(table)

    monkeypatch.setattr(Table, "finish", finished)
    config = read(WHOLE)

    assert len(config.cameras[0].rules()) == 7
    assert len(config.sinks) == 3 and len(config.second_stages) == 2
    assert {what: keys for what, keys in lacking.items() if keys} == {}


def test_a_setting_that_is_off_shows_its_default(read):
    """Taking in the tables of numbers changes nothing but that they are there."""
    plain, whole = read(EXAMPLE).cameras[0], read(WHOLE).cameras[0]
    assert whole.timeouts == plain.timeouts
    assert whole.tracker == plain.tracker
    assert (whole.degradation.down_share, whole.degradation.up_s) == (
        plain.degradation.down_share,
        plain.degradation.up_s,
    )
    assert whole.motion == type(whole.motion)()
    recording, capture = read(WHOLE).recording, read(WHOLE).capture
    assert capture == CaptureSettings(capture.folder, drift=DriftSettings())
    assert recording is not None and recording.clips == type(recording.clips)()
