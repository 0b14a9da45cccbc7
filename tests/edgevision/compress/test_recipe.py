import inspect
from dataclasses import MISSING, fields

import pytest

from edgevision.compress.recipe import CompressionRecipe
from edgevision.compress.running import EXPORT_ONLY
from edgevision.compress.steps import METHODS, Options, Prune, PruneChannels, Quantize, QuantizeAware, Target, Teaching
from edgevision.converters.distillation import Distillation
from edgevision.errors import ConfigError
from edgevision.registry import resolve

TEXT = """
schema = 1
name = "small"

[[steps]]
method = "prune_channels"
target = {kind = "macs", value = 0.5}
distillation = {weight = 0.5}

[[steps]]
method = "prune"
target_sparsity = 0.5
layers = ["stage1_*"]

[[steps]]
method = "quantize_aware"
keep_sparsity = true
"""


def recipe(*steps: str) -> CompressionRecipe:
    return CompressionRecipe.from_toml('schema = 1\nname = "r"\n' + "".join(f"[[steps]]\n{step}\n" for step in steps))


def test_a_recipe_says_what_it_says_and_the_rest_is_the_librarys_default():
    found = CompressionRecipe.from_toml(TEXT)
    channels, prune, qat = found.steps
    assert channels == PruneChannels(target=Target(kind="macs", value=0.5), distillation=Teaching(weight=0.5))
    assert prune == Prune(target_sparsity=0.5, layers=("stage1_*",))
    assert isinstance(qat, QuantizeAware) and qat.keep_sparsity and qat.epochs == 2
    assert found.epochs == 6
    assert found.numerics == Quantize(scheme="static_wi8_ai8")


def test_a_recipe_is_written_and_read_without_loss(tmp_path):
    found = CompressionRecipe.from_toml(TEXT)
    (tmp_path / "recipe.toml").write_text(found.to_toml())
    again = CompressionRecipe.read(tmp_path / "recipe.toml")
    assert again == found and again.digest == found.digest
    assert CompressionRecipe("other name", found.steps).digest == found.digest
    assert recipe('method = "quantize"').digest != recipe('method = "quantize"\nseed = 1').digest


def test_without_numerics_a_model_stays_float():
    assert recipe('method = "prune"').numerics.scheme == "float32"
    assert recipe('method = "quantize"\nscheme = "float16"').numerics.scheme == "float16"


@pytest.mark.parametrize("method", METHODS)
def test_a_step_has_the_options_and_defaults_of_its_function(method):
    row = METHODS[method]
    parameters = inspect.signature(resolve(row.function)).parameters
    own = {item.name: item.default for item in fields(row.step)}
    assert row.step.method == method
    if method == "quantize":
        known = {name: entry.default for name, entry in parameters.items() if name in own}
        assert set(known) == set(own)
        assert own | {"scheme": None} == known, "export's own scheme is the model's"
        return
    options = {
        name: MISSING if entry.default is inspect.Parameter.empty else entry.default
        for name, entry in parameters.items()
        if entry.kind is inspect.Parameter.KEYWORD_ONLY and name != "progress"
    }
    assert {name: value for name, value in own.items() if name not in EXPORT_ONLY} == options


def test_teaching_has_the_defaults_of_distillation():
    known = {item.name: item.default for item in fields(Distillation) if item.name != "teacher"}
    assert {item.name: item.default for item in fields(Teaching)} == known


@pytest.mark.parametrize("step", [row.step for row in METHODS.values()])
def test_every_default_is_allowed(step):
    for item in fields(step):
        if item.default not in (MISSING, None):
            value = item.metadata["rule"].read(item.default)
            assert value == item.default or isinstance(value, Options)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ('method = "prun"', r"step 1: method: got prun; .* \(did you mean prune\?\)"),
        ("epochs = 1", "step 1: no method"),
        (
            'method = "prune"\ntarget_sparsty = 0.5',
            r"step 1 \(prune\): unknown key: got target_sparsty; .*did you mean",
        ),
        (
            'method = "prune"\ntarget_sparsity = 1.0',
            r"step 1 \(prune\): target_sparsity: got 1.0; allowed: a number above",
        ),
        ('method = "prune"\ntarget_sparsity = nan', "target_sparsity: got nan"),
        ('method = "prune"\ntarget_sparsity = true', "target_sparsity: got True"),
        ('method = "prune"\nepochs = 0', "epochs: got 0; allowed: a whole number, 1 or more"),
        ('method = "prune"\nepochs = 1.5', "epochs: got 1.5"),
        ('method = "prune"\nlearning_rate = inf', "learning_rate: got inf"),
        ('method = "prune"\naugment = "flp"', r"augment: got flp; .*\(did you mean flip\?\)"),
        ('method = "prune"\nlayers = "conv"', "layers: got conv; allowed: a list of names"),
        ('method = "prune"\nn_m = [2]', r"n_m: got \[2\]; allowed: two whole numbers"),
        ('method = "prune"\npattern = "n_m"\nblock_size = [1, 4]', r"step 1 \(prune\)"),
        (
            'method = "prune"\ndistillation = {wight = 1.0}',
            "distillation: unknown key: got wight; .*did you mean weight",
        ),
        ('method = "prune"\ndistillation = {weight = 2.0}', "distillation: weight: got 2.0"),
        ('method = "prune_channels"', "step 1 .prune_channels.: no key 'target'"),
        (
            'method = "prune_channels"\ntarget = {kind = "latency_ms", value = 1}',
            "target: kind: got latency_ms; allowed",
        ),
        ('method = "prune_channels"\ntarget = {kind = "macs", value = 0}', "target: value: got 0"),
        ('method = "prune_channels"\ntarget = {kind = "macs", value = 1}', "macs: got 1.0; allowed: a share below 1"),
        ('method = "cluster"\nclusters = 1', "clusters: got 1; allowed: a whole number, 2 to 256"),
        ('method = "quantize"\nscheme = "int8"', "scheme: got int8; allowed: float32"),
        ('method = "quantize"\ndistillation = {}', "unknown key: got distillation"),
        ('method = "quantize_aware"\nkeep_clusters = true', "keep_clusters: no step before it clusters"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_step_and_key(step, message):
    with pytest.raises(ConfigError, match=message):
        recipe(step)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (('method = "quantize"', 'method = "prune"'), r"step 2 \(prune\): nothing comes after quantize"),
        (('method = "quantize_aware"', 'method = "quantize"'), "nothing comes after quantize_aware"),
        (
            ('method = "prune"', 'method = "prune_channels"\ntarget = {kind = "macs", value = 0.5}'),
            r"step 2 \(prune_channels\): it would undo prune; move it before prune",
        ),
        (('method = "cluster"', 'method = "prune"'), "it would undo cluster"),
    ],
)
def test_an_impossible_order_is_refused(steps, message):
    with pytest.raises(ConfigError, match=message):
        recipe(*steps)


PRUNE, CLUSTER, TRAIN = 'method = "prune"', 'method = "cluster"', 'method = "quantize_aware"'
ZEROS, VALUES = "\nkeep_sparsity = true", "\nkeep_clusters = true"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((PRUNE, CLUSTER), r"step 2 \(cluster\): it would undo prune; set keep_sparsity = true in it"),
        ((PRUNE, TRAIN), r"step 2 \(quantize_aware\): it would undo prune; set keep_sparsity"),
        ((CLUSTER, TRAIN), r"step 2 \(quantize_aware\): it would undo cluster; set keep_clusters = true in it"),
        ((PRUNE, CLUSTER + ZEROS, TRAIN + VALUES), r"step 3 \(quantize_aware\): it would undo prune"),
        ((PRUNE, CLUSTER + ZEROS, TRAIN + ZEROS), r"step 3 \(quantize_aware\): it would undo cluster"),
    ],
)
def test_a_step_that_would_train_another_one_away_is_refused(steps, message):
    with pytest.raises(ConfigError, match=message):
        recipe(*steps)


def test_steps_that_keep_what_was_made_and_those_that_train_nothing_are_taken():
    assert len(recipe(PRUNE, CLUSTER + ZEROS, TRAIN + ZEROS + VALUES).steps) == 3
    assert recipe(PRUNE, CLUSTER + ZEROS, TRAIN + "\nepochs = 0").epochs == 4
    assert recipe(PRUNE, PRUNE, 'method = "quantize"').numerics.scheme == "static_wi8_ai8"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no schema number"),
        ("schema = 2", "newer edgevision: got schema 2"),
        ('schema = 1\nname = "r"\nsteps = []', "it has no step"),
        ('schema = 1\nname = ""\nsteps = []', "name"),
        ('schema = 1\nname = "r"\nstps = []', "unknown key: got stps"),
        ('schema = 1\nname = "r"\nsteps = 3', "steps: got int"),
        ('schema = 1\nname = "r"\nsteps = [1]', "step 1: no method"),
        ("a = [", "not a TOML document"),
        ("a = " + "[" * 100_000, "not a TOML document"),
    ],
)
def test_a_document_that_is_no_recipe_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        CompressionRecipe.from_toml(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read \(No such file"):
        CompressionRecipe.read(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml: cannot be read"):
        CompressionRecipe.read(tmp_path / "binary.toml")
