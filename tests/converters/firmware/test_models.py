"""Whole models against TFLite Micro, bit for bit, and what they take."""

import importlib.util
import runpy

import numpy as np
import pytest

from edgevision.data.locate import open_dataset


@pytest.fixture(scope="module")
def models(repository):
    """What benchmarks/firmware_models.py makes: the models that `make proof` compares on more inputs."""
    return runpy.run_path(str(repository / "benchmarks/firmware_models.py"))


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
def test_mobilenet_v2_answers_as_tflite_micro_does(models, same_as_oracle):
    assert same_as_oracle(models["mobilenet_v2"](), 5).report["ram"]["optimal"]


@needs_tensorflow
def test_a_detection_head_answers_as_tflite_micro_does(models, same_as_oracle):
    """Two scales joined by resizing and concatenation: a model like YOLO's."""
    assert same_as_oracle(models["detector"](), 10).report["ram"]["optimal"]


@needs_tensorflow
def test_the_shape_arithmetic_of_a_dynamic_batch_is_folded(models, same_as_oracle):
    import tensorflow as tf
    import tf_keras as keras

    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    outputs = keras.layers.Reshape((2, 72))(x)
    model = models["random_weights"](keras.Model(image, outputs))
    content = models["quantized"](model, (1, 8, 8, 3))
    from edgevision.graphs.tflite import read_tflite

    kinds = {operator.kind for operator in read_tflite(content).nodes}
    assert {"SHAPE", "STRIDED_SLICE", "PACK"} <= kinds, tf.__version__
    made = same_as_oracle(content, 10)
    assert [layer["kind"] for layer in made.report["layers"]] == ["CONV_2D"]
