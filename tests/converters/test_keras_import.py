"""Keras models come in without running what they carry, and go out so that they come back the same."""

import json
from dataclasses import replace

import numpy as np
import pytest

from edgevision.artifact import write_artifact
from edgevision.converters import SourceModel, convert, load_source, save_keras_artifact
from edgevision.converters.keras_import import check_weights, guess_decoding, is_quantization_aware, leaf_layers
from edgevision.errors import ArtifactError, BackendUnavailableError, ConfigError, ConversionError
from edgevision.keras_names import CLASSES
from edgevision.keras_safety import check_keras_file
from edgevision.manifest import LineageStep

keras = pytest.importorskip("tf_keras")

REFUSED = "could run code"


def dense(activation="softmax", units=3, name="tiny"):
    """A model small enough to be saved many times."""
    layers = [keras.layers.Dense(4, name="first"), keras.layers.Dense(units, activation=activation, name="last")]
    return keras.Sequential([keras.Input((2,), name="x"), *layers], name=name)


@pytest.fixture(scope="module", params=[".keras", ".h5"])
def bare(request, small, tmp_path_factory):
    """The small model as a bare file, as tf_keras saves it."""
    path = tmp_path_factory.mktemp("bare") / f"my net{request.param}"
    small.model.save(path)
    return path


def test_a_bare_file_comes_in_with_what_can_be_read_from_it(bare, small, inputs):
    source = load_source(bare)
    assert source.name == "my net"
    assert (source.preprocessing, source.labels, source.task) == (None, None, None)
    assert source.decoding == {"activation": "softmax"}
    assert source.scheme == "float32" and source.lineage == () and len(source.source_sha256) == 64
    assert [(s.name, s.shape, s.dtype, s.layout) for s in (*source.inputs, *source.outputs)] == [
        ("image", (None, 32, 32, 3), "float32", "NHWC"),
        ("probabilities", (None, 10), "float32", "NC"),
    ]
    assert np.array_equal(source.model(inputs), small.model(inputs))


def test_an_artifact_keeps_all_that_is_known(small, inputs, tmp_path):
    known = replace(small, lineage=(LineageStep("train", {"epochs": 3}),), metrics={"accuracy": 0.5})
    (tmp_path / "history.json").write_text("[]")
    extra = {"history.json": tmp_path / "history.json"}
    artifact = save_keras_artifact(known, tmp_path / "made", files=extra)
    assert artifact.manifest.format == "keras" and (artifact.path / "history.json").read_text() == "[]"
    for place in (artifact.path, artifact.path / "manifest.json", str(artifact.path)):
        source = load_source(place)
        assert replace(source, model=None) == replace(known, model=None)
        assert source.source_sha256 == "0" * 64
    assert np.array_equal(source.model(inputs), small.model(inputs))


def test_a_step_adds_to_the_lineage_and_drops_old_measurements(small):
    changed = replace(small, metrics={"accuracy": 0.5}).then(LineageStep("prune"), name="other")
    assert (changed.name, [step.step for step in changed.lineage], changed.metrics) == ("other", ["prune"], {})


def test_an_artifact_that_is_there_is_kept_unless_told(tmp_path):
    source = SourceModel(dense(), "tiny")
    first = save_keras_artifact(source, tmp_path / "made")
    assert first.manifest.source_sha256 == first.sha256
    with pytest.raises(ConfigError, match="exists"):
        save_keras_artifact(source, tmp_path / "made")
    save_keras_artifact(source, tmp_path / "made", overwrite=True)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_quantization_aware_models_come_back_with_equal_answers_and_their_own_names(suffix, small, inputs, tmp_path):
    tfmot = pytest.importorskip("tensorflow_model_optimization")
    model = tfmot.quantization.keras.quantize_model(small.model)
    before = model(inputs, training=False).numpy()
    source = replace(small, model=model, scheme="static_wi8_ai8")
    assert [spec.name for spec in (*source.inputs, *source.outputs)] == ["image", "probabilities"]
    if suffix == ".keras":
        artifact = save_keras_artifact(source, tmp_path / "made")
        assert artifact.model_file.name == "model.h5"  # their .keras files do not load again
        path = artifact.path
    else:
        path = tmp_path / "bare.h5"
        model.save(path)
    again = load_source(path)
    assert is_quantization_aware(again.model) and again.scheme == "static_wi8_ai8"
    assert again.decoding == {"activation": "softmax"}
    assert [spec.name for spec in again.outputs] == ["probabilities"]
    assert np.array_equal(again.model(inputs, training=False).numpy(), before)


def test_pruning_wrappers_are_taken_off(tmp_path):
    tfmot = pytest.importorskip("tensorflow_model_optimization")
    model = tfmot.sparsity.keras.prune_low_magnitude(dense())
    model.save(tmp_path / "pruned.h5")
    source = load_source(tmp_path / "pruned.h5")
    assert [layer.name for layer in source.model.layers] == ["first", "last"]
    x = np.ones((1, 2), np.float32)
    assert np.allclose(source.model(x), model(x))


def test_a_model_with_wrappers_needs_the_extra_that_has_them(tmp_path, monkeypatch):
    tfmot = pytest.importorskip("tensorflow_model_optimization")
    tfmot.quantization.keras.quantize_model(dense()).save(tmp_path / "qat.h5")
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_model_optimization", None)
    with pytest.raises(BackendUnavailableError, match=r'pip install "edgevision\[compress\]"'):
        load_source(tmp_path / "qat.h5")


def test_a_name_that_begins_like_a_quantized_one_is_kept():
    image = keras.Input((2,), name="x")
    source = SourceModel(keras.Model(image, keras.layers.Dense(2, name="quant_mechanics")(image)), "tiny")
    assert source.outputs[0].name == "quant_mechanics"


# --- what is refused ---


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_payload_is_refused_before_it_runs(suffix, tmp_path):
    def payload(x, target=str(tmp_path / "owned")):
        open(target, "w").close()
        return x

    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(payload, name="innocent")])
    (tmp_path / "owned").unlink()  # building it here ran it
    model.save(tmp_path / f"model{suffix}")
    with pytest.raises(ArtifactError, match=f"{REFUSED}: got Lambda 'innocent'"):
        load_source(tmp_path / f"model{suffix}")
    assert not (tmp_path / "owned").exists()


def test_a_payload_in_an_artifact_is_refused_too(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x, name="innocent")])
    artifact = save_keras_artifact(SourceModel(model, "lambda"), tmp_path / "made")
    with pytest.raises(ArtifactError, match=REFUSED):
        load_source(artifact.path)


def test_a_class_of_a_module_beside_the_file_is_refused_before_its_import(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'owned')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    dense().save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][-1].update(module="evil", registered_name=None)
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(ArtifactError, match=f"{REFUSED}: got Dense 'last' of module evil"):
        load_source(tmp_path / "model.h5")
    assert not (tmp_path / "owned").exists()


def test_files_that_are_gone_cut_off_or_something_else(bare, tmp_path):
    with pytest.raises(ArtifactError, match="no such file"):
        load_source(tmp_path / "none.h5")
    content = bare.read_bytes()
    for keep in (0, 4, 100, len(content) // 2, len(content) - 100):
        cut = tmp_path / f"cut{bare.suffix}"
        cut.write_bytes(content[:keep])
        with pytest.raises(ArtifactError):
            load_source(cut)
    (tmp_path / "picture.h5").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    with pytest.raises(ArtifactError, match="not a model file"):
        load_source(tmp_path / "picture.h5")


def test_a_file_that_vanishes_after_the_check(monkeypatch, tmp_path):
    dense().save(tmp_path / "model.h5")
    checked = check_keras_file(tmp_path / "model.h5")
    monkeypatch.setattr("edgevision.keras_loading.check_keras_file", lambda file: [file.unlink()] and checked)
    with pytest.raises(ArtifactError, match=r"loading model\.h5 failed: .*; save it again with tf_keras"):
        load_source(tmp_path / "model.h5")


def test_weights_that_do_not_fit_their_config(tmp_path):
    h5py = pytest.importorskip("h5py")
    dense().save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace('"units": 4', '"units": 5')
    with pytest.raises(ArtifactError, match=r"loading model\.h5 failed") as caught:
        load_source(tmp_path / "model.h5")
    assert caught.value.__cause__ is not None


def test_folders_that_are_no_keras_artifact(small, tmp_path):
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        load_source(tmp_path)
    artifact = convert(small, tmp_path).artifact
    with pytest.raises(ArtifactError, match="not a Keras model: got tflite; allowed: keras; convert from the Keras"):
        load_source(artifact.path)
    with pytest.raises(ArtifactError, match="not a Keras model: got tflite"):
        load_source(artifact.model_file)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").write_bytes(b"\x08\x01")
    with pytest.raises(ArtifactError, match=r"SavedModel, which can run code; save the model with tf_keras"):
        load_source(tmp_path / "saved")


def test_a_manifest_that_lies_about_the_format(tmp_path):
    with pytest.raises(ArtifactError):
        write_artifact(tmp_path / "made", {"format": "keras", "name": "x"}, {"model.h5": b"GIF89a.."})


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built:UserWarning")
def test_a_model_without_an_input_shape(tmp_path):
    keras.Sequential([keras.layers.Dense(3)]).save(tmp_path / "open.keras")
    with pytest.raises(ArtifactError, match=r"without a fixed input.*give it an Input layer"):
        load_source(tmp_path / "open.keras")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_layers_with_nan_or_infinite_weights_are_named(bad, tmp_path):
    inner = dense(None, name="inner")
    model = keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(2, name="head")], name="broken")
    kernel = inner.get_layer("last").kernel
    kernel.assign(np.full(kernel.shape, bad))
    model.get_layer("head").bias.assign([bad, 0])
    model.save(tmp_path / "broken.keras")
    with pytest.raises(ConversionError, match=r"broken: weights are NaN or infinite: got last/kernel, head/bias"):
        load_source(tmp_path / "broken.keras")
    with pytest.raises(ConversionError, match="last/kernel"):
        convert(SourceModel(model, "broken"), tmp_path)


def test_many_bad_weights_are_counted_and_shared_layers_named_once():
    image = keras.Input((4,), name="x")
    layers = [keras.layers.Dense(4, name=f"d{number}") for number in range(5)]
    x = image
    for layer in (*layers, *layers):
        x = layer(x)
    model = keras.Model(image, x)
    model.set_weights([np.full(weight.shape, np.nan) for weight in model.get_weights()])
    with pytest.raises(ConversionError, match=r"got d0/kernel, d0/bias, d1/kernel and 7 more"):
        check_weights(SourceModel(model, "broken"))


@pytest.mark.parametrize(
    ("activation", "units", "expected"),
    [
        ("softmax", 3, {"activation": "softmax"}),
        (None, 3, {"activation": "logits"}),
        ("relu", 3, {}),
        (None, 1, {}),
    ],
)
def test_the_last_layer_tells_what_outputs_are(activation, units, expected):
    model = dense(activation, units)
    assert guess_decoding(model) == expected
    nested = keras.Sequential([keras.Input((2,)), model])
    assert guess_decoding(nested) == expected
    assert [layer.name for layer in leaf_layers(nested)] == ["first", "last"]


def test_several_outputs_or_maps_tell_nothing():
    image = keras.Input((4, 4, 3), name="x")
    maps = keras.layers.Softmax()(image)
    flat = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(image))
    assert guess_decoding(keras.Model(image, maps)) == {}
    assert guess_decoding(keras.Model(image, [flat, flat])) == {}


# --- other people's files ---


@pytest.mark.parametrize(
    ("file", "shape", "classes"),
    [("resnet8_cifar10/pretrainedResnet.h5", (None, 32, 32, 3), 10), ("vww/vww_96.h5", (None, 96, 96, 3), 2)],
)
def test_reference_models_come_in(shared_data, file, shape, classes):
    source = load_source(shared_data / "models/mlperf_tiny" / file)
    assert [spec.shape for spec in source.inputs] == [shape]
    assert [spec.shape for spec in source.outputs] == [(None, classes)]
    assert source.decoding == {"activation": "softmax"}


def test_the_toolkits_wrappers_are_among_the_allowed_classes():
    from edgevision.keras_loading import WRAPPERS

    assert WRAPPERS <= CLASSES
