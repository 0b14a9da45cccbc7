"""edgevision.converters.tflite_graph: what the vendor's interpreter reads, read without it."""

import contextlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from edgevision.converters.tflite_graph import read_graph
from edgevision.errors import ArtifactError, EdgeVisionError


def model_files():
    folder = Path(os.environ.get("EDGEVISION_DATA", "/nonexistent")) / "models"
    return sorted(folder.glob("mlperf_tiny/**/*.tflite")) + sorted(folder.glob("coral/*quant.tflite"))


@pytest.fixture(params=model_files() or [None], ids=lambda path: "none" if path is None else path.stem)
def model_file(request):
    if request.param is None:
        pytest.skip("EDGEVISION_DATA is not set: no TFLite models to read")
    return request.param


def test_it_reads_what_the_interpreter_reads(model_file):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    graph = read_graph(model_file.read_bytes())
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(model_file), experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    operators = [operator for operator in interpreter._get_ops_details() if operator["op_name"] != "DELEGATE"]
    assert [one.kind for one in graph.operators] == [one["op_name"] for one in operators]
    for ours, theirs in zip(graph.operators, operators, strict=True):
        assert list(ours.inputs) == list(theirs["inputs"]) and list(ours.outputs) == list(theirs["outputs"])
    assert list(graph.inputs) == [detail["index"] for detail in interpreter.get_input_details()]
    assert list(graph.outputs) == [detail["index"] for detail in interpreter.get_output_details()]
    for index, tensor in enumerate(graph.tensors):
        detail = interpreter._get_tensor_details(index, 0)
        assert tensor.name == detail["name"] and list(tensor.shape) == list(detail["shape"])
        assert np.dtype(tensor.dtype) == detail["dtype"]
        assert list(tensor.scales) == detail["quantization_parameters"]["scales"].tolist()
        if tensor.data is not None:
            np.testing.assert_array_equal(tensor.data, interpreter.get_tensor(index))


def test_no_byte_makes_it_fail_otherwise_than_it_says(model_file):
    content = model_file.read_bytes()
    draw = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content)
        where = int(draw.integers(8, len(content) - 4))
        damaged[where : where + 4] = struct.pack("<I", int(draw.integers(0, 1 << 32)))
        with contextlib.suppress(EdgeVisionError):
            read_graph(bytes(damaged))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04abcdefgh", b"\x10\0\0\0TFL3"])
def test_what_is_no_model_is_said_to_be_none(content):
    with pytest.raises(ArtifactError, match="model"):
        read_graph(content)
