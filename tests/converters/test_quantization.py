import re
from dataclasses import replace

import numpy as np
import pytest

from edgevision.converters.base import convert
from edgevision.converters.clustering import cluster
from edgevision.converters.fine_tuning import copy_model
from edgevision.converters.keras_import import SourceModel, is_quantization_aware, load_source, save_keras_artifact
from edgevision.converters.pruning import prune
from edgevision.converters.quantization import quantize_aware
from edgevision.errors import ConfigError, ConversionError
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes.base import load

LABELS = ("across", "down", "plain")
PREPROCESSING = Preprocessing(8, 8, mean=(128.0,) * 3, std=(64.0,) * 3)


@pytest.fixture(scope="module")
def inputs(stripes):
    return np.stack([PREPROCESSING.apply(stripes.image(i)) for i in range(len(stripes))])


def build(slope=False):
    import tf_keras as keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_bn")(x))
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.BatchNormalization(name="depthwise_bn")(y)
    x = layers.Add(name="add")([x, y])
    if slope:
        x = layers.BatchNormalization(name="lone_bn")(layers.PReLU(name="slope")(x))
    x = layers.Dropout(0.3, name="dropout")(layers.GlobalAveragePooling2D(name="pool")(x))
    x = layers.Softmax(name="probabilities")(layers.Dense(3, name="logits")(x))
    return SourceModel(
        keras.Model(image, x, name="small"), "small", PREPROCESSING, LABELS, "classification", {"activation": "softmax"}
    )


@pytest.fixture(scope="module")
def source(inputs, stripes):
    """A small model that has learned its task."""
    source = build()
    source.model.compile("adam", "sparse_categorical_crossentropy")
    source.model.optimizer.learning_rate = 0.02
    source.model.fit(inputs, stripes.targets, epochs=15, verbose=0)
    return source


@pytest.fixture(scope="module")
def ranges_only(source, stripes):
    """The model with quantization wrappers and measured ranges, its weights as they were; and the report."""
    return quantize_aware(source, stripes, epochs=0, batch_size=32)


def accuracy(model, inputs, dataset):
    return np.mean(model(inputs, training=False).numpy().argmax(1) == dataset.targets)


def test_ranges_alone_keep_the_weights_and_the_answers(source, ranges_only, inputs, tmp_path):
    quantized, report = ranges_only
    assert is_quantization_aware(quantized.model) and quantized.scheme == "static_wi8_ai8"
    assert not is_quantization_aware(source.model)
    assert report.skipped == () and report.history == ()
    float_outputs = source.model(inputs).numpy()
    outputs = quantized.model(inputs, training=False).numpy()
    assert np.abs(outputs - float_outputs).max() < 0.1
    assert not np.array_equal(outputs, float_outputs)
    limits = [weight for weight in quantized.model.weights if re.match(r"quantize_layer.*_(min|max):0$", weight.name)]
    assert sorted(weight.numpy() for weight in limits) == [-2.0, 127 / 64]
    assert [spec.name for spec in (*quantized.inputs, *quantized.outputs)] == ["image", "probabilities"]
    again = load_source(save_keras_artifact(quantized, tmp_path / "quantized").path)
    assert again.scheme == "static_wi8_ai8"
    assert np.array_equal(again.model(inputs, training=False).numpy(), outputs)


def test_training_learns_leaves_statistics_alone_and_repeats_for_a_seed(source, inputs, stripes):
    runs = [quantize_aware(source, stripes, epochs=1, batch_size=32, learning_rate=1e-3, seed=4) for _ in range(2)]
    (first, report), (second, _) = runs
    weights = zip(first.model.get_weights(), second.model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in weights)
    assert accuracy(first.model, inputs, stripes) >= accuracy(source.model, inputs, stripes) - 0.02
    assert len(report.history) == 1 and np.isfinite(report.history[0]["loss"])

    def moving(model):
        return [weight.numpy() for weight in model.weights if "moving_" in weight.name]

    statistics = zip(moving(first.model), moving(source.model), strict=True)
    assert all(np.array_equal(a, b) for a, b in statistics)
    step = first.lineage[-1]
    assert step.step == "quantize" and step.parameters["epochs"] == 1
    assert "tensorflow-model-optimization" in step.tools


def test_zeros_survive_when_asked(source, stripes):
    pruned, report = prune(source, stripes, target_sparsity=0.5, epochs=1, batch_size=32)
    kept, kept_report = quantize_aware(pruned, stripes, epochs=1, batch_size=32, keep_sparsity=True)
    assert kept_report.zeros == report.zeros > 0
    _, lost = quantize_aware(pruned, stripes, epochs=1, batch_size=32)
    assert lost.zeros < report.zeros
    assert [step.step for step in kept.lineage] == ["prune", "quantize"]


@pytest.mark.parametrize("to", ["tflite", "openvino"])
def test_a_filter_of_zeros_says_what_its_batch_norm_says_in_every_format(source, stripes, inputs, to, tmp_path):
    model = copy_model(source)
    for conv, norm in (("stem", "stem_bn"), ("depthwise", "depthwise_bn")):
        kernel, *bias = model.get_layer(conv).get_weights()
        kernel[:, :, 2 if conv == "depthwise" else slice(None), 0 if conv == "depthwise" else 2] = 0
        model.get_layer(conv).set_weights([kernel, *bias])
        gamma, beta, mean, variance = model.get_layer(norm).get_weights()
        beta[2] = 3 + mean[2] * gamma[2] / np.sqrt(variance[2] + 1e-3)
        model.get_layer(norm).set_weights([gamma, beta, mean, variance])
    quantized, _ = quantize_aware(replace(source, model=model), stripes, epochs=0, batch_size=32)
    expected = quantized.model(inputs, training=False).numpy()
    artifact = convert(quantized, tmp_path, to=to, io_dtype="float32").artifact
    with load(artifact, runtime=to) as runtime:
        answers = np.concatenate([runtime.infer([image[None]])[0] for image in inputs])
    assert np.abs(answers - expected).max() < 0.1 and np.mean(answers.argmax(1) == expected.argmax(1)) > 0.97


@pytest.mark.parametrize("to", ["tflite", "openvino"])
def test_weights_before_a_relu_of_its_own_are_rounded_too(stripes, inputs, to, tmp_path):
    import tf_keras as keras

    keras.utils.set_random_seed(5)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.ReLU()(keras.layers.Conv2D(4, 3, name="stem")(image))
    x = keras.layers.Activation("relu")(keras.layers.DepthwiseConv2D(3, name="depthwise")(x))
    x = keras.layers.ReLU()(keras.layers.Conv2DTranspose(4, 3, name="up")(x))
    x = keras.layers.ReLU(6.0)(keras.layers.Dense(8, name="dense")(keras.layers.Flatten()(x)))
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="plain")
    source = SourceModel(model, "plain", PREPROCESSING, LABELS, "classification", {"activation": "logits"})
    quantized, report = quantize_aware(source, stripes, epochs=0, batch_size=64)
    assert report.skipped == ()
    limits = [weight.name for weight in quantized.model.weights if re.search(r"kernel_max:0$", weight.name)]
    assert len(limits) == 5
    expected = quantized.model(inputs, training=False).numpy()
    conversion = convert(quantized, tmp_path, to=to, io_dtype="float32")
    assert conversion.report.skipped == ()
    with load(conversion.artifact, runtime=to) as runtime:
        answers = np.concatenate([runtime.infer([image[None]])[0] for image in inputs])
    assert np.abs(answers - expected).mean() < np.ptp(expected) / 255  # a step of the output; each layer rounds


@pytest.mark.parametrize("relu", [False, True])
def test_a_transposed_convolution_keeps_zeros_and_clusters_and_converts(stripes, inputs, relu, tmp_path):
    import tf_keras as keras

    keras.utils.set_random_seed(5)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2DTranspose(4, 3, strides=2, name="up")(image)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x) if relu else x)
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="up")
    source = SourceModel(model, "up", PREPROCESSING, LABELS, "classification", {"activation": "logits"})
    pruned, zeros = prune(source, stripes, target_sparsity=0.5, epochs=1, batch_size=64)
    clustered, _ = cluster(pruned, stripes, clusters=6, keep_sparsity=True, epochs=0, batch_size=64)
    quantized, report = quantize_aware(
        clustered, stripes, epochs=1, batch_size=64, learning_rate=1e-2, keep_sparsity=True, keep_clusters=True
    )
    assert report.zeros == zeros.zeros and dict(report.values)["up"] <= 6
    expected = quantized.model(inputs, training=False).numpy()
    for to in ("tflite", "openvino"):
        conversion = convert(quantized, tmp_path, to=to, io_dtype="float32")
        assert conversion.report.skipped == ()
        with load(conversion.artifact, runtime=to) as runtime:
            answers = np.concatenate([runtime.infer([image[None]])[0] for image in inputs])
        assert np.abs(answers - expected).mean() < np.ptp(expected) / 255


@pytest.mark.slow
def test_zeros_and_clusters_survive_into_both_formats(source, stripes, inputs, tmp_path):
    """Pruned, clustered, trained for int8: each layer has as few integers as it had values."""
    pruned, _ = prune(source, stripes, target_sparsity=0.5, epochs=1, batch_size=64, layers=["stem", "logits"])
    clustered, report = cluster(
        pruned,
        stripes,
        clusters=6,
        centroids="linear",
        keep_sparsity=True,
        epochs=0,
        batch_size=64,
        layers=["stem", "logits"],
    )
    quantized, kept = quantize_aware(
        clustered, stripes, epochs=1, batch_size=64, learning_rate=1e-2, keep_sparsity=True, keep_clusters=True
    )
    values = {layer.layer: layer.values for layer in report.layers}
    assert {name: count for name, count in kept.values if name in values} == values
    before, after = model_kernel(clustered, "stem"), model_kernel(quantized, "stem")
    assert np.array_equal(before == 0, after == 0) and not np.array_equal(before, after)
    outputs = quantized.model(inputs, training=False).numpy()
    again = load_source(save_keras_artifact(quantized, tmp_path / "quantized").path)
    assert np.array_equal(again.model(inputs, training=False).numpy(), outputs)

    file = convert(quantized, tmp_path, to="tflite").artifact.model_file
    weights = tflite_weights(file)
    assert len(np.unique(weights[8, 3, 3, 3])) <= values["stem"] and len(np.unique(weights[3, 8])) <= values["logits"]
    assert np.count_nonzero(weights[8, 3, 3, 3] == 0) == np.count_nonzero(before == 0)
    network = read_network(convert(quantized, tmp_path, to="openvino").artifact.model_file)
    stem = network["Convolution"]
    assert len(np.unique(stem)) <= values["stem"] and np.mean(stem == 0) == np.mean(before == 0)


def test_kernels_use_7_bits_in_both_formats(ranges_only, tmp_path):
    """With the eighth, sums of products overflow in OpenVINO on processors without VNNI."""
    weights = tflite_weights(convert(ranges_only[0], tmp_path, to="tflite").artifact.model_file)
    network = read_network(convert(ranges_only[0], tmp_path, to="openvino").artifact.model_file)
    assert set(network) == {"Convolution", "GroupConvolution", "MatMul"} and len(weights) == 3
    assert {np.abs(kernel.astype(int)).max() for kernel in (*weights.values(), *network.values())} == {63}


def test_it_converts_to_int8_throughout(ranges_only, inputs):
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    quantized, _ = ranges_only
    converter = tf.lite.TFLiteConverter.from_keras_model(quantized.model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    interpreter = Interpreter(model_content=converter.convert())
    image, probabilities = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert image["quantization"] == (1 / 64, 0)
    interpreter.resize_tensor_input(image["index"], inputs.shape)
    interpreter.allocate_tensors()
    assert {detail["dtype"] for detail in interpreter.get_tensor_details()} <= {np.int8, np.int32}
    interpreter.set_tensor(image["index"], (inputs * 64).astype(np.int8))
    interpreter.invoke()
    scale, zero_point = probabilities["quantization"]
    outputs = scale * (interpreter.get_tensor(probabilities["index"]).astype(float) - zero_point)
    assert np.abs(outputs - quantized.model(inputs, training=False).numpy()).max() < 0.05


def model_kernel(source, name):
    wrapper = (
        source.model.get_layer("quant_" + name) if is_quantization_aware(source.model) else source.model.get_layer(name)
    )
    return next(weight.numpy() for weight in wrapper.weights if weight.name.endswith("kernel:0"))


def tflite_weights(file):
    """shape -> int8 values of the constant weights."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(file))
    interpreter.allocate_tensors()
    found = {}
    for operator in interpreter._get_ops_details():
        if operator["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            weights = interpreter.get_tensor(operator["inputs"][1])
            found[weights.shape] = weights
    return found


def read_network(file):
    """kind of operation -> int8 values of its constant weights."""
    import openvino

    found = {}
    for operation in openvino.Core().read_model(file).get_ordered_ops():
        if operation.get_type_name() in ("Convolution", "GroupConvolution", "MatMul"):
            node = operation.input_value(1).get_node()
            while node.get_type_name() != "Constant":
                node = node.input_value(0).get_node()
            found[operation.get_type_name()] = node.data
    return found


@pytest.mark.parametrize("keep_sparsity", [False, True])
def test_layers_that_cannot_be_quantized_are_named(stripes, keep_sparsity, tmp_path):
    epochs = int(keep_sparsity)
    quantized, report = quantize_aware(
        build(slope=True), stripes, epochs=epochs, batch_size=64, keep_sparsity=keep_sparsity
    )
    assert [name for name, _ in report.skipped] == ["slope", "lone_bn"]
    assert "stem_bn" in report.quantized
    assert is_quantization_aware(quantized.model)
    skipped = convert(quantized, tmp_path).report.skipped
    assert {name for name, _ in skipped} == {"slope", "lone_bn", "pool"}  # what follows them takes their floats
    assert {reason.partition(" ")[2] for _, reason in skipped} == {"computes in float32"}


def test_an_unknown_activation_stays_float(stripes):
    import tf_keras as keras

    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, activation="elu", name="stem")(image)
    x = keras.layers.Dense(3, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, keras.layers.Softmax(name="probabilities")(x), name="curved")
    source = SourceModel(model, "curved", PREPROCESSING, LABELS, "classification", {"activation": "softmax"})
    _, report = quantize_aware(source, stripes, epochs=0, batch_size=64)
    assert report.skipped == (("stem", "Conv2D: tfmot's 8-bit scheme does not have the activation elu"),)


def test_what_makes_no_sense_is_refused(source, stripes):
    quantized, report = quantize_aware(source, stripes, epochs=0, batch_size=64, layers=["stem*"])
    assert report.quantized == ("stem", "stem_bn", "stem_relu")
    with pytest.raises(ConfigError, match="carries quantization already"):
        quantize_aware(quantized, stripes)
    with pytest.raises(ConfigError, match="stm; allowed: stem"):
        quantize_aware(source, stripes, layers=["stm"])
    with pytest.raises(ConversionError, match="no layer with weights"):
        quantize_aware(source, stripes, layers=["pool"])
    with pytest.raises(ConfigError, match="epochs: got -1"):
        quantize_aware(source, stripes, epochs=-1)
    with pytest.raises(ConfigError, match="small has no clustered layer to keep; cluster it first"):
        quantize_aware(source, stripes, keep_clusters=True)
