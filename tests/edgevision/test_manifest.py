import copy
import json

import pytest

from edgevision.errors import ArtifactError, ConfigError
from edgevision.manifest import SCHEMA, FileEntry, Manifest, check_file_name

FILE = FileEntry("model.tflite", "a" * 64, 10)


@pytest.fixture
def manifest(facts) -> Manifest:
    return Manifest(files=(FILE,), **facts)


def test_json_round_trip(manifest):
    assert Manifest.from_json(manifest.to_json()) == manifest
    least = Manifest("tflite", "bare", (FILE,))
    assert Manifest.from_json(least.to_json()) == least


def test_the_same_facts_give_the_same_bytes(manifest, facts):
    again = Manifest(**dict(reversed(facts.items())), files=(FILE,))
    assert again.to_json() == manifest.to_json()
    assert list(json.loads(manifest.to_json())) == sorted(json.loads(manifest.to_json()))


def test_newer_and_missing_schemas_are_refused(manifest):
    with pytest.raises(ArtifactError, match=f"newer edgevision: got schema {SCHEMA + 1}; .*upgrade"):
        Manifest.from_dict({**manifest.to_dict(), "schema": SCHEMA + 1})
    with pytest.raises(ArtifactError, match="no schema number"):
        Manifest.from_dict({"format": "tflite"})


def test_unknown_keys_are_refused_by_name_at_every_level(manifest):
    document = manifest.to_dict()
    with pytest.raises(ArtifactError, match=r"unknown key: got lables; .*did you mean labels"):
        Manifest.from_dict({**document, "lables": []})
    for path in (("inputs", 0), ("inputs", 0, "quant"), ("files", 0), ("lineage", 0), ("preprocessing",)):
        changed = copy.deepcopy(document)
        place = changed
        for key in path:
            place = place[key]
        place["surprise"] = 1
        with pytest.raises(ArtifactError, match="unknown key: got surprise"):
            Manifest.from_dict(changed)


@pytest.mark.parametrize("key", [
    "format", "name", "files", "task", "labels", "inputs", "outputs", "preprocessing", "decoding", "scheme",
    "source_sha256", "lineage", "metrics", "runtimes", "golden",
])  # fmt: skip
@pytest.mark.parametrize("value", [7, True, "text", [1], {"a": 1}, [[None]], [{"a": 1}]])
def test_values_of_the_wrong_kind_never_leak_another_error(manifest, key, value):
    try:
        Manifest.from_dict({**manifest.to_dict(), key: value})
    except ArtifactError as exc:
        assert "\n" not in str(exc)
    else:
        assert (key, type(value)) in {
            *((key, dict) for key in ("decoding", "metrics", "runtimes", "golden")),
            *((key, str) for key in ("name", "task", "scheme", "source_sha256")),
        }


@pytest.mark.parametrize("text", ["", "{", "[1,", b"\xff\xfe", '{"schema": NaN}', "[" * 100_000])
def test_text_that_is_not_json(text):
    with pytest.raises(ArtifactError, match="not JSON"):
        Manifest.from_json(text)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/./b",
        "a//b",
        "a\\b",
        "C:x",
        "a\nb",
        "a\0",
        "manifest.json",
        7,
        None,
    ],
)
def test_names_that_leave_the_artifact_are_refused(name):
    with pytest.raises(ConfigError, match="leaves the artifact"):
        check_file_name(name)


def test_plain_names_are_fine():
    for name in ("model.tflite", "golden/000.png", "golden/expected/tflite_0.npy", ".hidden", "a b.xml"):
        check_file_name(name)


def test_files_are_listed_once_and_there_is_a_model():
    for files in ((), (FILE, FILE)):
        with pytest.raises(ConfigError, match="files, each listed once"):
            Manifest("tflite", "x", files)
    with pytest.raises(ConfigError, match="sha256"):
        FileEntry("model.tflite", "A" * 64, 1)
    with pytest.raises(ConfigError, match="bytes"):
        FileEntry("model.tflite", "a" * 64, -1)


def test_measurements_that_json_does_not_have_are_refused():
    with pytest.raises(ConfigError, match="JSON"):
        Manifest("tflite", "x", (FILE,), metrics={"top1": float("nan")}).to_json()
    with pytest.raises(ConfigError, match="JSON"):
        Manifest("tflite", "x", (FILE,), metrics={"top1": object()}).to_json()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("lineage", [{"step": 3}], "a step of the lineage is a text"),
        ("lineage", [{"step": "train", "tools": []}], "tools of step train is a mapping"),
        ("golden", {"samples": 3}, "samples of golden is a list"),
        ("runtimes", {"tflite": 3}, "what was measured on tflite is a mapping"),
    ],
)
def test_what_is_inside_is_of_the_right_kind_too(manifest, key, value, says):
    with pytest.raises(ArtifactError, match=says):
        Manifest.from_dict({**manifest.to_dict(), key: value})
