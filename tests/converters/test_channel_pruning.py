"""Channel pruning: what goes together goes together, and what is left computes what the masked original computes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from edgevision.converters.channel_graph import ChannelGraph
from edgevision.converters.channel_pruning import prune_channels
from edgevision.converters.channel_report import ChannelTarget
from edgevision.converters.channel_surgery import identity_error, masked_model, smaller_model
from edgevision.converters.costs import model_costs
from edgevision.converters.distillation import Distillation
from edgevision.converters.fine_tuning import FineTuner, FineTuning
from edgevision.converters.keras_import import SourceModel, load_source, save_keras_artifact
from edgevision.errors import ConfigError, ConversionError, DatasetError
from edgevision.preprocessing import Preprocessing

keras = pytest.importorskip("tf_keras", reason="the extra train is not installed")

PIXELS = Preprocessing(height=16, width=16, mean=(125.0,) * 3, std=(60.0,) * 3)
HALF = ChannelTarget("macs", 0.5)


def source_of(build):
    model = build(keras)
    return SourceModel(
        model, model.name, PIXELS, ("across", "down", "plain"), "classification", {"activation": "softmax"}
    )


@pytest.fixture(scope="module")
def images(make_stripes):
    return make_stripes(16)


def _finish(keras, image, x, name):
    outputs = keras.layers.Dense(3, activation="softmax", name="scores")(x)
    return randomized(keras.Model(image, outputs, name=name))


def randomized(model, seed=0):
    """Give every weight a value of its own, those of batch norms as after a training."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if hasattr(layer, "layers"):
            randomized(layer, seed + 1)
            continue
        weights = [rng.normal(0, 0.3, weight.shape).astype(np.float32) for weight in layer.get_weights()]
        if "Normalization" in type(layer).__name__ and len(weights) == 4:
            weights = [np.abs(weight) + 0.2 if place in (0, 3) else weight for place, weight in enumerate(weights)]
        layer.set_weights(weights)
    return model


def residual(keras):
    """Two blocks with additions, a stage between them, batch norm after some."""
    L = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = stem = L.Conv2D(16, 3, padding="same", name="stem")(image)
    x = L.ReLU()(L.BatchNormalization(name="norm")(x))
    x = L.Conv2D(24, 3, padding="same", activation="relu", name="inner")(x)
    x = L.Conv2D(16, 3, padding="same", name="last")(x)
    x = L.LeakyReLU()(L.Add()([x, stem]))
    x = L.Conv2D(32, 1, name="wide")(L.MaxPooling2D()(x))
    return _finish(keras, image, L.GlobalAveragePooling2D()(x), "residual")


def mobile(keras):
    """Inverted bottlenecks: depthwise and separable convolutions, a multiplier, squeeze and excite, PReLU."""
    L = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = narrow = L.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="stem")(image)
    x = L.PReLU(shared_axes=(1, 2), name="slopes")(L.Conv2D(48, 1, name="expand")(x))
    x = L.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = L.ReLU(6.0)(L.BatchNormalization(name="depthwise_norm")(x))
    gate = L.Reshape((1, 1, 48))(L.GlobalAveragePooling2D()(x))
    gate = L.Conv2D(16, 1, activation="relu", name="squeeze")(gate)
    gate = L.Conv2D(48, 1, activation="sigmoid", name="excite")(gate)
    x = L.Conv2D(16, 1, name="project")(L.Multiply()([x, gate]))
    x = L.Add()([x, narrow])
    x = L.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="doubled")(x)
    x = L.SeparableConv2D(32, 3, padding="same", depth_multiplier=2, activation="relu", name="separable")(x)
    return _finish(keras, image, L.GlobalMaxPooling2D(keepdims=False)(x), "mobile")


def branches(keras):
    """Concatenation, up-sampling, padding, cropping, a transposed convolution, flattening into dense layers."""
    L = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = L.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="stem")(image)
    one = L.Conv2D(24, 3, padding="same", name="one")(x)
    two = L.UpSampling2D()(L.Conv2D(16, 3, strides=2, padding="same", name="two")(x))
    x = L.Concatenate()([one, two, x])
    x = L.BatchNormalization(name="norm")(x)
    x = L.Cropping2D(1)(L.ZeroPadding2D(1)(x))
    x = L.Conv2DTranspose(16, 2, strides=2, name="up")(x)
    x = L.AveragePooling2D(4)(L.Activation("swish")(x))
    x = L.Dropout(0.3)(L.Dense(32, activation="tanh", name="hidden")(L.Flatten()(x)))
    return _finish(keras, image, x, "branches")


def shared(keras):
    """One convolution used twice, and a model inside the model."""
    L = keras.layers
    inner_in = keras.Input((16, 16, 16), name="inner_in")
    inner_out = L.Conv2D(24, 3, padding="same", activation="relu", name="inner_conv")(inner_in)
    inner = keras.Model(inner_in, inner_out, name="inner")
    image = keras.Input((16, 16, 3), name="image")
    twice = L.Conv2D(16, 3, padding="same", activation="relu", name="twice")
    x = L.Conv2D(16, 3, padding="same", name="stem")(image)
    x = inner(twice(twice(x)))
    x = L.Conv2D(16, 1, name="last")(x)
    return _finish(keras, image, L.GlobalAveragePooling2D()(x), "shared")


def grouped(keras):
    """Convolutions in groups, one of them with a group for each channel, and a multiplier."""
    L = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = L.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0], name="given")(image)
    x = L.Conv2D(32, 3, name="stem")(x)
    x = L.Conv2D(64, 3, groups=32, padding="same", name="each")(x)
    x = L.Conv2D(48, 1, name="mix")(L.ReLU()(x))
    x = L.Conv2D(24, 3, groups=12, activation="relu", name="fours")(x)
    x = L.Conv2D(16, 1, name="last")(x)
    return _finish(keras, image, L.GlobalAveragePooling2D()(x), "grouped")


def sequential(keras):
    """A plain stack."""
    L = keras.layers
    stack = [
        keras.Input((16, 16, 3), name="image"),
        L.Conv2D(16, 3, name="first"),
        L.BatchNormalization(name="norm"),
        L.ReLU(),
        L.Conv2D(32, 3, name="second"),
        L.GlobalAveragePooling2D(),
        L.Dense(3, name="scores"),
        L.Softmax(),
    ]
    return randomized(keras.Sequential(stack, name="sequential"))


def operators(keras):
    """Functions of TensorFlow in place of layers."""
    import tensorflow as tf

    L = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = L.Conv2D(16, 3, padding="same", name="stem")(image)
    y = L.Conv2D(16, 3, padding="same", name="other")(tf.nn.relu6(x + 3.0))
    x = tf.nn.relu(x * y)
    x = L.Conv2D(16, 1, name="last")(x)
    return _finish(keras, image, tf.reduce_mean(x, [1, 2]), "operators")


ALL = (residual, mobile, branches, shared, grouped, sequential, operators)


@pytest.mark.parametrize("build", ALL, ids=lambda build: build.__name__)
def test_the_smaller_model_computes_what_the_masked_original_computes(build):
    source = source_of(build)
    before = [weight.copy() for weight in source.model.get_weights()]
    pruned, report = prune_channels(source, None, target=HALF, epochs=0)

    masked = randomized(build(keras))
    assert all(np.array_equal(a, b) for a, b in zip(masked.get_weights(), before, strict=True))
    for layer in report.layers:  # mask by hand: the filters that went, and the batch norms behind them
        gone = np.setdiff1d(np.arange(layer.before), layer.kept)
        assert len(layer.kept) == layer.after and layer.after % 8 == 0
        zero_filters(find(masked, layer.layer), gone)
    for norm, maker in {"norm": norm_maker(build), "depthwise_norm": "expand"}.items():
        kept = {layer.layer: layer for layer in report.layers}
        if has(masked, norm) and maker in kept:
            zero_norm(find(masked, norm), np.setdiff1d(np.arange(kept[maker].before), kept[maker].kept))
    inputs = np.random.default_rng(3).normal(0, 1, (8, 16, 16, 3)).astype(np.float32)
    if build in (residual, sequential, shared):
        assert np.allclose(pruned.model(inputs), masked(inputs), atol=1e-5)
    assert not np.allclose(pruned.model(inputs), source.model(inputs), atol=1e-3)

    assert report.identity_error < 1e-5
    assert report.after.macs <= 0.5 * report.before.macs
    assert pruned.model.count_params() == report.after.parameters < report.before.parameters
    assert [layer.name for layer in pruned.model.layers] == [layer.name for layer in source.model.layers]
    assert all(np.array_equal(a, b) for a, b in zip(source.model.get_weights(), before, strict=True))
    json.dumps(report.to_dict())


def norm_maker(build):
    return {residual: "stem", sequential: "first"}.get(build)


def has(model, name):
    return any(layer.name == name for layer in model.layers)


def find(model, name):
    for layer in model.layers:
        if layer.name == name:
            return layer
        if hasattr(layer, "layers") and (found := find(layer, name)) is not None:
            return found
    return None


def zero_filters(layer, gone):
    weights = layer.get_weights()
    kind = type(layer).__name__
    for place, weight in enumerate(weights):
        if weight.ndim == 1:
            weight[gone] = 0
        elif kind == "Conv2DTranspose":
            weight[:, :, gone] = 0
        elif kind != "SeparableConv2D" or place == 1:
            weight[..., gone] = 0
    layer.set_weights(weights)


def zero_norm(layer, gone):
    gamma, beta, *statistics = layer.get_weights()
    gamma[gone] = beta[gone] = 0
    layer.set_weights([gamma, beta, *statistics])


def test_channels_that_meet_go_together_and_the_others_alone():
    groups = {block for block in prune_channels(source_of(residual), None, target=HALF, epochs=0)[1].groups}
    assert groups == {("last", "stem"), ("inner",), ("wide",)}
    groups = set(prune_channels(source_of(mobile), None, target=HALF, epochs=0)[1].groups)
    assert groups == {("excite", "expand"), ("project", "stem"), ("squeeze",), ("separable",)}


def test_a_wrong_mask_is_noticed():
    model = residual(keras)
    graph = ChannelGraph(model)
    roots = graph.roots(next(axis for axis in graph.axes if axis.layer.name == "inner").channels).tolist()
    smaller, masked = smaller_model(model, graph, roots[:8]), masked_model(model, graph, roots[8:16])
    with pytest.raises(ConversionError, match="differs from the masked original"):
        identity_error(smaller, masked)


def test_an_unknown_layer_is_named_and_its_channels_stay_whole():
    image = keras.Input((16, 16, 3), name="image")
    x = keras.layers.Conv2D(16, 3, name="before")(image)
    x = keras.layers.LayerNormalization(name="across")(x)
    x = keras.layers.Conv2D(16, 3, name="whole")(x)
    x = keras.layers.UnitNormalization(name="unit")(x)
    x = keras.layers.Conv2D(32, 3, name="after")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = randomized(keras.Model(image, keras.layers.Dense(3, name="scores")(x)))
    source = replace(source_of(residual), model=model, decoding={"activation": "logits"})
    pruned, report = prune_channels(source, None, target=ChannelTarget("macs", 0.95), epochs=0)
    reasons = dict(report.skipped)
    assert set(reasons) == {"before", "across", "whole", "unit", "scores"}
    assert "across its channels" in reasons["across"] and "meet a layer that keeps them whole" in reasons["whole"]
    assert [layer.layer for layer in report.layers] == ["after"]
    assert pruned.model.get_layer("before").filters == 16


@pytest.mark.parametrize("importance", ["l1", "l2", "bn_scale", "taylor"])
def test_the_least_important_channels_go(images, importance):
    source = source_of(sequential)
    weights = source.model.get_layer("first").get_weights()
    gamma, beta, *statistics = source.model.get_layer("norm").get_weights()
    weak = [1, 3, 4, 7, 8, 10, 13, 15]
    for values in (weights[0], weights[1], gamma, beta):
        values[..., weak] *= 0.01
    source.model.get_layer("first").set_weights(weights)
    source.model.get_layer("norm").set_weights([gamma, beta, *statistics])
    _, report = prune_channels(
        source, images, target=ChannelTarget("macs", 0.6), importance=importance, layers=["first"], epochs=0
    )
    assert set(report.layers[0].kept) == set(range(16)) - set(weak)


def test_without_a_batch_norm_nothing_speaks_for_channels_in_its_terms():
    target = ChannelTarget("macs", 0.9)
    _, report = prune_channels(source_of(residual), None, target=target, importance="bn_scale", epochs=0)
    reasons = dict(report.skipped)
    assert reasons["inner"] == "no scale of a batch norm speaks for its channels; use l1, l2 or taylor"
    assert set(reasons) == {"inner", "wide", "scores"} and "model's output" in reasons["scores"]
    _, report = prune_channels(
        source_of(residual), None, target=target, importance="bn_scale", layers=["stem", "last", "inner"], epochs=0
    )
    assert set(dict(report.skipped)) == {"inner"}
    with pytest.raises(ConfigError, match=r"inner: no scale of a batch norm.*choose"):
        prune_channels(
            source_of(residual), None, target=target, importance="bn_scale", layers=["stem", "inner"], epochs=0
        )
    _, report = prune_channels(source_of(residual), None, target=target, layers=["stem", "inner"], epochs=0)
    assert dict(report.skipped) == {"stem": "it shares channels with layers that were not chosen"}


def test_targets_scopes_and_steps(images):
    source = source_of(mobile)
    before = model_costs(source.model)
    _, report = prune_channels(source, None, target=ChannelTarget("parameters", 0.6), scope="per_layer", epochs=0)
    assert report.after.parameters <= 0.6 * before.parameters
    sizes = []

    def measure(model):
        sizes.append(4 * model.model.count_params())
        return sizes[-1]

    wanted = 3 * before.parameters
    _, report = prune_channels(source, None, target=ChannelTarget("bytes", wanted, measure), multiple=4, epochs=0)
    assert report.reached <= wanted < report.before.parameters * 4 and len(sizes) < 12
    assert all(layer.after % 4 == 0 for layer in report.layers)
    seen = []
    pruned, report = prune_channels(
        source, images, target=HALF, steps=2, epochs=3, batch_size=64, progress=lambda epoch, record: seen.append(epoch)
    )
    assert seen == [1, 2, 3] and len(report.history) == 3 and report.after.macs <= before.macs / 2
    for layer in report.layers:
        assert len(layer.kept) == report_width(pruned.model, layer.layer) and max(layer.kept) < layer.before


def report_width(model, name):
    layer = find(model, name)
    return getattr(layer, "filters", None) or layer.units


def test_fine_tuning_with_a_teacher_repeats_itself_and_the_result_is_a_model_like_any_other(images, tmp_path):
    source = source_of(residual)
    options = {"epochs": 2, "batch_size": 64, "seed": 3, "distillation": Distillation(source)}
    first, second = (prune_channels(source, images, target=HALF, **options) for _ in range(2))
    pairs = zip(first[0].model.get_weights(), second[0].model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert first[1].history[0]["accuracy"] <= 1
    step = first[0].lineage[-1]
    assert step.parameters["method"] == "channels" and step.parameters["distillation"]["teacher"] == source.name
    again = load_source(save_keras_artifact(first[0], tmp_path / "pruned").path)
    assert model_costs(again.model) == first[1].after


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": HALF, "importance": "l3"}, ConfigError, "importance: got l3"),
        ({"target": HALF, "scope": "local"}, ConfigError, "global, per_layer"),
        ({"target": HALF, "multiple": 0}, ConfigError, "multiple of channel pruning: got 0"),
        ({"target": HALF, "steps": 0}, ConfigError, "steps of channel pruning: got 0"),
        ({"target": HALF, "epochs": 1}, ConfigError, r"fine-tuning needs labelled images.*ask for 0 epochs"),
        ({"target": HALF, "importance": "taylor"}, ConfigError, r"taylor needs labelled images.*take another one"),
        ({"target": HALF, "seed": -1}, ConfigError, "seed: got -1"),
        ({"target": HALF, "layers": ["stm"]}, ConfigError, "got stm; allowed: stem"),
        ({"target": HALF, "layers": ["scores"]}, ConfigError, "no channels to prune"),
        ({"target": HALF, "layers": ["stem"]}, ConfigError, "no channels to prune"),
        ({"target": ChannelTarget("macs", 0.01)}, ConversionError, r"cannot meet the target.*at least"),
    ],
)
def test_impossible_wishes_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        prune_channels(source_of(residual), None, **{"epochs": 0, **options})


def test_a_target_out_of_reach_is_found_before_the_first_step_is_trained(images):
    trained = []
    with pytest.raises(ConversionError, match="cannot meet the target"):
        prune_channels(
            source_of(residual), images, target=ChannelTarget("macs", 0.02), steps=3, epochs=3,
            progress=lambda epoch, record: trained.append(epoch),
        )  # fmt: skip
    assert not trained


def test_what_keeps_channels_whole_is_named_where_a_target_is_out_of_reach():
    def build(keras):
        image = keras.Input((16, 16, 3), name="image")
        x = keras.layers.Conv2D(16, 3, activation="relu", name="wide")(image)
        x = keras.layers.LayerNormalization(name="across")(x)
        x = keras.layers.Conv2D(8, 3, activation="relu", name="narrow")(x)
        return _finish(keras, image, keras.layers.GlobalAveragePooling2D()(x), "mixed")

    with pytest.raises(ConversionError, match=r"cannot meet.*what keeps channels whole here: across \("):
        prune_channels(source_of(build), None, target=ChannelTarget("macs", 0.2), epochs=0, multiple=1)


def test_dropout_that_was_told_how_many_channels_there_are_keeps_them(images):
    def build(keras):
        image = keras.Input((16, 16, 3), name="image")
        x = keras.layers.Conv2D(16, 3, activation="relu", name="first")(image)
        x = keras.layers.Dropout(0.1, noise_shape=(None, 1, 1, 16))(x)
        x = keras.layers.Conv2D(16, 3, activation="relu", name="second")(x)
        x = keras.layers.Dropout(0.1, noise_shape=(None, 1, 1, 1))(x)
        return _finish(keras, image, keras.layers.GlobalAveragePooling2D()(x), "dropout")

    pruned, report = prune_channels(source_of(build), images, target=ChannelTarget("macs", 0.9), epochs=1, multiple=1)
    assert [layer.layer for layer in report.layers] == ["second"] and report.history
    assert pruned.model.get_layer("first").filters == 16


def test_a_layer_that_cannot_be_trained_is_an_error_of_ours(images):
    class Stubborn(keras.layers.Layer):
        def call(self, inputs, training=None):
            if training:
                raise ValueError("not in training")
            return inputs

    def build(keras):
        image = keras.Input((16, 16, 3), name="image")
        x = keras.layers.Conv2D(16, 3, activation="relu", name="first")(image)
        x = keras.layers.Conv2D(16, 3, activation="relu", name="second")(Stubborn()(x))
        return _finish(keras, image, keras.layers.GlobalAveragePooling2D()(x), "stubborn")

    with pytest.raises(ConversionError, match=r"fine-tuning stubborn failed: ValueError: .* layer 'stubborn"):
        FineTuner(source_of(build), images, FineTuning(1, 32, 0.01, 0, "none")).run(source_of(build).model)


def test_a_model_of_integers_is_pruned():
    words = keras.Input((12,), dtype="int32", name="words")
    x = keras.layers.Embedding(20, 16, name="embedding")(words)
    x = keras.layers.Conv1D(16, 3, activation="relu", name="conv")(x)
    model = _finish(keras, words, keras.layers.GlobalAveragePooling1D()(x), "words")
    source = SourceModel(model, "words", None, ("across", "down", "plain"), "classification", {"activation": "softmax"})
    _, report = prune_channels(source, None, target=ChannelTarget("parameters", 0.7), epochs=0, multiple=1)
    assert "conv" in [layer.layer for layer in report.layers] and report.identity_error <= 1e-3


def test_impossible_targets_and_broken_models_are_refused(images):
    for kind, value in (("flops", 0.5), ("macs", 0.0), ("macs", float("nan")), ("bytes", 100.0)):
        with pytest.raises(ConfigError):
            ChannelTarget(kind, value)
    source = source_of(residual)
    with pytest.raises(DatasetError, match="batch size"):
        prune_channels(source, images.subset([0]), target=HALF, epochs=1)
    weights = source.model.get_layer("inner").get_weights()
    weights[0][0, 0, 0, 0] = np.nan
    source.model.get_layer("inner").set_weights(weights)
    with pytest.raises(ConversionError, match="inner/kernel"):
        prune_channels(source, None, target=HALF, epochs=0)
