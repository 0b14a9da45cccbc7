"""Models that Keras 3 saved become models of tf_keras that answer the same; what cannot be translated is named."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from edgevision.converters import convert, load_source
from edgevision.converters.channel_pruning import prune_channels
from edgevision.converters.channel_report import ChannelTarget
from edgevision.converters.pruning import prune
from edgevision.converters.quantization import quantize_aware
from edgevision.errors import ArtifactError, BackendUnavailableError, ConversionError, UntranslatableError
from edgevision.keras_loading import load_keras3_model
from edgevision.keras_safety import check_keras_file
from edgevision.preprocessing import Preprocessing

keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")
L = keras.layers
ops = keras.ops


def randomized(model):
    """The model with weights that tell every mistake: nothing is 0 or 1, as it was when it was made."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "seed" in weight.path:
            continue
        if weight.path.endswith(("variance", "gamma")):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        else:
            weight.assign(rng.normal(0, 0.5 / np.sqrt(max(1, np.prod(weight.shape[:-1]))), weight.shape))
    return model


@pytest.fixture
def load(tmp_path):
    """load(model) -> the source made of the file that Keras 3 saves of it, with other weights."""

    def load(model, suffix=".keras"):
        path = tmp_path / f"model{suffix}"
        randomized(model).save(path)
        return load_source(path)

    return load


def chain(*layers, shape=(8, 8, 4)):
    x = start = keras.Input(shape, name="image")
    for layer in layers:
        x = layer(x)
    return keras.Model(start, x, name="chain")


def edited(path, edit_config=None, edit_weights=None):
    """Change a .keras file: its config, or its weights as an open HDF5 file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if edit_config:
        config = json.loads(members["config.json"])
        edit_config(config)
        members["config.json"] = json.dumps(config).encode()
    if edit_weights:
        weights = path.with_suffix(".h5")
        weights.write_bytes(members["model.weights.h5"])
        with h5py.File(weights, "r+") as file:
            edit_weights(file)
        members["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


# --- what is translated ---


def layers_of_images():
    return chain(
        L.SeparableConv2D(6, 3, padding="same", depth_multiplier=2, activation="hard_sigmoid", name="separable"),
        L.GroupNormalization(3), L.LayerNormalization(), L.UnitNormalization(), L.PReLU(shared_axes=[1, 2]),
        L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu6"), L.ELU(0.7), L.LeakyReLU(),
        L.ZeroPadding2D(((1, 0), (0, 2))), L.Cropping2D(1), L.UpSampling2D(2, interpolation="bilinear"),
        L.Resizing(9, 9), L.CenterCrop(8, 8), L.AveragePooling2D(2, 1, "same"), L.MaxPooling2D(2),
        L.Conv2D(6, 3, groups=2, padding="same", activation=L.LeakyReLU(0.1)),
        L.DepthwiseConv2D(3, padding="same", activation="hard_silu", name="depthwise"), L.SpatialDropout2D(0.1),
        L.Rescaling([1, 2, 3, 4, 5, 6.0], 0.5), L.Normalization(mean=[0.5] * 6, variance=[1, 2, 3, 4, 5, 6.0]),
        L.BatchNormalization(scale=False), L.ReLU(6, negative_slope=0.1, threshold=0.2), L.Activation("hard_swish"),
        L.Permute((2, 1, 3)), L.GlobalAveragePooling2D(keepdims=True), L.Flatten(), L.Dropout(0.5),
        L.Dense(3, activation="softmax", kernel_regularizer="l2", name="scores"),
    )  # fmt: skip


def layers_of_sequences():
    return chain(
        L.Reshape((16, 16)), L.Conv1D(5, 3, padding="causal", activation="hard_tanh"), L.MaxPooling1D(2),
        L.SeparableConv1D(4, 3, activation="log_sigmoid"), L.TimeDistributed(L.Dense(5)),
        L.Bidirectional(L.LSTM(3, return_sequences=True)), L.GRU(4, return_sequences=True),
        L.EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d", activation="tanh_shrink"),
        L.GlobalAveragePooling1D(), L.RepeatVector(2), L.Flatten(), L.Dense(4),
    )  # fmt: skip


def operators():
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(4, 3, padding="same", activation=keras.activations.gelu, name="conv")(image)
    y = L.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)
    x = 2.0 - (x * y - 1.0 / (ops.abs(y) + 2)) / 0.5
    x = ops.hard_swish(ops.leaky_relu(ops.relu6(x), negative_slope=0.1))
    x = ops.gelu(ops.silu(x)[:, 1:, ::2], approximate=True)
    x = ops.clip(ops.pad(x, ((0, 0), (1, 1), (0, 1), (0, 0))), 0, 6)
    x = ops.concatenate([x, ops.max_pool(x, 3, 1, padding="same"), ops.average_pool(x, 3, 1, padding="same")], axis=-1)
    x = ops.transpose(x * np.linspace(1, 2, 12, dtype=np.float32), (0, 2, 1, 3))
    x = ops.maximum(-x * ops.mean(x, axis=(1, 2), keepdims=True), ops.square(x) - 4)
    x = ops.squeeze(ops.expand_dims(ops.sum(x, axis=1), 1), 1)
    left, right = ops.split(ops.reshape(x, (-1, int(np.prod(x.shape[1:])))), 2, axis=-1)
    return keras.Model(image, ops.softmax(left + ops.stack([right, right], axis=1)[:, 0]), name="operators")


def attention():
    x = tokens = keras.Input((16, 8), name="tokens")
    x = L.LayerNormalization()(x + L.MultiHeadAttention(2, 4, name="attention")(x, x))
    return keras.Model(tokens, L.Dense(3)(x[:, 0]), name="attention_model")


@pytest.mark.parametrize("make", [layers_of_images, layers_of_sequences, operators, attention])
def test_a_translated_model_answers_as_the_file_does_in_keras_3(make, load):
    source = load(make())
    step = source.lineage[-1]
    assert step.step == "import" and step.parameters["from"].startswith("Keras 3.")
    assert step.parameters["max_difference"] < 1e-5 and step.parameters["samples"] == 4
    assert {"keras", "tf-keras"} <= set(step.tools)
    assert type(source.model).__module__.startswith("tf_keras")


def test_layers_keep_their_names_and_settings(load):
    model = load(layers_of_images()).model
    assert model.name == "chain" and model.input_names == ["image"] and model.output_names == ["scores"]
    assert type(model.get_layer("separable")).__name__ == "SeparableConv2D"
    assert float(model.get_layer("scores").kernel_regularizer.l2) == pytest.approx(0.01)


def test_hard_sigmoid_is_translated_by_its_meaning(load):
    model = load(chain(L.Conv2D(4, 1, activation="hard_sigmoid", name="gate"))).model
    x = np.linspace(-4, 4, 8 * 8 * 4, dtype=np.float32).reshape(1, 8, 8, 4)
    kernel, bias = model.get_layer("gate").get_weights()
    expected = np.clip((x @ kernel[0, 0] + bias + 3) / 6, 0, 1)
    assert np.allclose(model(x), expected, atol=1e-6)
    assert not np.allclose(np.clip(0.2 * (x @ kernel[0, 0] + bias) + 0.5, 0, 1), expected, atol=1e-2)


def nested():
    """A model used three times, a name that occurs twice, a layer used twice, two outputs."""
    base = chain(L.Conv2D(4, 3, padding="same", name="conv"), L.BatchNormalization(), L.ReLU(name="end"))
    image = keras.Input((8, 8, 4), name="picture")
    shared = L.Conv2D(4, 1, name="shared")
    x = shared(shared(L.Conv2D(4, 3, padding="same", name="conv")(image)))
    return keras.Model(image, [base(base(x), training=False), base(x)], name="nested")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_models_inside_are_built_flat_with_one_set_of_weights(suffix, load):
    model = load(nested(), suffix).model
    names = [layer.name for layer in model.layers]
    assert sorted(name for name in names if "conv" in name) == ["chain_conv", "conv"]
    assert len(model.get_layer("chain_conv").inbound_nodes) == 3 and len(model.get_layer("shared").inbound_nodes) == 2
    assert len(model.outputs) == 2 and not any(hasattr(layer, "layers") for layer in model.layers)


def test_inputs_and_outputs_with_names_are_in_the_order_of_their_names(load):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model({"b": b, "a": a}, {"y": L.Rescaling(2.0, name="double")(a), "x": L.Dense(2, name="last")(b)})
    source = load(model)
    assert [spec.name for spec in (*source.inputs, *source.outputs)] == ["a", "b", "last", "double"]


def test_a_sequential_model_and_one_in_half_precision(load):
    source = load(keras.Sequential([keras.Input((4,)), L.Dense(3, dtype="mixed_float16", activation="hard_silu")]))
    assert source.lineage[-1].parameters["tolerance"] == 0.02  # compared as it is in the file
    assert source.model.layers[1].compute_dtype == "float32"  # and then wide, as every model is converted


def test_measured_statistics_of_an_input_and_layers_for_training_images_only(tmp_path):
    images = np.random.default_rng(0).normal(3, 2, (10, 8, 8, 4)).astype(np.float32)
    normalization = L.Normalization(name="measured")
    normalization.adapt(images)
    chain(L.RandomFlip(name="flip"), normalization, L.RandomZoom(0.1, name="zoom")).save(tmp_path / "model.keras")
    source = load_source(tmp_path / "model.keras")
    assert [layer.name for layer in source.model.layers] == ["image", "measured"]
    assert source.lineage[-1].parameters["left_out"] == ["flip", "zoom"]
    assert abs(float(np.mean(source.model(images)))) < 1e-4


def test_files_of_before_names_were_noted_are_read_by_order_and_class(tmp_path):
    path = tmp_path / "model.keras"
    randomized(nested()).save(path)

    def forget(file):
        file.visititems(lambda place, item: item.attrs.pop("name", None) and None)

    assert load_source(edited(path, edit_weights=forget)).lineage[-1].parameters["max_difference"] < 1e-5


def test_images_are_among_the_samples_where_preprocessing_is_known(tmp_path):
    from edgevision.adopt import adopt

    chain(L.Conv2D(2, 3), L.GlobalAveragePooling2D(), shape=(8, 8, 3)).save(tmp_path / "model.keras")
    artifact = adopt(tmp_path / "model.keras", tmp_path / "made", preprocessing={"mean": [128], "std": [64]})
    assert artifact.manifest.inputs[0].layout == "NHWC"
    source = load_source(artifact.path)
    assert source.preprocessing == Preprocessing(8, 8, mean=(128.0,), std=(64.0,))
    assert source.lineage[-1].parameters["samples"] == 6 and [s.step for s in source.lineage] == ["adopt", "import"]


# --- and then ---


def mobilenet():
    image = keras.Input((8, 8, 3), name="image")
    x = L.BatchNormalization()(L.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(image))
    x = L.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False, name="depthwise_conv")(L.ReLU(6.0)(x))
    x = L.Conv2D(16, 1, use_bias=False, name="pointwise_conv")(L.ReLU(6.0)(L.BatchNormalization()(x)))
    x = L.GlobalAveragePooling2D()(L.ReLU(6.0)(L.BatchNormalization()(x)))
    return keras.Model(image, L.Dense(3, activation="softmax", name="scores")(x))


def residual():
    image = keras.Input((8, 8, 3), name="image")
    x = ops.relu(L.BatchNormalization()(L.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(image)))
    x = ops.relu(L.Conv2D(8, 3, padding="same", name="second_conv")(x) + x)
    return keras.Model(image, L.Dense(3, name="scores")(ops.mean(x, axis=(1, 2))))


@pytest.mark.parametrize("make", [pytest.param(mobilenet, marks=pytest.mark.slow), residual])
def test_models_of_keras_3_are_pruned_quantized_and_exported(make, load, stripes, tmp_path):
    pytest.importorskip("tensorflow_model_optimization")
    source = replace(
        load(make()), preprocessing=Preprocessing(8, 8, mean=(128.0,), std=(64.0,)), labels=stripes.labels,
        task="classification",
    )  # fmt: skip
    assert source.decoding == {"activation": "softmax" if make is mobilenet else "logits"}
    smaller, channels = prune_channels(source, None, target=ChannelTarget("macs", 0.9), multiple=2, epochs=0)
    assert channels.after.macs <= 0.9 * channels.before.macs and channels.identity_error < 1e-3
    pruned, report = prune(smaller, stripes, target_sparsity=0.5, epochs=1)
    assert report.measured_sparsity == pytest.approx(0.5, abs=0.05)
    trained, done = quantize_aware(pruned, stripes, epochs=0)
    assert "stem" in done.quantized and not [layer for layer, _ in done.skipped if "conv" in layer]
    for to in ("tflite", "openvino"):
        made = convert(trained, tmp_path, to=to)
        assert made.artifact.manifest.scheme == "static_wi8_ai8" and not made.report.skipped
        steps = [step.step for step in made.artifact.manifest.lineage]
        assert steps == ["import", "prune", "prune", "quantize", "convert"]


def test_the_reference_model_of_keras_3(shared_data):
    source = load_source(shared_data / "models/imagenet/mobilenet_v2_torchvision.keras")
    assert source.outputs[0].shape == (None, 1000) and source.decoding == {"activation": "logits"}
    assert source.lineage[-1].parameters["max_difference"] < 1e-5


# --- what is not ---


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (lambda: L.RMSNormalization(name="odd"), r"layer odd \(RMSNormalization\) .*no such layer"),
        (lambda: L.Conv2D(2, 3, activation="celu", name="odd"), r"layer odd \(Conv2D\) .*activation celu"),
        (lambda: L.Resizing(4, 4, antialias=True, name="odd"), r"layer odd \(Resizing\) .*setting antialias=True"),
        (lambda: L.Conv2D(2, 3, data_format="channels_first", name="odd"), r"layer odd .*channels come first"),
        (lambda: lambda x: ops.roll(x, 1), r"layer roll\w* \(Roll\) .*no layer"),
    ],
)
def test_what_tf_keras_does_not_have_is_named_with_the_way_out(layer, named, load):
    made = layer()
    with pytest.raises(UntranslatableError, match=named) as caught:
        load(chain(made))
    assert "quantize --method ptq" in caught.value.next_step


def test_a_translation_that_answers_differently_names_the_first_layer(load, monkeypatch):
    from edgevision.converters import keras3_activations

    monkeypatch.setitem(keras3_activations._BUILT, "relu6", keras3_activations._hard_tanh)
    layers = (L.Conv2D(4, 3, name="first"), L.Conv2D(4, 3, activation="relu6", name="odd"), L.Flatten())
    with pytest.raises(UntranslatableError, match=r"differently, from layer odd \(Conv2D\) on: got a difference"):
        load(chain(*layers))


def first_kernel(file, value):
    place = next(name for name in ("layers/conv2d/vars/0", "layers/dense/vars/0") if name in file)
    shape = file[place].shape
    del file[place]
    if value is not None:
        file[place] = np.full(value or shape, np.nan, np.float32)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ((5, 5), ArtifactError, r"layer conv do not fit it: got \[5, 5\], \[2\]; allowed: \[3, 3, 4, 2\], \[2\]"),
        (None, ArtifactError, r"weights of layer conv do not fit it: got \[2\];"),
        ((), ConversionError, "weights are NaN or infinite: got conv/kernel"),
    ],
)
def test_weights_that_do_not_fit_are_missing_or_no_numbers(value, error, message, tmp_path):
    chain(L.Conv2D(2, 3, name="conv")).save(tmp_path / "model.keras")
    edited(tmp_path / "model.keras", edit_weights=lambda file: first_kernel(file, value))
    with pytest.raises(error, match=message):
        load_source(tmp_path / "model.keras")


def test_weights_that_are_left_over(tmp_path):
    chain(L.Conv2D(2, 3, name="conv")).save(tmp_path / "model.keras")
    path = edited(tmp_path / "model.keras", edit_weights=lambda f: f.create_dataset("layers/dense/vars/0", data=[1.0]))
    with pytest.raises(ArtifactError, match=r"belong to no layer: got layers/dense/vars/0"):
        load_source(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda config: config["config"]["layers"][1].pop("inbound_nodes"),
        lambda config: config["config"]["layers"][1].update(inbound_nodes=[]),
        lambda config: config["config"].update(output_layers=["none", 0, 0]),
        lambda config: config["config"].pop("layers"),
        lambda config: config.update(config=[]),
    ],
)
def test_graphs_that_are_damaged(damage, tmp_path):
    chain(L.Conv2D(2, 3, name="conv")).save(tmp_path / "model.keras")
    with pytest.raises(ArtifactError, match=r"damaged|does not begin"):
        load_source(edited(tmp_path / "model.keras", edit_config=damage))


def test_keras_3_itself_loads_the_checked_config_only(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    chain(L.Conv2D(2, 3, name="conv")).save(path)
    checked = check_keras_file(path)
    edited(path, edit_config=lambda config: config["config"]["layers"].clear())  # after the check
    assert [layer.name for layer in load_keras3_model(path, checked).layers] == ["image", "conv"]
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(BackendUnavailableError, match="KERAS_BACKEND=tensorflow"):
        load_keras3_model(path, checked)
