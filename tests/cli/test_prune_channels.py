"""edgevision prune --method channels: targets, artifacts, refusals."""

import json

import pytest

from edgevision.artifact import Artifact


def channels(run, model, out, *more, data=None):
    where = ("--data", data) if data else ()
    return run("prune", model, "--method", "channels", "--out", out, "--multiple", 2, *where, *more)


def test_a_smaller_artifact_with_what_was_done(run, keras_artifact, images, tmp_path):
    out = tmp_path / "half"
    arguments = ("--target-macs", 0.6, "--epochs", 1, "--batch-size", 6, "--teacher", keras_artifact.path, "--json")
    result = channels(run, keras_artifact.path, out, *arguments, data=images)
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)["report"]
    assert report["after"]["macs"] <= 0.6 * report["before"]["macs"] and report["identity_error"] < 1e-3
    assert len(report["history"]) == 1
    step = Artifact.open(out).manifest.lineage[-1]
    assert step.parameters["method"] == "channels" and step.parameters["distillation"]["weight"] == 0.9


@pytest.mark.slow
def test_bytes_and_milliseconds_are_measured_on_the_exported_file(run, keras_artifact, images, tmp_path):
    still = ("--epochs", 0, "--json")
    whole = channels(run, keras_artifact.path, tmp_path / "a", "--target-bytes", 1e6, *still, data=images)
    size = json.loads(whole.stdout)["report"]["reached"]
    wanted = int(size - 40)
    result = channels(run, keras_artifact.path, tmp_path / "b", "--target-bytes", wanted, *still, data=images)
    assert json.loads(result.stdout)["report"]["reached"] <= wanted < size
    assert "nothing was removed" in whole.stderr and "nothing was removed" not in result.stderr
    options = ("--scheme", "float32", "--epochs", 0)
    slow = channels(run, keras_artifact.path, tmp_path / "c", "--target-latency-ms", 1e4, *options)
    assert slow.exit_code == 0 and "latency_ms" in slow.stdout
    fast = channels(run, keras_artifact.path, tmp_path / "d", "--target-latency-ms", 1e-6, *options)
    assert fast.exit_code == 1 and "cannot meet the target" in fast.stderr and not (tmp_path / "d").exists()


def test_a_model_far_below_the_target_is_remarked_on(run, keras_artifact, tmp_path):
    arguments = ("--target-macs", 0.98, "--epochs", 0)
    result = channels(run, keras_artifact.path, tmp_path / "far", *arguments)
    assert result.exit_code == 0 and "well below the target, for 2 channels go at once" in result.stderr, result.stderr
    result = channels(run, keras_artifact.path, tmp_path / "near", *arguments, "--multiple", 1)
    assert result.exit_code == 0 and "below the target" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "takes one target: got none"),
        (("--target-macs", 0.5, "--target-bytes", 9), "takes one target: got --target-macs, --target-bytes"),
        (("--target-macs", 0.5, "--target-sparsity", 0.5), "--target-sparsity is not for this method: got channels"),
        (("--target-macs", 0.5, "--measure"), "--measure is not for this method: got channels; allowed: magnitude"),
        (("--target-macs", 0.5, "--teacher", "sample"), "--teacher changes nothing with --epochs 0"),
        (("--target-macs", 0.5, "--batch-size", 9), "--batch-size changes nothing with --epochs 0"),
        (("--target-macs", 0.5, "--data", "sample"), "--data changes nothing with --epochs 0 and --target-macs"),
        (("--target-parameters", 0.5, "--scheme", "float16"), "--scheme changes nothing with --target-parameters"),
        (("--target-parameters", 0.5, "--to", "openvino"), "--to changes nothing with --target-parameters"),
        (("--target-bytes", 900, "--device", "cpu"), "--device changes nothing with --target-bytes"),
        (
            ("--target-bytes", 900, "--scheme", "float16", "--data", "sample"),
            "--data changes nothing with --epochs 0 and --target-bytes",
        ),
        (("--target-bytes", 900, "--split", "test"), "--split changes nothing without --data"),
        (("--target-macs", 0.5, "--temperature", 2, "--epochs", 1), "changes nothing without --teacher"),
        (("--target-macs", 0.5, "--importance", "l3"), "--importance: got l3"),
        (("--target-macs", 0.5, "--epochs", 2), "needs labelled images"),
        (("--target-bytes", 900), "needs calibration data"),
        (("--target-macs", 0), "0"),
        (("--target-macs", 0.001), "cannot meet the target"),
        (("--target-macs", 1), "target macs: got 1.0; allowed: a share below 1, or a number above 1"),
    ],
)
def test_what_makes_no_sense_is_refused(run, keras_artifact, tmp_path, arguments, message):
    defaults = () if "--epochs" in arguments else ("--epochs", 0)
    result = channels(run, keras_artifact.path, tmp_path / "out", *defaults, *arguments)
    assert result.exit_code in (1, 2) and message in result.stderr, result.stderr
    assert not (tmp_path / "out").exists()


def test_magnitude_does_not_take_the_options_of_channels(run, keras_artifact, tmp_path):
    result = run("prune", keras_artifact.path, "--target-macs", 0.5, "--out", tmp_path / "out")
    assert result.exit_code == 2 and "--target-macs is not for this method: got magnitude" in result.stderr
    result = run("prune", keras_artifact.path, "--epochs", 0, "--out", tmp_path / "out")
    assert result.exit_code == 2 and "--epochs of --method magnitude: got 0; allowed: 1 or more" in result.stderr
    result = run("prune", keras_artifact.path, "--out", tmp_path / "out")
    assert result.exit_code == 2 and "needs labelled images" in result.stderr
