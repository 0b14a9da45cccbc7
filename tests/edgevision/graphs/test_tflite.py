"""edgevision.graphs.tflite: what the vendor's interpreter reads, read without it; and what is damaged."""

import contextlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from edgevision.converters.firmware.lowering import lower
from edgevision.errors import ArtifactError, EdgeVisionError
from edgevision.graphs import read_graph


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

    graph = read_graph(model_file)
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(model_file), experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    operators = [operator for operator in interpreter._get_ops_details() if operator["op_name"] != "DELEGATE"]
    assert [one.kind for one in graph.nodes] == [one["op_name"] for one in operators]
    names = list(graph.values)
    for ours, theirs in zip(graph.nodes, operators, strict=True):
        assert list(ours.inputs) == [names[index] if index >= 0 else "" for index in theirs["inputs"]]
        assert list(ours.outputs) == [names[index] for index in theirs["outputs"]]
    assert list(graph.inputs) == [names[detail["index"]] for detail in interpreter.get_input_details()]
    assert list(graph.outputs) == [names[detail["index"]] for detail in interpreter.get_output_details()]
    for index, tensor in enumerate(graph.values.values()):
        detail = interpreter._get_tensor_details(index, 0)
        assert tensor.name.startswith(detail["name"]) and list(tensor.sizes) == list(detail["shape"])
        assert np.dtype(tensor.dtype) == detail["dtype"]
        assert list(tensor.scales) == detail["quantization_parameters"]["scales"].tolist()
        assert list(tensor.zero_points) == detail["quantization_parameters"]["zero_points"].tolist()
        assert tensor.constant == (tensor.data is not None)
        if tensor.data is not None:
            np.testing.assert_array_equal(tensor.data, interpreter.get_tensor(index))


def test_no_byte_makes_it_fail_otherwise_than_it_says(model_file, tmp_path):
    """Neither the reader nor what firmware makes of the graph raises anything but errors of ours."""
    content = model_file.read_bytes()
    path = tmp_path / "damaged.tflite"
    draw = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(content)
        where = int(draw.integers(8, len(content) - 4))
        # The weights are most of a file; half of the damage is done to what describes them.
        where = where if draw.random() < 0.5 else int(draw.integers(max(8, len(content) - 30_000), len(content) - 4))
        damaged[where : where + 4] = struct.pack("<I", int(draw.integers(0, 1 << 32) >> draw.integers(0, 32)))
        path.write_bytes(damaged)
        with contextlib.suppress(EdgeVisionError):
            lower(read_graph(path), path.name)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04abcdefgh", b"\x10\0\0\0TFL3"])
def test_what_is_no_model_is_said_to_be_none(content, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="model"):
        read_graph(path)
