"""Profiles: those that come with edgevision are whole, and those of users are read strictly."""

import pytest

from edgevision.devices.profile import FOLDER, load_profile, profile_here, profile_names, read_profile
from edgevision.errors import ConfigError, DeviceNotFoundError

WHOLE = """schema = 1
title = "A board"
kind = "board"
[facts]
ram_bytes = { value = 1000, source = "its data sheet" }
[[ways]]
runtime = "tflite"
format = "tflite"
rules = "tflite"
target = "cpu"
source = "its wheels"
"""


def test_there_are_more_than_twenty():
    assert len(profile_names()) >= 20
    assert {path.stem for path in FOLDER.iterdir()} == set(profile_names())


@pytest.mark.parametrize("name", profile_names())
def test_every_fact_and_way_has_a_source(name):
    profile = load_profile(name)
    assert all(len(fact.source) > 8 for fact in profile.facts.values() if fact.source != "by definition")
    assert all(len(way.source) > 8 for way in profile.ways)


def test_a_profile_by_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(WHOLE)
    profile = load_profile(path)
    assert (profile.name, profile.get("ram_bytes"), profile.get("flash_bytes")) == ("mine", 1000, None)


def test_unknown_names_list_the_near_ones():
    with pytest.raises(DeviceNotFoundError, match=r"raspberry-pi-4.*raspberry-pi-"):
        load_profile("rasperry-pi4")
    with pytest.raises(DeviceNotFoundError, match="no such profile"):
        load_profile("/nowhere/x.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("schema = 1", "schema = 9", "newer"),
        ('kind = "board"', 'kind = "toaster"', "kind"),
        ("ram_bytes", "rom_bytes", "fact"),
        (', source = "its data sheet"', "", "source"),
        ('"its data sheet"', '" "', "no source"),
        ("value = 1000", 'value = "much"', "ram_bytes"),
        ('rules = "tflite"', 'rules = "tflit"', "did you mean tflite"),
        ('target = "cpu"\n', "", "target"),
        ('title = "A board"', 'title = "A board', "cannot be read"),
    ],
)
def test_what_a_profile_must_not_say(tmp_path, old, new, said):
    path = tmp_path / "mine.toml"
    path.write_text(WHOLE.replace(old, new))
    with pytest.raises(ConfigError, match=said):
        read_profile(path)


def test_this_machine():
    profile = profile_here()
    assert profile.get("ram_bytes") > 0 and profile.get("python")
    assert {way.format for way in profile.ways} == {"tflite", "onnx", "openvino"}
