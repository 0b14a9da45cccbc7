"""The same small model for every runtime: two inputs, two outputs, arithmetic that a test can do by hand."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from edgevision.artifact import write_artifact
from edgevision.firmware_library import host_compiler
from edgevision.tensors import QuantParams, TensorSpec

LEFT = TensorSpec("left", (None, 3), "float32", "NC")
RIGHT = TensorSpec("right", (None, 2, 2, 1), "float32", "NHWC")
DOUBLED = TensorSpec("doubled", (None, 3), "float32", "NC")
LOWERED = TensorSpec("lowered", (None, 2, 2, 1), "float32", "NHWC")


def answer(left, right):
    """What the model computes."""
    return left * 2 + 1, right - 1


def _keras_model():
    import tf_keras as keras

    left, right = keras.Input((3,), name="left"), keras.Input((2, 2, 1), name="right")
    doubled = keras.layers.Rescaling(2.0, 1.0, name="doubled")(left)
    lowered = keras.layers.Rescaling(1.0, -1.0, name="lowered")(right)
    return keras.Model([left, right], [doubled, lowered])


def tflite_files(folder):
    import tensorflow as tf

    signature = [tf.TensorSpec(spec.shape, tf.float32, spec.name) for spec in (LEFT, RIGHT)]
    function = tf.function(lambda left, right: answer(left, right)).get_concrete_function(*signature)
    content = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    return {"model.tflite": content}


def openvino_files(folder):
    import openvino as ov
    from openvino import opset13 as ops

    left = ops.parameter([-1, 3], np.float32, name="left")
    right = ops.parameter([-1, 2, 2, 1], np.float32, name="right")
    one, two = ops.constant(np.float32(1)), ops.constant(np.float32(2))
    results = [ops.add(ops.multiply(left, two), one), ops.subtract(right, one)]
    model = ov.Model(results, [left, right], "contract")
    for port, name in zip([*model.inputs, *model.outputs], ("left", "right", "doubled", "lowered"), strict=True):
        port.get_tensor().set_names({name})
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)
    return {"model.xml": folder / "model.xml", "model.bin": folder / "model.bin"}


def onnx_files(folder):
    import onnx
    from onnx import TensorProto, helper

    def end(spec):
        shape = ["N" if size is None else size for size in spec.shape]
        return helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, shape)

    nodes = [
        helper.make_node("Mul", ["left", "two"], ["twice"]),
        helper.make_node("Add", ["twice", "one"], ["doubled"]),
        helper.make_node("Sub", ["right", "one"], ["lowered"]),
    ]
    numbers = [helper.make_tensor(name, TensorProto.FLOAT, (), [value]) for name, value in (("one", 1), ("two", 2))]
    graph = helper.make_graph(nodes, "contract", [end(LEFT), end(RIGHT)], [end(DOUBLED), end(LOWERED)], numbers)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    return {"model.onnx": model.SerializeToString()}


def int8_model():
    """The model in int8: 1/32 a step going in, so that its arithmetic is exact."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import Builder

    kinds = (schema.BuiltinOperator.ADD, schema.BuiltinOperator.SUB)
    rows = [(LEFT.name, (1, 3), 32), (RIGHT.name, (1, 2, 2, 1), 32), ("one", (1,), 32), ("twice", (1, 3), 16),
            (DOUBLED.name, (1, 3), 16), (LOWERED.name, (1, 2, 2, 1), 32)]  # fmt: skip
    model, graph = schema.ModelT(version=3, buffers=[schema.BufferT(), schema.BufferT(data=[32])]), schema.SubGraphT()
    graph.tensors = [
        schema.TensorT(
            name=name, shape=[*shape], type=schema.TensorType.INT8, buffer=int(name == "one"),
            quantization=schema.QuantizationParametersT(scale=[1 / steps], zeroPoint=[0]),
        )
        for name, shape, steps in rows
    ]  # fmt: skip
    graph.inputs, graph.outputs, graph.operators = [0, 1], [4, 5], []
    model.operatorCodes = [schema.OperatorCodeT(deprecatedBuiltinCode=kind, builtinCode=kind) for kind in kinds]
    for code, inputs, output in ((0, [0, 0], 3), (0, [3, 2], 4), (1, [1, 2], 5)):
        options = (schema.AddOptionsT, schema.SubOptionsT)[code]()
        number = (schema.BuiltinOptions.AddOptions, schema.BuiltinOptions.SubOptions)[code]
        graph.operators.append(
            schema.OperatorT(
                opcodeIndex=code, inputs=inputs, outputs=[output], builtinOptionsType=number, builtinOptions=options
            )
        )
    model.subgraphs = [graph]
    builder = Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def firmware_files(folder):
    from edgevision.converters.firmware import firmware

    (folder / "model.tflite").write_bytes(int8_model())
    made = firmware(folder / "model.tflite", folder, name="contract").artifact
    return {entry.name: made.path / entry.name for entry in made.manifest.files}


def keras_files(folder):
    _keras_model().save(folder / "model.keras")
    return {"model.keras": folder / "model.keras"}


# Runtime -> the format of its model, and what makes the files. A new runtime adds a line here.
MODELS = {
    "tflite": ("tflite", tflite_files),
    "openvino": ("openvino", openvino_files),
    "onnxruntime": ("onnx", onnx_files),
    "keras": ("keras", keras_files),
    "firmware": ("c", firmware_files),
    "null": ("tflite", tflite_files),
}
INT8 = {"firmware"}
"""Runtimes that compute in int8 alone: their model goes in and comes out as stored values."""


def specs_of(runtime):
    """Inputs and outputs of the contract's model for a runtime."""
    if runtime not in INT8:
        return (LEFT, RIGHT), (DOUBLED, LOWERED)
    fine, coarse = (QuantParams((1 / steps,), (0,)) for steps in (32, 16))
    return tuple(
        tuple(replace(spec, dtype="int8", quant=quant) for spec, quant in side)
        for side in (((LEFT, fine), (RIGHT, fine)), ((DOUBLED, coarse), (LOWERED, fine)))
    )


@pytest.fixture(scope="session")
def contract_runtimes():
    """The runtimes that have a model here."""
    return set(MODELS)


@pytest.fixture(scope="session")
def make_artifact(tmp_path_factory):
    """make_artifact(runtime, **manifest fields) -> an artifact of the contract's model."""

    @functools.lru_cache
    def files(runtime):
        return MODELS[runtime][1](tmp_path_factory.mktemp(f"{runtime}-model"))

    def make(runtime, **fields):
        inputs, outputs = specs_of(runtime)
        stated = {"inputs": inputs, "outputs": outputs, **fields}
        out = tmp_path_factory.mktemp("artifact") / "contract"
        return write_artifact(out, {"format": MODELS[runtime][0], "name": "contract", **stated}, files(runtime))

    return make


@pytest.fixture(scope="session", params=sorted(MODELS))
def runtime(request):
    """The name of each runtime in turn."""
    if request.param == "firmware" and host_compiler() is None:
        pytest.skip("no C compiler: apt-get install gcc")
    if request.param == "keras":
        pytest.importorskip("tf_keras", reason="the extra train is not installed")
    if request.param == "openvino":
        pytest.importorskip("openvino", reason="the extra openvino is not installed")
    if request.param == "onnxruntime":
        pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    return request.param


@pytest.fixture(scope="session")
def artifact(runtime, make_artifact):
    """The contract's model for the runtime in turn."""
    return make_artifact(runtime)


@pytest.fixture
def expected(runtime):
    """What the runtime in turn must answer: the model's arithmetic, or the null runtime's zeros."""

    def compute(left, right):
        if runtime == "null":
            return np.zeros_like(left), np.zeros_like(right)
        if runtime in INT8:
            return [np.clip(array, -128, 127).astype(np.int8) for array in (left + np.int16(16), right - np.int16(32))]
        return answer(left, right)

    return compute


@pytest.fixture
def dtype(runtime):
    """Of the inputs and outputs of the contract's model for the runtime in turn."""
    return "int8" if runtime in INT8 else "float32"


@pytest.fixture
def tensors(runtime):
    """tensors(seed, batch=1) -> inputs of the contract's model."""

    def make(seed, batch=1):
        generator = np.random.default_rng(seed)
        drawn = [generator.normal(size=(batch, 3)), generator.normal(size=(batch, 2, 2, 1))]
        if runtime in INT8:
            return [np.clip(np.rint(32 * array), -128, 127).astype(np.int8) for array in drawn]
        return [array.astype(np.float32) for array in drawn]

    return make
