"""``edgevision sensitivity``: the ranking on the screen and as JSON, and a recipe where one is asked for."""

import json

import numpy as np
import pytest

from edgevision.converters.keras_import import load_source, save_keras_artifact


@pytest.fixture(scope="module")
def spoilt(keras_artifact, tmp_path_factory):
    """The model of the colours with weights in its last layer that are huge, and the same for every class."""
    source = load_source(keras_artifact.path)
    weights, offsets = source.model.get_layer("scores").get_weights()
    weights[3] = 3000
    source.model.get_layer("scores").set_weights([weights, offsets])
    return save_keras_artifact(source, tmp_path_factory.mktemp("spoilt") / "colors").path


def test_layers_are_ranked_and_the_reason_is_said(run, spoilt, images):
    result = run("sensitivity", spoilt, "--data", images, "--images", 15)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split()[:4] == ["layer", "kind", "parameters", "MACs"]
    assert lines[1].startswith("scores ") and "times the median of its channel" in lines[1]
    assert "15 images; in float 100.0% are right; all layers at once: -" in result.stdout


def test_a_recipe_is_written_and_proved(run, spoilt, images, tmp_path):
    place = tmp_path / "recipe.toml"
    result = run("sensitivity", spoilt, "--data", images, "--repair", place, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["command"] == "sensitivity" and document["schema"] == 1
    assert document["report"]["layers"][0]["layer"] == "scores"
    assert document["repair"]["after"]["recovered"] >= 0.9
    text = place.read_text()
    assert 'method = "quantize"' in text and '"scores",' in text and "schema = 1" in text
    taken = run("sensitivity", spoilt, "--data", images, "--repair", place)
    assert taken.exit_code == 2 and "recipe.toml exists" in taken.stderr and place.read_text() == text


def test_a_sound_model_gets_no_recipe(run, keras_artifact, images, tmp_path):
    result = run("sensitivity", keras_artifact.path, "--data", images, "--repair", tmp_path / "recipe.toml")
    assert result.exit_code == 0, result.stderr
    assert "nothing to repair, as far as" in result.stdout and "no recipe was written" in result.stderr
    assert not list(tmp_path.iterdir())


def test_skipped_layers_are_named(run, keras_artifact, images):
    result = run("sensitivity", keras_artifact.path, "--data", images, "--what", "prune", "--target-sparsity", 0.25)
    assert result.exit_code == 0, result.stderr
    assert {line.split()[0] for line in result.stdout.splitlines()[1:3]} == {"conv", "scores"}


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--what", "prune", "--repair", "r.toml"], 2, "--repair is for quantization: got --what prune"),
        (["--what", "prune", "--to", "openvino"], 2, "--to is for quantization: got --what prune"),
        (["--what", "channels", "--scheme", "float16"], 2, "--scheme is for quantization: got --what channels"),
        (["--target-sparsity", "0.3"], 2, "--target-sparsity is for zeros and channels: got --what quantize"),
        (["--keep", "int16"], 2, "--keep is for --repair"),
        (["--overwrite"], 2, "--overwrite is for --repair"),
        (["--seed", "-5"], 2, "--seed"),
        (["--what", "prun"], 2, "did you mean prune?"),
        (["--layers", "cnv"], 2, "no layer has this name: got cnv; allowed: conv"),
        (["--what", "prune", "--target-sparsity", "nan"], 2, "got nan"),
        (["--scheme", "static_wi8_ai16", "--to", "openvino"], 2, "scheme for openvino"),
        (["--split", "train"], 1, "not divided into train and test"),
    ],
)
def test_what_makes_no_sense_is_refused(run, keras_artifact, images, options, status, says):
    result = run("sensitivity", keras_artifact.path, "--data", images, *options)
    assert result.exit_code == status and says in result.stderr and result.stdout == ""


def test_a_bare_model_without_preprocessing_and_one_with_nan_are_refused(
    run, keras_file, keras_artifact, images, tmp_path
):
    bare = run("sensitivity", keras_file, "--data", images)
    assert bare.exit_code == 2 and "how an image becomes its input is unknown" in bare.stderr
    source = load_source(keras_artifact.path)
    source.model.get_layer("conv").set_weights([np.full((3, 3, 3, 4), np.nan), np.zeros(4)])
    source.model.save(tmp_path / "nan.keras")
    broken = run("sensitivity", tmp_path / "nan.keras", "--data", images)
    assert broken.exit_code == 1 and "weights are NaN or infinite: got conv/kernel" in broken.stderr
    assert run("sensitivity", keras_artifact.path).exit_code == 2
