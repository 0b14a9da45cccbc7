"""What a user gets wrong: one or two lines that say what, got, allowed and what to do; nothing half-written."""

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgevision.artifact import Artifact


def refused(result, *says, status=1):
    """Check that a command ended with one or two lines on standard error that say each of `says`."""
    assert result.exit_code == status, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("edgevision: error: ") and len(result.stderr.splitlines()) <= 2, result.stderr
    assert "Traceback" not in result.stderr and "this is a bug" not in result.stderr
    for text in says:
        assert text in result.stderr


@pytest.fixture
def copy(artifact, tmp_path) -> Artifact:
    """An artifact that a test may damage."""
    shutil.copytree(artifact.path, tmp_path / "copy")
    return Artifact.open(tmp_path / "copy")


# Models


def test_truncated_model_in_an_artifact(run, copy, images):
    copy.model_file.write_bytes(copy.model_file.read_bytes()[:-100])
    refused(run("predict", copy.path, images), "colors.tflite: cut off or changed", f"allowed: {copy.bytes} bytes")


def test_changed_model_in_an_artifact(run, copy, images):
    content = bytearray(copy.model_file.read_bytes())
    content[-10] ^= 1
    copy.model_file.write_bytes(content)
    refused(run("predict", copy.path, images), "colors.tflite: changed since it was made")


def test_damaged_manifest(run, copy, images):
    manifest = copy.path / "manifest.json"
    manifest.write_text(manifest.read_text()[:-40])
    refused(run("predict", copy.path, images), "manifest is not JSON")


@pytest.mark.parametrize("kept", [0, 10, 30, 500, -500])
@pytest.mark.parametrize("command", ["adopt", "inspect", "predict"])
def test_truncated_bare_model(run, command, tflite_file, images, tmp_path, kept):
    content = tflite_file.read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[: kept if kept >= 0 else len(content) + kept])
    rest = {"adopt": ["--out", tmp_path / "out"], "inspect": [], "predict": [images]}[command]
    result = run(command, tmp_path / "cut.tflite", *rest)
    if (command, kept) == ("inspect", -500) or (command, kept) == ("inspect", 500):
        assert result.exit_code in (0, 1)  # its head is whole, and inspect does not read the rest
    else:
        refused(result)
    assert [path.name for path in tmp_path.iterdir()] == ["cut.tflite"]


def test_wrong_file_as_a_model(run, images, tmp_path):
    (tmp_path / "notes.tflite").write_text("not a model")
    refused(run("inspect", tmp_path / "notes.tflite"), "not a model file", "TFLite (.tflite)")
    refused(run("inspect", images / "red/00.png"), "not a model file")
    refused(run("predict", images, images), "not an artifact", "a directory without manifest.json")
    refused(run("predict", tmp_path / "absent", images), "no such artifact")


# Images


def test_an_image_that_is_not_one(run, artifact, tmp_path):
    (tmp_path / "a.png").write_text("text")
    refused(run("predict", artifact.path, tmp_path / "a.png"), "a.png: not an image that can be read", "PNG, JPEG")


def test_a_truncated_image(run, artifact, images, tmp_path):
    (tmp_path / "a.png").write_bytes((images / "red/00.png").read_bytes()[:100])
    refused(run("predict", artifact.path, tmp_path / "a.png"), "a.png: damaged image")


def test_no_image(run, artifact, tmp_path):
    refused(run("predict", artifact.path, tmp_path / "a.png"), "a.png: no such file")
    refused(run("predict", artifact.path, tmp_path), "no images in this folder")
    refused(run("predict", artifact.path), "missing argument 'IMAGES", status=2)
    refused(run("predict", artifact.path, "-", input=b""), "image")


# Shapes and dtypes


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [("shape", [1, 9, 9, 3], "[1, 9, 9, 3]"), ("dtype", "int8", "int8")],
)
def test_a_manifest_that_the_model_contradicts(run, copy, images, key, value, says):
    manifest = copy.manifest.to_dict()
    manifest["inputs"][0][key] = value
    changed = type(copy.manifest).from_dict(manifest)
    copy.update(inputs=changed.inputs)
    refused(run("predict", copy.path, images), "disagree", says)


def test_labels_that_are_too_few(run, copy, images):
    copy.update(labels=("red", "green"))
    refused(run("predict", copy.path, images), "as many labels as classes: got 2 labels, 3 classes")


# Datasets


def test_missing_or_empty_dataset(run, artifact, tmp_path):
    refused(run("evaluate", artifact.path, "--data", tmp_path / "absent"), "no dataset at")
    refused(run("evaluate", artifact.path, "--data", tmp_path))
    (tmp_path / "red").mkdir()
    refused(run("evaluate", artifact.path, "--data", tmp_path))
    refused(run("evaluate", artifact.path), "missing option '--data'", status=2)


def test_a_dataset_of_other_classes(run, artifact, images, tmp_path):
    shutil.copytree(images / "red", tmp_path / "cat")
    refused(run("evaluate", artifact.path, "--data", tmp_path), "a class that the model does not know: got cat")


def test_a_dataset_with_a_damaged_image(run, artifact, images, tmp_path):
    shutil.copytree(images, tmp_path / "images")
    (tmp_path / "images/red/05.png").write_bytes(b"\x89PNG")
    refused(run("evaluate", artifact.path, "--data", tmp_path / "images"), "05.png")


def test_more_images_than_there_are(run, artifact, images):
    refused(run("evaluate", artifact.path, "--data", images, "--count", 1000), "too few images")


# Options


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--runtime", "tflit"], 2, "runtime: got tflit; allowed: tflite"),
        (["--runtime", "openvino"], 1, "runtime openvino does not run the format tflite"),
        (["--device", "gpuu"], 1, "did you mean gpu?"),
        (["--device", "gpu"], 1, "gpu"),
        (["--threads", "none"], 2, "got none; allowed: 1 or more, or all"),
        (["--threads", "²"], 2, "allowed: 1 or more, or all"),
        (["--threads", "999999999"], 2, "option threads: got 999999999; allowed: 1 to 1024"),
        (["--top", "0"], 2, "--top"),
        (["--tops", "1"], 2, "--top"),
    ],
)
def test_unknown_values(run, artifact, images, options, status, says):
    refused(run("predict", artifact.path, images, *options), says, status=status)


# The machine


def without_root_s_privilege() -> None:
    """In the child: let file permissions hold for root, too (PR_CAPBSET_DROP of DAC_OVERRIDE and DAC_READ_SEARCH)."""
    for capability in (1, 2):
        if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0):
            os._exit(77)


def test_no_permission_to_write(process, tflite_file, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    done = process("adopt", tflite_file, "--out", folder / "m", preexec_fn=without_root_s_privilege)
    if done.exit_code == 77:
        pytest.skip("root that may not give up its privilege: permissions do not hold")
    refused(done, "cannot write", "no permission", "nothing was written")
    assert list(folder.iterdir()) == []


def test_no_permission_to_read(process, copy, images):
    (copy.path / "manifest.json").chmod(0)
    done = process("predict", copy.path, images, preexec_fn=without_root_s_privilege)
    if done.exit_code == 77:
        pytest.skip("root that may not give up its privilege: permissions do not hold")
    refused(done, "manifest.json: cannot be read (Permission denied)")


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system with room for 8 KB, or a skip where this process may not mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small file system")
    yield place
    subprocess.run(["umount", place], check=True)


def test_no_space(process, tflite_file, tiny_disk):
    (tiny_disk / "ballast").write_bytes(b"x" * 4096)
    done = process("adopt", tflite_file, "--out", tiny_disk / "m")
    refused(done, "cannot write", "no space left on the disk", "nothing was written")
    assert [path.name for path in tiny_disk.iterdir()] == ["ballast"]


def test_a_file_too_large(process, tflite_file, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    refused(process("adopt", tflite_file, "--out", tmp_path / "m", preexec_fn=limit), "too large")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_nowhere_to_print(artifact):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edgevision", "inspect", artifact.path],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1 and "No space left on device" in done.stderr and "Traceback" not in done.stderr


# Names of files


@pytest.mark.parametrize("name", ["new\nline", "esc\x1b[31m", os.fsdecode(b"bytes\xff\xfe")])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_that_no_terminal_can_show(process, artifact, images, tmp_path, name, encoding):
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder in (good, bad):
        folder.mkdir()
    shutil.copy(images / "red/00.png", good / f"{name}.png")
    (bad / f"{name}.png").write_text("text")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = process("predict", artifact.path, good, "--top", 1, environment=environment)
    shown = name.encode("unicode_escape").decode()
    assert done.exit_code == 0 and f"{shown}.png" in done.stdout and len(done.stdout.splitlines()) == 2, done.stderr
    done = process("predict", artifact.path, good, "--json", environment=environment)
    assert Path(json.loads(done.stdout)["images"][0]["image"]).name == f"{name}.png"
    done = process("predict", artifact.path, bad / f"{name}.png", environment=environment)
    refused(done, f"{shown}.png: not an image")


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_output(artifact, closed):
    redirect = {"stdout": ">&-", "stderr": "2>&-"}[closed]
    command = f'"$0" -m edgevision inspect "$1" {redirect}'
    done = subprocess.run(["sh", "-c", command, sys.executable, artifact.path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("prune", "--epochs", "-1"),
        ("quantize", "--epochs", "-1"),
        ("prune", "--batch-size", "0"),
        ("prune", "--learning-rate", "nan"),
        ("quantize", "--learning-rate", "0"),
    ],
)
def test_training_options_are_refused_before_a_model_is_loaded(run, command, option, value):
    refused(run(command, "absent", "--data", "absent", option, value), f"invalid value for '{option}'", status=2)


def test_not_a_number_is_no_bound_that_holds(run, artifact, images):
    refused(run("evaluate", artifact.path, "--data", images, "--min-accuracy", "nan"), "got nan", status=2)
    refused(run("benchmark", artifact.path, "--min-duration", "inf"), "got inf", status=2)
