"""edgevision compare: what it prints, and with which status it ends."""

import json

import pytest


def test_a_model_against_itself(run, keras_artifact, tmp_path):
    result = run("compare", keras_artifact.path, keras_artifact.path, "--runtime", "null", "--budget", 1, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["schema"], document["kind"]) == (2, "edgevision-comparison")
    assert document["others"][0]["verdict"] in ("equivalent", "faster", "slower", "insufficient evidence")


def test_the_table_has_the_control_and_the_protocol(run, keras_artifact):
    result = run("compare", keras_artifact.path, keras_artifact.path, "--runtime", "null", "--budget", 5)
    assert "sittings within 5 s" in result.stdout
    assert "control: against itself" in result.stdout or "sittings fit into the time" in result.stderr  # a busy machine


def test_what_is_expected_and_cannot_be_shown_ends_with_status_3(run, keras_artifact):
    arguments = ("--runtime", "null", "--budget", 0.001, "--expect", "not-slower")
    result = run("compare", keras_artifact.path, keras_artifact.path, *arguments)
    assert result.exit_code == 3, result.stderr
    assert "check failed: expected not-slower" in result.stderr and "insufficient evidence" in result.stderr


def test_a_baseline(run, keras_artifact, tmp_path):
    """A model cannot be shown to be a hundred times slower than itself; on a noisy machine nothing is shown."""
    first = run("benchmark", keras_artifact.path, "--runtime", "null", "--min-duration", 0.3, "--json")
    report, page = tmp_path / "report.json", tmp_path / "page.html"
    report.write_text(first.stdout)
    result = run(
        "compare", keras_artifact.path, "--runtime", "null", "--baseline", report, "--max-regression", "800%",
        "--budget", 2, "--json", "--html", page,
    )  # fmt: skip
    document = json.loads(result.stdout)
    assert (document["kind"], document["max_regression"]) == ("edgevision-regression", 8.0)
    (found,) = document["results"]
    assert found["verdict"] in ("held", "insufficient evidence")
    assert result.exit_code == {"held": 0, "insufficient evidence": 3}[found["verdict"]]
    assert found["reason"] is None or found["reason"] in result.stderr
    assert "Comparison with a baseline" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to compare with"),
        (("no-such-model",), "no-such-model"),
        (("--margin", 0), "--margin"),
        (("--expect", "fastr"), "--expect"),
        (("--max-regression", "5%"), "--max-regression is for --baseline"),
        (("--baseline", "nowhere.json"), "cannot be read"),
        (("--baseline", "nowhere.json", "--margin", 0.1), "--margin is not for --baseline"),
        (("--max-regression", "five"), "allowed: a share, such as 5% or 0.05"),
    ],
)
def test_what_makes_no_sense_is_refused(run, keras_artifact, arguments, message):
    result = run("compare", keras_artifact.path, *arguments)
    assert result.exit_code in (1, 2) and message in result.stderr, result.stderr


def test_all_runtimes(run, artifact):
    """By default a model runs on the first that fits; with all, on each, and each is named."""
    models = [artifact.path, artifact.path]
    first = json.loads(run("compare", *models, "--budget", 0.1, "--json").stdout)
    every = json.loads(run("compare", *models, "--budget", 0.1, "--runtime", "all", "--json").stdout)
    assert first["base"] == str(artifact.path) and every["base"] == f"{artifact.path} on tflite"
    refused = run("compare", *models, "--runtime", "all", "--runtime", "tflite")
    assert refused.exit_code == 2 and "allowed: all, or names" in refused.stderr


def test_one_file_cannot_be_table_and_page(run, artifact, tmp_path):
    arguments = ("--csv", tmp_path / "out", "--html", tmp_path / "more" / ".." / "out")
    result = run("compare", artifact.path, artifact.path, *arguments)
    assert result.exit_code == 2 and "--csv and --html name one file" in result.stderr
    assert list(tmp_path.iterdir()) == []
