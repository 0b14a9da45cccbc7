"""Keras files that carry code are refused before anything loads them; honest ones of every kind pass."""

import json
import zipfile

import pytest

from edgevision.errors import ArtifactError
from edgevision.keras_names import CLASSES, safe_operation
from edgevision.keras_safety import check_keras_file

keras = pytest.importorskip("tf_keras")
h5py = pytest.importorskip("h5py")

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")


@pytest.fixture(scope="module")
def models():
    import tensorflow as tf

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", kernel_regularizer=keras.regularizers.l2(1e-4))(inputs)
    x = tf.nn.relu6(keras.layers.BatchNormalization()(x) * 2.0 + 1.0)[:, 1:]
    x = keras.layers.GlobalAveragePooling2D()(x)
    operators = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    operators.compile("adam", "sparse_categorical_crossentropy")
    plain = keras.Sequential([keras.layers.Conv2D(2, 3, input_shape=(8, 8, 3)), keras.layers.Flatten()])
    return {"operators": operators, "plain": plain}


def writes_a_file(path):
    """A model whose Lambda writes `path` when it is built: exactly what must never happen."""

    def payload(x, target=str(path)):
        open(target, "w").close()
        return x

    return keras.Sequential([keras.layers.Input((2,)), keras.layers.Lambda(payload, name="innocent")])


def edited(path, out, edit):
    """Copy an HDF5 or .keras model with its config changed by `edit(config)`."""
    if path.suffix == ".h5":
        out.write_bytes(path.read_bytes())
        with h5py.File(out, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            edit(config)
            file.attrs["model_config"] = json.dumps(config)
    else:
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
            for name in source.namelist():
                data = source.read(name)
                if name == "config.json":
                    config = json.loads(data)
                    edit(config)
                    data = json.dumps(config).encode()
                target.writestr(name, data)
    return out


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", ["operators", "plain"])
def test_models_of_built_in_layers_pass(models, name, suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    models[name].save(path)
    file = check_keras_file(path)
    assert file.config["class_name"] == {"operators": "Functional", "plain": "Sequential"}[name]
    assert (file.is_keras_3, file.kind) == (False, "zip" if suffix == ".keras" else "hdf5")


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_wrapped_models_of_the_optimization_toolkit_pass(models, suffix, tmp_path):
    tfmot = pytest.importorskip("tensorflow_model_optimization")
    quantized = tfmot.quantization.keras.quantize_model(models["plain"])
    pruned = tfmot.sparsity.keras.prune_low_magnitude(models["plain"])
    for model in (quantized, pruned):
        path = tmp_path / f"{model.name}-{id(model)}{suffix}"
        model.save(path)
        check_keras_file(path)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_lambda_is_refused_and_its_code_never_runs(suffix, tmp_path):
    model = writes_a_file(tmp_path / "owned")
    (tmp_path / "owned").unlink()  # building it here ran it
    path = tmp_path / f"model{suffix}"
    model.save(path)
    with pytest.raises(ArtifactError, match=r"could run code: got Lambda 'innocent'"):
        check_keras_file(path)
    assert not (tmp_path / "owned").exists()


def test_the_payload_is_real(tmp_path):
    """Without the check, tf_keras runs it, safe mode or not; this is why the check exists."""
    model = writes_a_file(tmp_path / "owned")
    model.save(tmp_path / "model.h5")
    (tmp_path / "owned").unlink()
    keras.models.load_model(tmp_path / "model.h5", safe_mode=True, compile=False)
    assert (tmp_path / "owned").exists()


def first_operator(config):
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == "TFOpLambda")


def first_dense(config):
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Dense")


ATTACKS = {
    "a TensorFlow function that writes": lambda c: first_operator(c)["config"].update(function="io.write_file"),
    "a native library": lambda c: first_operator(c)["config"].update(function="load_op_library"),
    "a class of another module": lambda c: first_dense(c).update(module="os"),
    "a module that only begins like Keras": lambda c: first_dense(c).update(module="kerasevil.layers"),
    "an unknown class": lambda c: first_dense(c).update(class_name="Payload"),
    "a raw graph node": lambda c: first_dense(c).update(class_name="TensorFlowOpLayer"),
    "a SavedModel by path": lambda c: first_dense(c).update(class_name="TFSMLayer"),
    "a registered object": lambda c: first_dense(c).update(registered_name="Custom>Dense"),
    "a nested lambda": lambda c: first_dense(c)["config"].update(
        activation={"class_name": "__lambda__", "config": {"value": "4wEA"}}
    ),
    "a function by module": lambda c: first_dense(c)["config"].update(
        activation={"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    ),
    "a download": lambda c: first_dense(c)["config"].update(
        activation={"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "x"}
    ),
    "a function that is no text": lambda c: first_dense(c)["config"].update(
        activation={"module": ["builtins"], "class_name": "function", "config": ["relu"]}
    ),
    "a class name that is no text": lambda c: first_dense(c).update(class_name=["Dense"]),
}


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_configs_that_reach_for_code_are_refused(models, attack, suffix, tmp_path):
    source = tmp_path / f"source{suffix}"
    models["operators"].save(source)
    path = edited(source, tmp_path / f"model{suffix}", ATTACKS[attack])
    with pytest.raises(ArtifactError, match="could run code"):
        check_keras_file(path)


def test_weights_kept_elsewhere_are_refused(models, tmp_path):
    path = tmp_path / "model.h5"
    models["plain"].save(path)
    with h5py.File(path, "r+") as file:
        file["stolen"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(ArtifactError, match="another file"):
        check_keras_file(path)


def test_an_archive_with_more_in_it_is_refused(models, tmp_path):
    path = tmp_path / "model.keras"
    models["plain"].save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("assets/_layer/vocabulary.txt", "x")
    with pytest.raises(ArtifactError, match=r"not a \.keras model"):
        check_keras_file(path)


def test_a_file_that_is_both_formats_is_refused(models, tmp_path):
    models["plain"].save(tmp_path / "a.h5")
    models["plain"].save(tmp_path / "b.keras")
    both = tmp_path / "both.keras"
    both.write_bytes((tmp_path / "a.h5").read_bytes() + (tmp_path / "b.keras").read_bytes())
    with pytest.raises(ArtifactError, match="not a Keras model"):
        check_keras_file(both)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_cut_files_are_damaged_not_tracebacks(models, suffix, keep, tmp_path):
    path = tmp_path / f"model{suffix}"
    models["plain"].save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ArtifactError):
        check_keras_file(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.h5", b""), ("a.keras", b""), ("a.h5", b"GIF89a.."), ("a.keras", b"PK\x03\x04" + b"\0" * 60)],
)
def test_other_files_are_refused(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match="not a Keras model"):
        check_keras_file(tmp_path / name)


def test_a_missing_file_a_folder_and_weights_only(models, tmp_path):
    with pytest.raises(ArtifactError, match="cannot read"):
        check_keras_file(tmp_path / "none.h5")
    with pytest.raises(ArtifactError, match="directory"):
        check_keras_file(tmp_path)
    models["plain"].save_weights(tmp_path / "only.h5")
    with pytest.raises(ArtifactError, match="weights only"):
        check_keras_file(tmp_path / "only.h5")


# --- Keras 3 ---


@pytest.fixture(scope="module")
def keras_3_file(tmp_path_factory):
    """A model of Keras 3 with an operation, and a compiled model inside."""
    keras3 = pytest.importorskip("keras")
    inner = keras3.Sequential([keras3.Input((4,)), keras3.layers.Dense(3, name="dense")], name="inner")
    inner.compile("adam", "mse")
    x = keras3.Input((4,))
    model = keras3.Model(x, keras3.ops.relu6(inner(x) * 2.0))
    model.compile("adam", "mse")
    path = tmp_path_factory.mktemp("keras3") / "model.keras"
    model.save(path)
    return path


def test_a_file_of_keras_3_passes_and_says_what_it_is(keras_3_file):
    file = check_keras_file(keras_3_file)
    assert file.is_keras_3 and file.kind == "zip"
    assert "compile_config" not in json.dumps(file.config)  # of the model inside neither: it would be loaded


def first(config, kind):
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == kind)


KERAS_3_ATTACKS = {
    "a loop with a function": lambda c: first(c, "Relu6").update(module="keras.src.ops.core", class_name="WhileLoop"),
    "an operation of another module": lambda c: first(c, "Relu6").update(module="keras.src.utils.file_utils"),
    "a private name": lambda c: first(c, "Relu6").update(class_name="_evil"),
    "a registered operation": lambda c: first(c, "Relu6").update(registered_name="Custom>Relu6"),
    "a SavedModel by path": lambda c: first(c, "Sequential").update(class_name="TFSMLayer"),
    "a torch module": lambda c: first(c, "Sequential").update(class_name="TorchModuleWrapper"),
    "a lambda": lambda c: first(c, "Relu6")["inbound_nodes"][0]["args"].append({"class_name": "__lambda__"}),
    "a type specification": lambda c: first(c, "Relu6")["config"].update(x={"class_name": "__typespec__"}),
}


@pytest.mark.parametrize("attack", KERAS_3_ATTACKS)
def test_configs_of_keras_3_that_reach_for_code_are_refused(keras_3_file, attack, tmp_path):
    path = edited(keras_3_file, tmp_path / "model.keras", KERAS_3_ATTACKS[attack])
    with pytest.raises(ArtifactError, match="could run code"):
        check_keras_file(path)


def test_every_operation_that_is_let_through_computes_tensors_from_tensors():
    import importlib
    import inspect

    operation = importlib.import_module("keras.src.ops.operation").Operation
    for room in ("core", "image", "linalg", "math", "nn", "numpy"):
        module = importlib.import_module(f"keras.src.ops.{room}")
        for name, made in vars(module).items():
            if safe_operation(module.__name__, name) and getattr(made, "__module__", None) == module.__name__:
                assert issubclass(made, operation)
                assert not {"fn", "function", "body", "cond", "f"} & set(inspect.signature(made).parameters), name


def test_every_layer_of_the_list_exists_and_none_runs_code():
    assert not CLASSES & {"Lambda", "__lambda__", "function", "TFSMLayer", "TensorFlowOpLayer", "__typespec__"}
    known = {name for name in dir(keras.layers) if isinstance(getattr(keras.layers, name), type)}
    aliases = {name for name in known if name != getattr(keras.layers, name).__name__}
    refused = {"AbstractRNNCell", "DenseFeatures", "HashedCrossing", "Hashing", "IntegerLookup", "Lambda", "Layer",
               "StringLookup", "TextVectorization", "Wrapper"}  # fmt: skip
    assert known - aliases - CLASSES == refused
