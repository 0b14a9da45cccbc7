"""Whole models against TFLite Micro, bit for bit, and what they take."""

import importlib.util

import numpy as np
import pytest

from edgevision.data.locate import open_dataset


def random_weights(model, seed=0):
    draw = np.random.default_rng(seed)
    for layer in model.layers:
        found = []
        for value in layer.get_weights():
            fan = max(1, int(np.prod(value.shape[:-1])))
            spread = (
                draw.normal(size=value.shape) * (2 / fan) ** 0.5
                if value.ndim > 1
                else draw.uniform(0.5, 1, value.shape)
            )
            found.append(spread.astype(np.float32))
        layer.set_weights(found)
    return model


def quantized(model, shape, seed=0):
    import tensorflow as tf

    draw = np.random.default_rng(seed)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([draw.normal(size=shape).astype(np.float32)] for _ in range(10))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def test_mlperf_tiny_models_answer_as_tflite_micro_does(mlperf_model, same_as_oracle):
    real = []
    if "resnet8" in str(mlperf_model):
        images = open_dataset("sample", "test")
        real = [[(images.image(i)[None].astype(int) - 128).astype(np.int8)] for i in range(20)]
    made = same_as_oracle(mlperf_model.read_bytes(), 40, real)
    assert made.report["ram"]["optimal"]


# Bytes of TFLite Micro's arena with CMSIS-NN, and the least flash that it needs beside the model file.
REFERENCE = {
    "pretrainedResnet_quant": (54_996, 64_000),
    "kws_ref_model": (22_820, 64_000),
    "vww_96_int8": (100_708, 64_000),
    "ad01_int8": (2_580, 64_000),
}


def test_it_takes_less_than_an_interpreter(mlperf_model, same_as_oracle):
    made = same_as_oracle(mlperf_model.read_bytes(), 1)
    arena, code = REFERENCE[mlperf_model.stem]
    assert made.report["ram"]["arena_bytes"] <= arena
    measured = made.report["measured"]
    if measured is None:
        pytest.skip("no arm-none-eabi-gcc to measure code with: apt-get install gcc-arm-none-eabi")
    assert measured["static_ram_bytes"] == 0
    assert measured["flash_bytes"] < mlperf_model.stat().st_size + code


needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tf_keras") is None, reason="the extra train is not installed"
)


@needs_tensorflow
@pytest.mark.slow
def test_mobilenet_v2_answers_as_tflite_micro_does(same_as_oracle):
    import tf_keras as keras

    model = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=10)
    made = same_as_oracle(quantized(random_weights(model), (1, 96, 96, 3)), 5)
    assert made.report["ram"]["optimal"]


@needs_tensorflow
def test_a_detection_head_answers_as_tflite_micro_does(same_as_oracle):
    """Two scales joined by resizing and concatenation, and an output for each: a model like YOLO's."""
    import tf_keras as keras

    layers = keras.layers

    def block(x, channels, strides=1):
        x = layers.Conv2D(channels, 3, strides, "same")(x)
        return layers.Multiply()([x, layers.Activation("sigmoid")(x)])

    image = keras.Input((64, 64, 3), batch_size=1)
    fine = block(block(image, 8, 2), 16, 2)
    coarse = layers.MaxPool2D(5, 1, "same")(block(fine, 24, 2))
    upper = layers.Concatenate()([layers.UpSampling2D(2)(coarse), fine])
    heads = [
        layers.Reshape((-1, 7))(layers.Activation("sigmoid")(layers.Conv2D(7, 1)(x)))
        for x in (block(upper, 16), coarse)
    ]
    model = keras.Model(image, [layers.Concatenate(axis=1)(heads)])
    made = same_as_oracle(quantized(random_weights(model), (1, 64, 64, 3)), 10)
    assert made.report["ram"]["optimal"]


@needs_tensorflow
def test_the_shape_arithmetic_of_a_dynamic_batch_is_folded(same_as_oracle):
    import tensorflow as tf
    import tf_keras as keras

    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    outputs = keras.layers.Reshape((2, 72))(x)
    model = random_weights(keras.Model(image, outputs))
    content = quantized(model, (1, 8, 8, 3))
    from edgevision.graphs.tflite import read_tflite

    kinds = {operator.kind for operator in read_tflite(content).nodes}
    assert {"SHAPE", "STRIDED_SLICE", "PACK"} <= kinds, tf.__version__
    made = same_as_oracle(content, 10)
    assert [layer["kind"] for layer in made.report["layers"]] == ["CONV_2D"]
