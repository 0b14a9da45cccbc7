import json
import os
import shutil
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgevision.artifact import Artifact, write_artifact
from edgevision.errors import ArtifactError, ConfigError
from edgevision.golden import Golden
from edgevision.preprocessing import Preprocessing


def test_what_was_written_is_what_opens(artifact, golden, tflite_bytes):
    opened = Artifact.open(artifact.path)
    assert opened == artifact
    assert opened == Artifact.open(str(artifact.path / "manifest.json"))
    assert opened.model_file.read_bytes() == tflite_bytes
    assert opened.bytes == len(tflite_bytes)
    assert opened.deflated_bytes == len(zlib.compress(tflite_bytes, 9))
    assert len(opened.files) == 1 + 1 + 3 + 1 + 1
    assert opened.manifest.labels == ("cat", "dog")
    kept = opened.golden()
    assert kept is not None
    np.testing.assert_array_equal(kept.expected["tflite"][0], golden.expected["tflite"][0])


def test_the_same_artifact_twice_has_the_same_bytes(artifact, facts, golden, tmp_path, tflite_bytes):
    files = {"model.tflite": tflite_bytes, "history.json": b"{}"}
    again = write_artifact(tmp_path / "again", facts, files, golden)
    for one, two in zip(artifact.files, again.files, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert (again.path / "manifest.json").read_bytes() == (artifact.path / "manifest.json").read_bytes()


def test_openvino_counts_both_files_and_copies_from_paths(tmp_path, facts):
    (tmp_path / "a.xml").write_text("<net></net>")
    (tmp_path / "a.bin").write_bytes(bytes(100))
    files = {"model.xml": tmp_path / "a.xml", "model.bin": tmp_path / "a.bin", "notes.txt": b"x"}
    artifact = write_artifact(tmp_path / "out", {**facts, "format": "openvino"}, files)
    assert artifact.model_file.name == "model.xml"
    assert [path.name for path in artifact.model_files] == ["model.xml", "model.bin"]
    assert artifact.bytes == 111
    assert artifact.golden() is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "manifest.json").unlink(), "a directory without manifest.json"),
        (lambda root: (root / "manifest.json").write_text("{"), "manifest is not JSON"),
        (lambda root: (root / "manifest.json").write_bytes(b"\xff"), "manifest is not JSON"),
        (lambda root: edit(root, schema=99), "newer edgevision: got schema 99"),
        (lambda root: edit(root, extra=1), "unknown key: got extra"),
        (lambda root: (root / "model.tflite").unlink(), r"model\.tflite: missing"),
        (lambda root: (root / "golden" / "001.png").unlink(), r"001\.png: missing"),
        (lambda root: os.truncate(root / "model.tflite", 20), "cut off or changed: got 20 bytes; allowed: 24 bytes"),
        (lambda root: flip(root / "model.tflite"), "changed since it was made: got sha256"),
        (lambda root: flip(root / "golden" / "000.png"), "changed since it was made"),
        (lambda root: relist(root, "../model.tflite"), "leaves the artifact"),
        (lambda root: relist(root, "/etc/hostname"), "leaves the artifact"),
        (lambda root: link_out(root), "a link that leaves the artifact"),
        (lambda root: edit(root, format="openvino"), "not a model of the stated format: got tflite; allowed: openvino"),
    ],
)
def test_each_damage_has_its_own_line(artifact, damage, message):
    damage(artifact.path)
    with pytest.raises(ArtifactError, match=message) as caught:
        Artifact.open(artifact.path)
    assert str(artifact.path) in str(caught.value)
    assert "\n" not in str(caught.value)


def edit(root, **changes):
    document = json.loads((root / "manifest.json").read_text())
    (root / "manifest.json").write_text(json.dumps({**document, **changes}))


def relist(root, name):
    document = json.loads((root / "manifest.json").read_text())
    document["files"][0]["name"] = name
    (root / "manifest.json").write_text(json.dumps(document))


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def link_out(root):
    shutil.move(root / "model.tflite", root.parent / "elsewhere.tflite")
    (root / "model.tflite").symlink_to(root.parent / "elsewhere.tflite")


def test_hashes_can_be_left_unchecked_but_not_sizes(artifact):
    flip(artifact.path / "history.json")
    Artifact.open(artifact.path, check_hashes=False)
    (artifact.path / "history.json").write_text("longer")
    with pytest.raises(ArtifactError, match="cut off or changed"):
        Artifact.open(artifact.path, check_hashes=False)


def test_things_that_are_no_artifact(tmp_path, tflite_bytes):
    (tmp_path / "model.tflite").write_bytes(tflite_bytes)
    with pytest.raises(ArtifactError, match="no such artifact"):
        Artifact.open(tmp_path / "none")
    with pytest.raises(ArtifactError, match="no such artifact"):
        Artifact.open(tmp_path / "none" / "manifest.json")
    with pytest.raises(ArtifactError, match="without manifest"):
        Artifact.open(tmp_path)
    with pytest.raises(ArtifactError, match="edgevision adopt"):
        Artifact.open(tmp_path / "model.tflite")
    with pytest.raises(ArtifactError, match="no such artifact"):
        Artifact.open("a\0b")


def test_nothing_is_written_when_something_is_wrong(tmp_path, facts, tflite_bytes):
    out = tmp_path / "out"
    cases = [
        (facts, {"model.tflite": b"hello world"}, ArtifactError),
        (facts, {"history.json": b"{}", "model.tflite": tflite_bytes}, ArtifactError),
        (facts, {"../model.tflite": tflite_bytes}, ConfigError),
        ({**facts, "format": "tf-lite"}, {"model.tflite": tflite_bytes}, ConfigError),
        ({**facts, "metrics": {"x": float("nan")}}, {"model.tflite": tflite_bytes}, ConfigError),
        ({**facts, "golden": {}}, {"model.tflite": tflite_bytes}, ConfigError),
    ]
    for fields, files, error in cases:
        with pytest.raises(error):
            write_artifact(out, fields, files)
        assert os.listdir(tmp_path) == []


def test_an_artifact_is_replaced_only_when_told_so(artifact, facts, tflite_bytes):
    with pytest.raises(ConfigError, match="--overwrite"):
        write_artifact(artifact.path, facts, {"model.tflite": tflite_bytes})
    replaced = write_artifact(artifact.path, {**facts, "name": "two"}, {"model.tflite": tflite_bytes}, overwrite=True)
    assert Artifact.open(artifact.path) == replaced
    assert sorted(os.listdir(artifact.path)) == ["manifest.json", "model.tflite"]


def test_update_rewrites_the_manifest_alone(artifact):
    changed = artifact.update(runtimes={"tflite": {"p50_ms": 1.5}})
    assert changed.manifest.runtimes == {"tflite": {"p50_ms": 1.5}}
    assert Artifact.open(artifact.path) == changed
    with pytest.raises(ConfigError, match="lables"):
        artifact.update(lables=())
    with pytest.raises(ConfigError, match="one by one"):
        artifact.update(files=())


def test_update_can_replace_the_golden_samples(artifact, golden):
    outputs = (np.zeros((1, 2), np.float32),)
    one = Golden(golden.samples[:1], (0,), ("synthetic",), outputs, {"tflite": outputs, "openvino": outputs})
    changed = artifact.update(golden=one, metrics={})
    opened = Artifact.open(artifact.path)
    assert opened == changed
    assert set(opened.golden().expected) == {"tflite", "openvino"}
    names = [entry.name for entry in opened.manifest.files]
    assert names[:2] == ["model.tflite", "history.json"]
    assert "golden/001.png" not in names


def test_describe_says_only_what_is_known(tmp_path, tflite_bytes):
    (tmp_path / "someones.model").write_bytes(tflite_bytes)
    artifact = Artifact.describe(tmp_path / "someones.model")
    assert artifact.manifest.format == "tflite"
    assert artifact.manifest.name == "someones"
    assert (artifact.manifest.labels, artifact.manifest.preprocessing, artifact.manifest.task) == (None, None, None)
    assert artifact.model_file == tmp_path / "someones.model"
    with pytest.raises(ConfigError, match="adopt"):
        artifact.update(task="classification")
    told = Artifact.describe(tmp_path / "someones.model", preprocessing=Preprocessing(8, 8), labels=["a"], task="t")
    assert told.manifest.labels == ("a",)


def test_describe_brings_the_weights_of_an_ir(tmp_path):
    (tmp_path / "m.xml").write_text("<net></net>")
    with pytest.raises(ArtifactError, match="no weights beside it"):
        Artifact.describe(tmp_path / "m.xml")
    (tmp_path / "m.bin").write_bytes(bytes(9))
    assert Artifact.describe(tmp_path / "m.xml").bytes == 20


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("../../etc/passwd")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=4,
)


def places(node, path=()):
    """Every path into a JSON document."""
    yield path
    for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield from places(node[key], (*path, key))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_manifest_whatever_makes_anything_but_an_artifact_error(artifact, data):
    document = artifact.manifest.to_dict()
    *path, last = data.draw(st.sampled_from([place for place in places(document) if place]))
    node = document
    for key in path:
        node = node[key]
    node[last] = data.draw(JUNK)
    text = json.dumps(document)
    manifest = artifact.path / "manifest.json"
    whole = manifest.read_bytes()
    try:
        manifest.write_text(text)
        Artifact.open(artifact.path).golden()
    except ArtifactError as exc:
        assert str(exc)
    finally:
        manifest.write_bytes(whole)
