"""The layers that repair an integer model, proved with real files."""

import pytest

from edgevision.compress.sensitivity import sensitivity
from edgevision.compress.sensitivity_repair import check_recipe_place, repair, write_recipe
from edgevision.errors import ConfigError

COUNTS = {"images": 144, "calibration_count": 48}


@pytest.mark.parametrize(
    ("kind", "to", "granularity"),
    [
        ("activations", "tflite", "per_channel"),
        ("activations", "openvino", "per_channel"),
        ("weights", "tflite", "per_tensor"),
        ("one weight", "openvino", "per_channel"),
    ],
)
def test_a_planted_outlier_is_repaired_in_the_real_file(planted, stripes, kind, to, granularity):
    source = planted(kind)
    report = sensitivity(source, stripes, to=to, granularity=granularity, **COUNTS)
    repaired = repair(source, stripes, report)
    assert repaired.measure == "accuracy" and repaired.before.effect.points < -20
    assert repaired.after.recovered >= 0.9 and repaired.simulated >= 0.9
    assert repaired.after.effect.accuracy.value > 0.95
    culprit = {"one weight": {"pointwise"}, "activations": {"depthwise", "pointwise"}, "weights": {"depthwise"}}[kind]
    assert set(repaired.float_layers) & culprit and set(repaired.float_layers) <= {"depthwise", "pointwise"}
    assert repaired.after.bytes > repaired.before.bytes
    assert repaired.recipe()["steps"] == [
        {
            "method": "quantize", "scheme": "static_wi8_ai8", "granularity": granularity,
            "float_layers": list(repaired.float_layers),
        }
    ]  # fmt: skip
    assert f"with {len(repaired.float_layers)} layers in float" in repaired.verdict


def test_a_sound_model_needs_no_repair(source, stripes):
    repaired = repair(source, stripes, sensitivity(source, stripes, **COUNTS))
    assert repaired.measure is None and repaired.float_layers == () and repaired.after is None
    assert repaired.verdict == "nothing to repair, as far as 144 images tell"
    assert "float_layers" not in repaired.recipe()["steps"][0]


def test_a_report_about_something_else_is_refused(source, stripes):
    pruned = sensitivity(source, stripes, what="prune", layers=["logits"], **COUNTS)
    with pytest.raises(ConfigError, match="a repair needs the report of this model"):
        repair(source, stripes, pruned)
    halves = sensitivity(source, stripes, scheme="float16", layers=["logits"], **COUNTS)
    with pytest.raises(ConfigError, match="scheme of a repair for tflite: got float16"):
        repair(source, stripes, halves)


def test_a_recipe_is_written_whole_and_never_over_another(source, stripes, tmp_path):
    import tomllib

    repaired = repair(source, stripes, sensitivity(source, stripes, layers=["logits"], **COUNTS))
    path = tmp_path / "recipes/recipe.toml"
    check_recipe_place(path, overwrite=False)
    write_recipe(repaired, path)
    assert tomllib.loads(path.read_text()) == repaired.recipe()
    for refused in (lambda: write_recipe(repaired, path), lambda: check_recipe_place(path, overwrite=False)):
        with pytest.raises(ConfigError, match=r"recipe\.toml exists"):
            refused()
    write_recipe(repaired, path, overwrite=True)
    with pytest.raises(ConfigError, match="exists"):
        check_recipe_place(tmp_path, overwrite=True)
