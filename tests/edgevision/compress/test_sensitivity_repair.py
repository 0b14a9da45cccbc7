"""The layers that repair an integer model, proved with real files."""

import dataclasses

import pytest

from edgevision.calibration import CalibrationDataset
from edgevision.compress.recipe import CompressionRecipe
from edgevision.compress.sensitivity import sensitivity
from edgevision.compress.sensitivity_proof import write_recipe
from edgevision.compress.sensitivity_repair import repair
from edgevision.converters.fine_tuning import copy_model
from edgevision.errors import ConfigError
from edgevision.evaluate import evaluate
from edgevision.export import export
from edgevision.files import check_file_place

COUNTS = {"images": 144, "calibration_count": 48}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "to", "granularity", "keep"),
    [
        ("activations", "tflite", "per_channel", "int16"),
        ("activations", "openvino", "per_channel", "float"),
        ("weights", "tflite", "per_tensor", "float"),
    ],
)
def test_a_planted_outlier_is_repaired_in_the_real_file(planted, stripes, kind, to, granularity, keep):
    source = planted(kind)
    report = sensitivity(source, stripes, to=to, granularity=granularity, **COUNTS)
    repaired = repair(source, stripes, report, keep=keep)
    assert repaired.measure == "accuracy" and repaired.before.effect.points < -20
    assert repaired.after.recovered >= 0.9 and repaired.simulated >= 0.9
    assert repaired.after.effect.accuracy.value > 0.95
    assert set(repaired.layers) <= {"depthwise", "pointwise"}
    step = repaired.recipe().numerics
    assert (step.scheme, step.granularity) == ("static_wi8_ai8", granularity)
    assert tuple(getattr(step, f"{keep}_layers")) == repaired.layers
    assert f"with {len(repaired.layers)} layers {'in float' if keep == 'float' else 'with 16-bit'}" in repaired.verdict


@pytest.mark.slow
def test_the_recipe_makes_the_file_that_was_proved(planted, stripes, tmp_path):
    source, judged, others = planted("activations"), stripes.subset(range(96)), stripes.subset(range(96, 192))
    report = sensitivity(source, judged, calibration_data=others, layers=["depthwise", "pointwise"], **COUNTS, seed=5)
    repaired = repair(source, judged, report, calibration_data=others)
    step = repaired.recipe().numerics
    assert (step.calibration_count, step.seed) == (48, 5)
    options = {key: value for key, value in step.to_dict().items() if key != "method"}
    (made,) = export(source, tmp_path, to=("tflite",), calibration_data=others, golden=None, **options)
    steps = {entry.step: entry.parameters for entry in made.artifact.manifest.lineage}
    calibration = CalibrationDataset.from_dataset(others, source.preprocessing, 48, 5)
    assert steps["convert"]["calibration_sha256"] == calibration.sha256
    assert made.artifact.bytes == repaired.after.bytes
    answers = evaluate(made.artifact, judged).classification.accuracy.value
    assert answers == pytest.approx(repaired.after.effect.accuracy.value)


def test_a_report_about_something_else_is_refused(source, stripes):
    pruned = sensitivity(source, stripes, what="prune", layers=["logits"], **COUNTS)
    with pytest.raises(ConfigError, match="a repair needs the report of this model"):
        repair(source, stripes, pruned)
    halves = dataclasses.replace(pruned, what="quantize", settings={"to": "tflite", "scheme": "float16", "seed": 0})
    with pytest.raises(ConfigError, match="scheme of a repair with float layers for tflite: got float16"):
        repair(source, stripes, halves)
    whole = dataclasses.replace(halves, settings={"to": "openvino", "scheme": "static_wi8_ai8", "seed": 0})
    with pytest.raises(ConfigError, match="with int16 layers for openvino: got static_wi8_ai8"):
        repair(source, stripes, whole, keep="int16")


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
    assert set(repaired.layers) == {"depthwise", "pointwise"}


def test_a_sound_model_needs_no_repair_and_a_recipe_is_never_written_over_another(source, stripes, tmp_path):
    repaired = repair(source, stripes, sensitivity(source, stripes, layers=["logits"], **COUNTS))
    assert repaired.measure is None and repaired.layers == () and repaired.after is None
    assert repaired.verdict == "nothing to repair, as far as 144 images tell"
    path = tmp_path / "recipes/recipe.toml"
    check_file_place(path, overwrite=False)
    write_recipe(repaired, path)
    assert CompressionRecipe.read(path) == repaired.recipe()
    for refused in (lambda: write_recipe(repaired, path), lambda: check_file_place(path, overwrite=False)):
        with pytest.raises(ConfigError, match=r"recipe\.toml exists"):
            refused()
    write_recipe(repaired, path, overwrite=True)
    with pytest.raises(ConfigError, match="is a directory, not a file"):
        check_file_place(tmp_path, overwrite=True)
