"""The layers that repair an integer model, proved with real files."""

import dataclasses

import pytest

from edgevision.compress.sensitivity import sensitivity
from edgevision.compress.sensitivity_repair import check_recipe_place, repair, write_recipe
from edgevision.converters.fine_tuning import copy_model
from edgevision.errors import ConfigError

COUNTS = {"images": 144, "calibration_count": 48}


@pytest.mark.parametrize(
    ("kind", "to", "granularity"),
    [
        ("activations", "tflite", "per_channel"),
        ("activations", "openvino", "per_channel"),
        ("weights", "tflite", "per_tensor"),
    ],
)
def test_a_planted_outlier_is_repaired_in_the_real_file(planted, stripes, kind, to, granularity):
    source = planted(kind)
    report = sensitivity(source, stripes, to=to, granularity=granularity, **COUNTS)
    repaired = repair(source, stripes, report)
    assert repaired.measure == "accuracy" and repaired.before.effect.points < -20
    assert repaired.after.recovered >= 0.9 and repaired.simulated >= 0.9
    assert repaired.after.effect.accuracy.value > 0.95
    assert set(repaired.float_layers) <= {"depthwise", "pointwise"}
    assert repaired.recipe()["steps"] == [
        {
            "method": "quantize", "scheme": "static_wi8_ai8", "granularity": granularity,
            "float_layers": list(repaired.float_layers),
        }
    ]  # fmt: skip
    assert f"with {len(repaired.float_layers)} layers in float" in repaired.verdict


def test_a_report_about_something_else_is_refused(source, stripes):
    pruned = sensitivity(source, stripes, what="prune", layers=["logits"], **COUNTS)
    with pytest.raises(ConfigError, match="a repair needs the report of this model"):
        repair(source, stripes, pruned)
    halves = dataclasses.replace(pruned, what="quantize", settings={"to": "tflite", "scheme": "float16", "seed": 0})
    with pytest.raises(ConfigError, match="scheme of a repair for tflite: got float16"):
        repair(source, stripes, halves)


def test_a_file_that_no_runtime_takes_is_repaired_too(source, stripes):
    """One channel so wide that LiteRT's kernels have no arithmetic for its scale."""
    model = copy_model(source)
    norm, conv = model.get_layer("depthwise_bn"), model.get_layer("pointwise")
    weights = norm.get_weights()
    weights[1][4] = 1e7
    norm.set_weights(weights)
    kernel = conv.get_weights()[0]
    kernel[:, :, 4] = 0
    conv.set_weights([kernel])
    wide = dataclasses.replace(source, model=model)
    repaired = repair(wide, stripes, sensitivity(wide, stripes, layers=["depthwise", "stem"], **COUNTS))
    assert "refuses" in repaired.before.refused and "does not run here" in repaired.verdict
    assert repaired.after.refused is None and repaired.after.recovered >= 0.9
    assert set(repaired.float_layers) == {"depthwise", "pointwise"}


def test_a_sound_model_needs_no_repair_and_a_recipe_is_never_written_over_another(source, stripes, tmp_path):
    import tomllib

    repaired = repair(source, stripes, sensitivity(source, stripes, layers=["logits"], **COUNTS))
    assert repaired.measure is None and repaired.float_layers == () and repaired.after is None
    assert repaired.verdict == "nothing to repair, as far as 144 images tell"
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
