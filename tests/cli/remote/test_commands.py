"""verify, benchmark and evaluate on a device: what they say there is what they would say here."""

import fcntl
import getpass
import json
import shutil
import stat

import pytest
from PIL import Image

from edgevision.artifact import Artifact

QUICK = ("--warmup", 0, "--min-duration", 0.1, "--min-count", 20)


@pytest.fixture
def there(run, device, wheelhouse):
    """there("verify", …) -> what the command says of the device."""

    def there(*arguments, exit_code=0):
        result = run(*arguments, *device.options(), "--wheelhouse", wheelhouse.folder)
        assert result.exit_code == exit_code, (result.stdout, result.stderr)
        return result

    return there


def place_of(device) -> str:
    return f"ssh://{getpass.getuser()}@127.0.0.1:{device.port}/cpu"


def test_verify_says_what_it_says_here(there, run, device, sealed):
    document = json.loads(there("verify", sealed, "--json").stdout)
    here = json.loads(run("verify", sealed, "--runtime", "tflite", "--json").stdout)
    machine = document.pop("ran_on")
    assert machine["device"] == place_of(device) and machine["python"] and machine["machine"]
    (check,), (expected,) = document["checks"], here["checks"]
    assert check["device"] == place_of(device) and check["verdict"] == "holds"
    for entry in (check, expected):  # another environment: its numpy is newer
        del entry["facts"], entry["device"], entry["same_conditions"]
        for output in entry["outputs"]:
            del output["tolerance"]
    assert document == here


def test_the_text_ends_with_the_machine(there, device, sealed):
    text = there("verify", sealed).stdout
    assert text.startswith("colors: holds") and text.splitlines()[-1].startswith(f"ran on {place_of(device)}: ")


def test_a_check_that_fails_there_fails_here(there, sealed, artifact, tmp_path):
    assert "colors is unproven" in there("verify", artifact.path, exit_code=3).stderr
    shutil.copytree(sealed, tmp_path / "broken")
    broken = Artifact.open(tmp_path / "broken")
    golden = broken.golden()
    wrong = {name: tuple(1 - output for output in outputs) for name, outputs in golden.expected.items()}
    broken.update(golden=type(golden)(golden.samples, golden.targets, golden.provenance, (), wrong))
    result = there("verify", broken.path, exit_code=3)
    assert "check failed: colors is broken" in result.stderr and "broken" in result.stdout


def test_agreement_over_images_with_a_reference(there, sealed, artifact, images):
    assert "36/36" in there("verify", sealed, "--data", images, "--reference", artifact.path).stdout


def test_evaluate_counts_what_it_counts_here(there, run, device, sealed, images):
    document = json.loads(there("evaluate", sealed, "--data", images, "--json").stdout)
    here = json.loads(run("evaluate", sealed, "--data", images, "--json").stdout)
    assert document["classification"]["accuracy"] == here["classification"]["accuracy"]
    assert document["classification"]["confusion"] == here["classification"]["confusion"]
    assert document["device"] == place_of(device) and document["model"] == str(sealed)
    assert document["data"] == str(images)


def test_an_accuracy_that_is_too_low_there(there, sealed, tmp_path):
    for color, pixel in (("red", (0, 200, 0)), ("green", (200, 0, 0)), ("blue", (0, 0, 200))):
        (tmp_path / "images" / color).mkdir(parents=True)
        Image.new("RGB", (10, 10), pixel).save(tmp_path / "images" / color / "0.png")
    result = there("evaluate", sealed, "--data", tmp_path / "images", "--min-accuracy", 0.9, exit_code=3)
    assert "check failed: accuracy 0.3333 is lower than 0.9" in result.stderr
    assert "accuracy" in result.stdout


def test_benchmark_takes_its_samples_there(there, device, sealed, artifact):
    document = json.loads(there("benchmark", sealed, artifact.path, *QUICK, "--json").stdout)
    assert [entry["device"] for entry in document["entries"]] == [place_of(device)] * 2
    for entry in document["entries"]:
        assert entry["facts"]["package"] == "ai-edge-litert"
        assert len(entry["latency"]["samples_ms"]) >= 20 and entry["peak_rss_bytes"] > 1_000_000
    assert document["protocol"]["min_count"] == 20 and document["ran_on"]["device"] == place_of(device)


def test_benchmark_takes_there_what_it_takes_here(there, sealed, images):
    options = ("--data", images, "--pin", 0, "--throughput", "--threads", 2, "--option", "resolver=reference")
    (entry,) = json.loads(there("benchmark", sealed, *options, *QUICK, "--json").stdout)["entries"]
    assert entry["inputs"] == "36 images that were given" and entry["many_ips"] > 0
    assert entry["options"] == {"threads": 2, "resolver": "reference"} and entry["facts"]["resolver"] == "reference"
    said = there("benchmark", sealed, "--batch", 3, *QUICK, exit_code=1).stderr
    assert "has a fixed batch of 1: got batch 3" in said
    said = there("benchmark", sealed, "--pin", "0-1999", *QUICK, exit_code=2).stderr
    assert "cores to pin to" in said


def test_sustained_there(there, device, sealed, images, tmp_path):
    options = ("--sustained", 0.02, "--window", 0.2, "--data", images, "--csv", tmp_path / "minutes.csv")
    document = json.loads(there("benchmark", sealed, *options, "--json").stdout)
    assert document["kind"] == "edgevision-sustained" and len(document["windows"]) == 6
    assert document["device"] == document["ran_on"]["device"] == place_of(device)
    assert document["inputs"] == "36 images that were given"
    assert len((tmp_path / "minutes.csv").read_text().splitlines()) == 7


def test_a_scenario_is_refused_for_a_reason(run, sealed):
    result = run("benchmark", sealed, "--scenario", "offline", "--out", "o", "--device", "ssh://nowhere/cpu")
    assert result.exit_code == 2 and "LoadGen is not in the base install that a device gets" in result.stderr


def test_a_bare_file_runs_there_too(there, tflite_file):
    assert "colors is unproven" in there("verify", tflite_file, exit_code=3).stderr


def test_errors_of_the_device_are_errors_here(there, device, sealed, tflite_file, images):
    said = there("benchmark", sealed, "--runtime", "nonsense", exit_code=2).stderr
    assert f"127.0.0.1 port {device.port}: runtime: got nonsense" in said
    said = there("evaluate", tflite_file, "--data", images, exit_code=1).stderr
    assert str(tflite_file.parent) in said or "preprocessing" in said
    assert "edgevision-remote" not in said and len(said.splitlines()) == 1


def test_a_runtime_that_only_the_device_lacks(there, device, make_onnx, tmp_path):
    (tmp_path / "colors.onnx").write_bytes(make_onnx())
    said = there("benchmark", tmp_path / "colors.onnx", "--runtime", "onnxruntime", exit_code=1).stderr
    assert f"127.0.0.1 port {device.port}: runtime onnxruntime needs onnxruntime, which is not installed" in said


def test_nothing_travels_twice(there, device, sealed):
    there("verify", sealed)

    def put_there():
        return {path: path.stat().st_mtime_ns for name in ("blobs", "trees", "envs") for path in put(name)}

    def put(name):
        return (device.private / name).iterdir()

    before = put_there()
    there("verify", sealed)
    assert put_there() == before and before


def test_only_its_user_can_look_into_it_and_nothing_runs_on(there, device, sealed, until):
    there("verify", sealed)
    assert stat.S_IMODE(device.private.stat().st_mode) == 0o700
    until(lambda: not device.processes(), 5, "the end of what ran there")


def test_wheels_of_another_kind_of_machine_are_not_sent(run, fresh, other_wheelhouse):
    result = run("verify", "sample", *fresh.options(), "--wheelhouse", other_wheelhouse)
    assert result.exit_code == 2 and "got aarch64-python3.12-glibc2.28" in result.stderr
    assert not (fresh.private / "blobs").exists()


def test_clean_leaves_nothing(run, fresh, wheelhouse, other_wheelhouse, sealed, until):
    result = run("verify", sealed, *fresh.options(), "--clean", "--wheelhouse", wheelhouse.folder, "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["holds"] is True
    assert not fresh.private.exists()
    result = run("verify", sealed, *fresh.options(), "--clean", "--wheelhouse", other_wheelhouse)
    assert result.exit_code == 2 and not fresh.private.exists()
    until(lambda: not fresh.processes(), 5, "the end of what ran there")


def test_clean_waits_for_nobody_and_removes_nothing_under_them(run, device, wheelhouse, sealed):
    (device.private).mkdir(parents=True, exist_ok=True)
    with open(device.private / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        result = run("verify", sealed, *device.options(), "--wheelhouse", wheelhouse.folder, "--clean")
    assert result.exit_code == 1 and "another session is at work on the device" in result.stderr
    assert (device.private / "blobs").exists()


def test_a_wheelhouse_for_a_device_that_is_asked(run, fresh, wheelhouse, tmp_path):
    result = run("devices", "wheelhouse", *fresh.options(), "--out", tmp_path / "house", "--json")
    document = json.loads(result.stdout)
    assert document["target"] == wheelhouse.target.to_dict() and document["wheels"] == list(wheelhouse.wheels)
