"""The keras runtime: the float reference, which never runs code of a file."""

import subprocess
import sys

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.errors import ArtifactError, BackendUnavailableError
from edgevision.runtimes import load

keras = pytest.importorskip("tf_keras", reason="the extra train is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_it_answers_as_keras_does_at_inference(suffix, tmp_path):
    layers = [
        keras.layers.Conv2D(4, 3, input_shape=(8, 8, 3)),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5),
    ]
    model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")])
    model.save(tmp_path / f"model{suffix}")
    values = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    with load(Artifact.describe(tmp_path / f"model{suffix}"), options={"batch": 2}) as loaded:
        assert (loaded.facts["package"], loaded.facts["precision"]) == ("tf-keras", "float32")
        (answer,) = loaded.infer([values])
    np.testing.assert_allclose(answer, model(values, training=False).numpy(), atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_of_keras_3_run_in_keras_3(suffix, tmp_path):
    keras_3 = pytest.importorskip("keras")
    left, right = keras_3.Input((4,), name="left"), keras_3.Input((4,), name="right")
    norm = keras_3.layers.RMSNormalization(name="norm")(left)  # tf_keras does not have it
    model = keras_3.Model([left, right], [norm, keras_3.layers.Dense(2, name="last")(right)])
    model.save(tmp_path / f"model{suffix}")
    values = [np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32) for _ in range(2)]
    with load(Artifact.describe(tmp_path / f"model{suffix}"), options={"batch": 2}) as loaded:
        assert loaded.facts["package"] == "keras" and loaded.facts["version"].startswith("3.")
        assert [spec.name for spec in (*loaded.inputs, *loaded.outputs)] == ["left", "right", "norm", "last"]
        answers = loaded.infer(values)
    for answer, expected in zip(answers, model(values, training=False), strict=True):
        np.testing.assert_allclose(answer, np.asarray(expected), atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_is_refused_before_it_runs(suffix, tmp_path):
    target = tmp_path / "owned"

    def payload(x, where=str(target)):
        open(where, "w").close()
        return x

    keras.Sequential([keras.layers.Input((2,)), keras.layers.Lambda(payload)]).save(tmp_path / f"model{suffix}")
    target.unlink()  # building it here ran it
    with pytest.raises(ArtifactError, match="could run code"):
        load(Artifact.describe(tmp_path / f"model{suffix}"))
    assert not target.exists()


def test_pruning_wrappers_are_taken_off(tmp_path):
    toolkit = pytest.importorskip("tensorflow_model_optimization", reason="the extra compress is not installed")
    model = toolkit.sparsity.keras.prune_low_magnitude(keras.Sequential([keras.layers.Dense(2, input_shape=(2,))]))
    model.save(tmp_path / "pruned.h5")
    values = np.ones((1, 2), np.float32)
    with load(Artifact.describe(tmp_path / "pruned.h5")) as loaded:
        assert [type(layer).__name__ for layer in loaded.model.layers] == ["Dense"]
        (answer,) = loaded.infer([values])
    np.testing.assert_allclose(answer, model(values, training=False).numpy(), atol=1e-6)


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built:UserWarning")
def test_a_model_without_an_input_shape_is_refused(tmp_path):
    keras.Sequential([keras.layers.Dense(3)]).save(tmp_path / "open.keras")
    with pytest.raises(ArtifactError, match=r"without a fixed input.*give it an Input layer"):
        load(Artifact.describe(tmp_path / "open.keras"))


def test_weights_that_do_not_fit_their_config(tmp_path):
    h5py = pytest.importorskip("h5py")
    keras.Sequential([keras.layers.Dense(2, input_shape=(2,))]).save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace('"units": 2', '"units": 5')
    with pytest.raises(ArtifactError, match=r"loading model\.h5 failed: .*; save it again with tf_keras") as caught:
        load(Artifact.describe(tmp_path / "model.h5"))
    assert caught.value.__cause__ is not None


def test_without_tf_keras_the_error_names_the_extra(tmp_path, monkeypatch):
    keras.Sequential([keras.layers.Dense(2, input_shape=(2,))]).save(tmp_path / "model.keras")
    monkeypatch.setattr("edgevision.runtimes.base.available", lambda module: False)
    with pytest.raises(BackendUnavailableError, match=r'pip install "edgevision\[train\]"'):
        load(Artifact.describe(tmp_path / "model.keras"))


@pytest.mark.parametrize(("options", "threads"), [({}, None), ({"threads": 1}, 1), ({"threads": None}, None)])
def test_the_threads_of_the_process_are_left_alone_unless_asked(options, threads, tmp_path):
    """In a process of its own: TensorFlow takes the number once, and training in the same process would have it too."""
    keras.Sequential([keras.layers.Dense(2, input_shape=(2,))]).save(tmp_path / "model.keras")
    code = f"""
from edgevision.artifact import Artifact
from edgevision.runtimes import load
import tensorflow as tf
with load(Artifact.describe({str(tmp_path / "model.keras")!r}), options={options!r}) as model:
    assert model.facts["threads"] == {threads!r}, model.facts
assert tf.config.threading.get_intra_op_parallelism_threads() == {threads or 0}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
