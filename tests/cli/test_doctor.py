"""edgevision doctor: what it prints, and with which status it ends."""

import json
import shlex
import shutil

import pytest


@pytest.fixture
def wrong(run, tflite_file, tmp_path):
    """The model, declared with its channels the wrong way round."""
    options = ("--task", "classification", "--labels", "red,green,blue", "--mean", 128, "--std", 64, "--color", "BGR")
    assert run("adopt", tflite_file, "--out", tmp_path / "wrong", *options).exit_code == 0
    return tmp_path / "wrong"


def test_a_bare_file_is_adopted_with_the_command_that_is_printed(run, tflite_file, images, tmp_path):
    result = run("doctor", tflite_file, "--data", images, "--labels", "red,green,blue")
    assert result.exit_code == 0, result.stderr
    assert "recovered" in result.stdout and "RGB" in result.stdout
    arguments = shlex.split(result.stdout.splitlines()[-1])
    assert arguments[:2] == ["edgevision", "adopt"]
    arguments[arguments.index("--out") + 1] = tmp_path / "adopted"
    adopted = run(*arguments[1:])
    assert adopted.exit_code == 0, adopted.stderr
    evaluated = run("evaluate", tmp_path / "adopted", "--data", images, "--json")
    assert json.loads(evaluated.stdout)["classification"]["accuracy"]["value"] == 1.0


def test_a_wrong_declaration_ends_with_status_3(run, wrong, images):
    result = run("doctor", wrong, "--data", images)
    assert result.exit_code == 3
    assert "check failed: another specification is better than the declared one: loss +" in result.stderr
    wanted, declared = (
        next(line for line in result.stdout.splitlines() if line.startswith(x)) for x in ("wanted", "declared")
    )
    assert "8×8 RGB" in wanted and wanted.split("RGB")[1] == declared.split("BGR")[1]  # nothing else is blamed


def test_an_artifact_keeps_its_labels(run, wrong, images):
    """The command that is printed adopts the file in it, which knows no labels."""
    command = json.loads(run("doctor", wrong, "--data", images, "--json").stdout)["next_step"]
    assert "--labels red,green,blue" in command
    refused = run("doctor", wrong, "--data", images, "--labels", "x,y,z")
    assert refused.exit_code == 2 and "has labels of its own" in refused.stderr


def test_json_has_the_evidence(run, wrong, images):
    document = json.loads(run("doctor", wrong, "--data", images, "--json").stdout)
    assert (document["command"], document["kind"], document["schema"]) == ("doctor", "edgevision-diagnosis", 1)
    assert document["verdict"] == "another is better"
    assert document["spec"]["color"] == "RGB" and document["declared"]["color"] == "BGR"
    evidence = document["against_declared"]
    assert 0 < evidence["low"] < evidence["mean"] < evidence["high"] and evidence["p"] < 0.05
    assert {entry["name"] for entry in document["fields"]} == {"normalization", "color", "resize", "filter"}
    assert document["comparisons"] >= document["tried"] > 20 and document["images"] == 36


def test_labels_in_a_wrong_order_are_asked_for(run, tflite_file, images):
    result = run("doctor", tflite_file, "--data", images, "--labels", "green,blue,red")
    assert result.exit_code == 3 and "is the order of the labels right (--labels)" in result.stderr
    assert "edgevision adopt" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--count", 6), "too few images to tell anything from chance"),
        (("--labels", "cat,dog"), "labels: got 2 labels; allowed: 3, one per class"),
        (("--labels", "red,green,cyan"), "a class that the model does not know: got blue"),
        (("--confidence", 1), "--confidence"),
        (("--activation", "softmx"), "did you mean softmax?"),
    ],
)
def test_what_makes_no_sense_is_refused(run, tflite_file, images, arguments, message):
    result = run("doctor", tflite_file, "--data", images, *arguments)
    assert result.exit_code in (1, 2) and message in result.stderr, result.stderr


def test_images_of_one_class_are_refused(run, wrong, images, tmp_path):
    for copy in range(2):
        shutil.copytree(images / "red", tmp_path / f"one/red/{copy}")
    result = run("doctor", wrong, "--data", tmp_path / "one")
    assert result.exit_code == 1 and result.stdout == ""
    assert "one class tell nothing" in result.stderr and "got 24 images of red" in result.stderr
