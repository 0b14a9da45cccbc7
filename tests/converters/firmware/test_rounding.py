"""``rounding="litert"`` against the reference kernels of LiteRT's interpreter, bit for bit."""

import importlib.util

import numpy as np
import pytest

from edgevision.converters.firmware import firmware
from edgevision.errors import ConfigError
from edgevision.graphs.tflite import read_tflite
from edgevision.runtimes import load


def reference(content):
    """A function from inputs to what LiteRT's reference kernels answer."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()

    def answer(vector):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], vector)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return answer


def drawn(shape, count):
    draw = np.random.default_rng(0)
    for _ in range(count):
        low, high = sorted(draw.integers(-128, 129, 2).tolist())
        yield draw.integers(low, max(high, low + 1), shape).astype(np.int8)


def differing(path, folder, rounding, count):
    """How many of so many inputs firmware with this rounding answers otherwise than LiteRT's reference kernels."""
    made = firmware(path, folder / rounding, name="cam", rounding=rounding)
    assert made.report["rounding"] == made.artifact.manifest.lineage[-1].parameters["rounding"] == rounding
    expected = reference(path.read_bytes())
    with load(made.artifact) as model:
        vectors = drawn(model.inputs[0].shape, count)
        return sum(not np.array_equal(model.infer([vector])[0], expected(vector)) for vector in vectors)


def test_mlperf_tiny_models_answer_as_the_reference_kernels_do(mlperf_model, tmp_path):
    assert differing(mlperf_model, tmp_path, "litert", 40) == 0


@pytest.mark.parametrize("mlperf_model", ["ad"], indirect=True)
def test_the_other_rounding_is_another(mlperf_model, tmp_path):
    assert differing(mlperf_model, tmp_path, "tflite-micro", 20) == 20


@pytest.mark.parametrize("mlperf_model", ["kws"], indirect=True)
def test_an_unknown_rounding_lists_the_allowed(mlperf_model, tmp_path):
    with pytest.raises(ConfigError, match="rounding: got up; allowed: tflite-micro, litert"):
        firmware(mlperf_model, tmp_path, rounding="up")


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="the extra train is not installed")
@pytest.mark.parametrize("scales", ["one", "one a channel"])
def test_fully_connected_layers_of_either_granularity_round_once(scales, tmp_path):
    import tensorflow as tf

    draw = np.random.default_rng(1)
    weights = draw.normal(size=(64, 23)).astype(np.float32) * np.linspace(0.2, 2, 23, dtype=np.float32)
    bias = draw.normal(size=23).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 64), tf.float32)])
    def function(x):
        return x @ weights + bias

    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], function)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([draw.normal(size=(1, 64)).astype(np.float32)] for _ in range(20))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = scales == "one"
    content = converter.convert()
    (layer,) = read_tflite(content).nodes
    assert len(read_tflite(content).values[layer.inputs[1]].scales) == (1 if scales == "one" else 23)
    path = tmp_path / "dense.tflite"
    path.write_bytes(content)
    assert differing(path, tmp_path, "litert", 300) == 0
    assert differing(path, tmp_path, "tflite-micro", 300) > 0
