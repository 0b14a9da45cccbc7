import dataclasses
import json

import numpy as np
import pytest

from edgevision.compress import CompressionRecipe, apply_recipe, run_recipe
from edgevision.converters.base import convert
from edgevision.errors import CalibrationError, ConfigError, ConversionError, EdgeVisionError

pytestmark = pytest.mark.slow

RECIPE = CompressionRecipe.from_toml("""
schema = 1
name = "everything"
[[steps]]
method = "prune_channels"
target = {kind = "macs", value = 0.6}
epochs = 1
distillation = {}
[[steps]]
method = "prune"
epochs = 1
[[steps]]
method = "quantize_aware"
epochs = 1
keep_sparsity = true
""")
FLOAT = CompressionRecipe.from_toml('schema = 1\nname = "half"\nsteps = [{method = "quantize", scheme = "float16"}]')


@pytest.fixture(scope="module")
def compressed(place, tmp_path_factory):
    out = tmp_path_factory.mktemp("applied") / "out"
    return apply_recipe(place.source, RECIPE, place.train, place.test, out, min_duration_s=0.02)


def test_every_step_has_a_row_in_every_format_and_the_folder_has_all_of_it(compressed):
    ledger = compressed.ledger
    assert json.loads((compressed.path / "ledger.json").read_text()) == json.loads(ledger.to_json())
    assert CompressionRecipe.read(compressed.path / "recipe.toml") == RECIPE
    for format in ("tflite", "openvino"):
        original, channels, zeros, trained = ledger.of(format)
        assert [row.step for row in ledger.of(format)] == ["original", "prune_channels", "prune", "quantize_aware"]
        assert original.scheme == zeros.scheme == "float32" and trained.scheme == "static_wi8_ai8"
        assert channels.macs <= 0.6 * original.macs and channels.bytes < original.bytes
        assert zeros.bytes == pytest.approx(channels.bytes, rel=0.01)
        assert channels.zeros < zeros.zeros and zeros.deflated_bytes < channels.deflated_bytes
        assert (trained.macs, trained.parameters) == (zeros.macs, zeros.parameters) and trained.zeros >= zeros.zeros
        assert trained.deflated_bytes < zeros.deflated_bytes and original.drop_points == 0
        for row in ledger.of(format):
            assert row.accuracy.count == 96 and row.latency[format].p50_ms > 0
            lost = 100 * (original.accuracy.value - row.accuracy.value)
            assert row.drop_points == pytest.approx(lost)


def test_the_artifacts_say_how_they_were_made(compressed):
    assert [artifact.manifest.format for artifact in compressed.artifacts] == ["openvino", "tflite"]
    for artifact in compressed.artifacts:
        steps = artifact.manifest.lineage
        assert [step.step for step in steps] == ["prune", "prune", "quantize", "recipe", "convert"]
        assert steps[0].parameters["seed"] == 0 and "tf-keras" in steps[0].tools
        assert steps[3].parameters == {"name": "everything", "sha256": RECIPE.digest}
        assert artifact.golden() is not None and artifact.manifest.runtimes
        (row,) = [row for row in compressed.ledger.rows if row.sha256 == artifact.sha256]
        assert row.step == "quantize_aware" and row.bytes == artifact.bytes


def test_a_recipe_gives_the_same_weights_and_files_again(place, compressed, tmp_path):
    told = []
    runs = [
        run_recipe(place.source, RECIPE, place.train, kept=tmp_path / "kept", progress=lambda *news: told.append(news))
        for _ in range(2)
    ]
    assert told[:4] == [("prune_channels", 0, 3), ("prune_channels", 1, 3), ("prune", 1, 3), ("prune", 2, 3)]
    for stages in runs:
        for ours, theirs in zip(
            stages[-1].model.model.get_weights(), runs[0][-1].model.model.get_weights(), strict=True
        ):
            assert np.array_equal(ours, theirs)
        assert [stage.skipped for stage in stages] == [stage.skipped for stage in runs[0]]
        for made in compressed.artifacts:
            format = made.manifest.format
            again = convert(stages[-1].model, tmp_path, to=format, overwrite=True).artifact
            for first, second in zip(made.model_files, again.model_files, strict=True):
                assert first.read_bytes() == second.read_bytes(), first.name


def test_a_place_that_is_taken_is_refused_before_any_work(place, compressed, tmp_path):
    with pytest.raises(ConfigError, match="exists"):
        apply_recipe(place.source, RECIPE, place.train, place.test, compressed.path)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="did not make"):
        apply_recipe(place.source, RECIPE, place.train, place.test, tmp_path, overwrite=True)


def test_what_was_done_before_an_error_is_not_done_again(place, tmp_path):
    first = 'schema = 1\nname = "r"\n[[steps]]\nmethod = "prune"\nepochs = 1\n'
    diverging = CompressionRecipe.from_toml(first + '[[steps]]\nmethod = "prune"\nlearning_rate = 1e30')
    mended = CompressionRecipe.from_toml(first + '[[steps]]\nmethod = "quantize"')
    with pytest.raises(ConversionError, match="diverged"):
        apply_recipe(place.source, diverging, place.train, place.test, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.steps"]
    told = []
    apply_recipe(
        place.source, mended, place.train, place.test, tmp_path / "out", min_duration_s=0.02, to=("tflite",),
        progress=lambda *news: told.append(news),
    )  # fmt: skip
    assert ("prune", 0, 1) in told and ("prune", 1, 1) not in told
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ('method = "quantize"\nscheme = "static_wi8_ai16"', r"step 1 \(quantize\): scheme for openvino"),
        ('method = "prune"\nlayers = ["nosuch"]\nepochs = 1', r"step 1 \(prune\): layers: no layer has this name"),
        (
            'method = "prune"\nlearning_rate = 1e30\n[[steps]]\nmethod = "quantize"\nfloat_layers = ["nosuch"]',
            r"recipe r: step 2 \(quantize\): float_layers: no layer has this name",  # and not that step 1 diverged
        ),
        ('method = "prune"\nbatch_size = 1000', r"recipe r: step 1 \(prune\): .*batch size"),
    ],
)
def test_what_does_not_fit_the_model_is_named_and_nothing_is_written(place, tmp_path, step, message):
    recipe = CompressionRecipe.from_toml(f'schema = 1\nname = "r"\n[[steps]]\n{step}')
    with pytest.raises(EdgeVisionError, match=message):
        apply_recipe(place.source, recipe, place.train, place.test, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_bad_weights_and_bad_calibration_data_are_named(place, tmp_path):
    import tf_keras as keras

    from edgevision.data.dataset import ArrayDataset

    model = keras.models.clone_model(place.source.model)
    kernel, bias = model.get_layer("body").get_weights()
    model.get_layer("body").set_weights([kernel * np.nan, bias])
    with pytest.raises(ConversionError, match="NaN or infinite: got body/kernel"):
        apply_recipe(dataclasses.replace(place.source, model=model), FLOAT, place.train, place.test, tmp_path / "out")
    grey = ArrayDataset(np.full((96, 8, 8, 3), 9, np.uint8), place.train.targets, place.train.labels, "grey")
    recipe = CompressionRecipe.from_toml('schema = 1\nname = "r"\nsteps = [{method = "quantize"}]')
    with pytest.raises(CalibrationError, match="all one value"):
        apply_recipe(place.source, recipe, grey, place.test, tmp_path / "out", to=("tflite",))
    assert list(tmp_path.iterdir()) == []
