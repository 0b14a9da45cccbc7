"""edgevision compress: one recipe, or a search; see tests/edgevision/compress for what the library does."""

import json

import pytest

RECIPE = """
schema = 1
name = "small"
[[steps]]
method = "prune_channels"
target = {kind = "parameters", value = 0.6}
multiple = 1
epochs = 0
batch_size = 8
[[steps]]
method = "quantize"
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def test_a_recipe_is_run_with_its_ledger(run, keras_artifact, images, recipe, tmp_path):
    arguments = [keras_artifact.path, "--data", images, "--recipe", recipe, "--to", "tflite", "--out", tmp_path / "out"]
    done = run("compress", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert [row["step"] for row in document["ledger"]["rows"]] == ["original", "prune_channels", "quantize"]
    assert document["ledger"]["recipe"]["name"] == "small"
    assert document["ledger"]["evaluation"]["images"] == 9, "three of twelve in each class are held out"
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"recipe.toml", "ledger.json"}
    again = run("compress", *arguments)
    assert again.exit_code == 2 and "exists" in again.stderr


@pytest.mark.slow
def test_a_search_that_finds_nothing_says_by_how_much_and_one_that_does_where(run, keras_artifact, images, tmp_path):
    common = [keras_artifact.path, "--data", images, "--to", "tflite", "--trials", 2, "--epochs", 1]
    common += ["--out", tmp_path / "out"]
    missed = run("compress", *common, "--max-bytes", 10)
    assert missed.exit_code == 3
    assert "check failed: no candidate meets every limit; the nearest is trial" in missed.stderr
    assert "max_bytes 10 is missed by" in missed.stderr and "not max_bytes" in missed.stdout
    met = run("compress", *common, "--max-drop", 90)
    assert met.exit_code == 0 and str(tmp_path / "out" / "best") in met.stdout
    assert "static_wi8_ai8" in met.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--recipe", "absent.toml"], "absent.toml: cannot be read"),
        (["--max-drop", "nan"], "--max-drop"),
        (["--min-accuracy", "0.8"], "--min-accuracy"),
        (["--to", "onnx"], "--to: got onnx; allowed: tflite, openvino"),
        (["--storage", "nonsense", "--out", "{out}"], "not the URL of a database"),
        (["--storage", "sqlite:////absent/study.db", "--out", "{out}"], "cannot write beside the database, in /absent"),
        (["--device", "gpu9", "--out", "{out}", "--trials", "1"], "gpu9"),
    ],
)
def test_what_makes_no_sense_is_one_line(run, keras_artifact, images, tmp_path, options, says):
    options = [option.format(out=tmp_path / "out") for option in options]
    done = run("compress", keras_artifact.path, "--data", images, *options)
    assert done.exit_code in (1, 2) and says in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_recipe_takes_no_limits(run, keras_artifact, images, recipe):
    done = run("compress", keras_artifact.path, "--data", images, "--recipe", recipe, "--max-bytes", 1000)
    assert done.exit_code == 2 and "--max-bytes is for a search: got --recipe" in done.stderr
