"""Graphs as they are read here, against what each format's own library says of the same files."""

import numpy as np
import pytest

from edgevision.errors import ArtifactError
from edgevision.graphs import read_graph
from edgevision.graphs.memory import plan_graph


@pytest.fixture(scope="module")
def models(shared_data):
    return shared_data / "models"


def _tflite_truth(path):
    """Operators and tensor shapes as the schema's generated code reads them."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    graph, found = model.subgraphs[0], []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        kind = code.customCode.decode() if names[number] == "CUSTOM" else names[number]
        found.append((kind, [_shape(graph.tensors[index]) for index in operator.outputs]))
    return found


def _shape(tensor):
    return tuple(int(size) for size in tensor.shape) if tensor.shape is not None else ()


def test_every_tflite_file_has_the_operators_that_the_schema_says(models):
    files = sorted(models.rglob("*.tflite"))
    assert len(files) > 15
    for path in files:
        graph = read_graph(path)
        mine = [(node.kind, [value.shape for value in graph.outputs_of(node)]) for node in graph.nodes]
        assert mine == _tflite_truth(path), path


def test_every_onnx_file_has_the_operators_that_onnx_says(models):
    onnx = pytest.importorskip("onnx")
    files = sorted(models.rglob("*.onnx"))
    assert files
    for path in files:
        graph, truth = read_graph(path), onnx.load(path).graph
        assert [(n.kind, n.inputs, n.outputs) for n in graph.nodes] == [
            (n.op_type, tuple(n.input), tuple(n.output)) for n in truth.node
        ]
        constants = {tensor.name: tuple(tensor.dims) for tensor in truth.initializer}
        stored = [value for value in graph.values.values() if value.constant and value.shape is not None]
        assert {value.name: value.shape for value in stored} == constants
        strides = [n.attributes["strides"] for n in graph.nodes if n.kind == "Conv"]
        assert strides == [
            tuple(a.ints) for n in truth.node if n.op_type == "Conv" for a in n.attribute if a.name == "strides"
        ]


def test_an_ir_has_the_operators_that_openvino_says(tmp_path):
    openvino = pytest.importorskip("openvino")
    from openvino import opset13 as ops

    image = ops.parameter([-1, 3, 8, 8], np.float32, name="image")
    kernel = ops.constant(np.ones((2, 3, 1, 1), np.float32))
    made = ops.relu(ops.convolution(image, kernel, [1, 1], [0, 0], [0, 0], [1, 1]))
    path = tmp_path / "model.xml"
    openvino.save_model(openvino.Model([made], [image]), path, compress_to_fp16=False)
    graph = read_graph(path)
    assert [node.kind for node in graph.nodes] == ["Convolution", "ReLU"]
    assert graph.values[graph.inputs[0]].shape == (None, 3, 8, 8)
    assert graph.values[graph.outputs[0]].shape == (None, 2, 8, 8)
    assert graph.constants_of(graph.nodes[0])[0].dtype == "float32"
    assert graph.file_bytes == path.stat().st_size + path.with_suffix(".bin").stat().st_size


def test_xml_with_entities_is_refused(tmp_path):
    path = tmp_path / "model.xml"
    path.write_text('<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "b">]><net><layers/></net>')
    path.with_suffix(".bin").write_bytes(b"")
    with pytest.raises(ArtifactError, match="document type"):
        read_graph(path)


def test_a_cut_file_is_an_artifact_error(models, tmp_path):
    whole = (models / "coral/split_concat.tflite").read_bytes()
    refused = 0
    for end in range(64, len(whole), 97):
        path = tmp_path / "cut.tflite"
        path.write_bytes(whole[:end])
        try:
            read_graph(path)
        except ArtifactError:
            refused += 1
    assert refused > 5


def test_peak_of_live_tensors(models):
    """Input 128×128×3 and the first convolution's 64×64×8 are the most that live together before the second layer."""
    graph = read_graph(models / "coral/mobilenet_v1_0.25_128_quant.tflite")
    sizes = [graph.outputs_of(node)[0].bytes for node in graph.nodes]
    pairs = [graph.inputs_of(node)[0].bytes + size for node, size in zip(graph.nodes, sizes, strict=True)]
    assert plan_graph(graph).peak == max(pairs)
