"""The prediction for the Edge TPU, against what its compiler made of the same files, and against the documentation."""

import re

import numpy as np
import pytest

from edgevision.devices.edgetpu import CACHE_BYTES, predict_mapping
from edgevision.devices.edgetpu_file import compiled_mapping, inspect_compiled
from edgevision.errors import ArtifactError, IncompatibleModelError
from edgevision.graphs import Graph, Node, Value, read_graph

PAIRS = ("deeplabv3_mnv2_dm05_pascal_quant", "keras_lstm_mnist_ptq", "mobilenet_v1_0.25_128_quant",
         "mobilenet_v2_1.0_224_quant", "split_concat")  # fmt: skip


@pytest.fixture(scope="module")
def coral(shared_data):
    return shared_data / "models/coral"


def test_every_pair_is_looked_at(coral):
    found = {path.name.removesuffix("_edgetpu.tflite") for path in coral.glob("*_edgetpu.tflite")}
    assert found == set(PAIRS)


@pytest.mark.parametrize("name", PAIRS)
def test_operators_left_on_the_processor_are_those_of_the_compiled_file(coral, name):
    before, after = read_graph(coral / f"{name}.tflite"), read_graph(coral / f"{name}_edgetpu.tflite")
    predicted = [
        (placed.kind, tuple(value.shape for value in before.outputs_of(before.nodes[placed.index])))
        for placed in predict_mapping(before).on_cpu
    ]
    left = [
        (placed.kind, tuple(value.shape for value in after.outputs_of(after.nodes[placed.index])))
        for placed in compiled_mapping(after).on_cpu
    ]
    assert predicted == left


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_inside_of_a_compiled_file(coral, name):
    """Parameters are laid out with padding: never fewer than the model has, and the programs are in the file."""
    path = coral / f"{name}_edgetpu.tflite"
    parts = inspect_compiled(read_graph(path))
    predicted = predict_mapping(read_graph(coral / f"{name}.tflite")).facts["parameter_bytes_on_chip"]
    assert {part.type for part in parts} == {"execution_only", "parameter_caching"}
    stored = sum(part.parameter_bytes for part in parts)
    assert predicted <= stored
    assert stored + sum(part.instruction_bytes for part in parts) < path.stat().st_size
    assert all(part.runtime_version >= 10 for part in parts)


def test_a_damaged_package_is_an_artifact_error(coral):
    graph = read_graph(coral / "split_concat_edgetpu.tflite")
    node = graph.nodes[0]
    for end in (0, 40, len(node.payload) // 2):
        cut = Node(0, node.kind, node.name, (), (), custom=True, payload=node.payload[:end])
        with pytest.raises(ArtifactError):
            inspect_compiled(Graph("edgetpu", (cut,), {}, (), (), 0))


def test_other_formats_are_refused(shared_data):
    with pytest.raises(IncompatibleModelError, match="TFLite"):
        predict_mapping(read_graph(shared_data / "models/detection/FastestDet_coco.onnx"))


def _value(name, *shape, dtype="int8", scales=1, constant=False, content=None):
    data = None if content is None else np.array(content, dtype).reshape(shape)
    return Value(name, shape, dtype, constant, (0.1,) * scales, (0,) * scales, data=data)


def _chain(*nodes, constants=()):
    """A graph of nodes that follow one another: (kind, output, attributes, names of constants)."""
    values = {value.name: value for value in constants}
    values["in"] = _value("in", 1, 8, 8, 4)
    made, last = [], "in"
    for index, (kind, output, attributes, named) in enumerate(nodes):
        values[output.name] = output
        made.append(Node(index, kind, output.name, (last, *named), (output.name,), attributes))
        last = output.name
    return Graph("tflite", tuple(made), values, ("in",), (last,), 1000)


CASES = {
    "float": (("RELU", _value("o", 1, 8, 8, 4, dtype="float32", scales=0), {}, ()), "int8 or uint8"),
    "batch": (("RELU", _value("o", 2, 8, 8, 4), {}, ()), "three innermost"),
    "open": (("RELU", _value("o", None, 8, 8, 4), {}, ()), "Shapes are known"),
    "unknown": (("HARD_SWISH", _value("o", 1, 8, 8, 4), {}, ()), "not among its operators"),
    "fused": (("MAX_POOL_2D", _value("o", 1, 4, 4, 4), {"fused_activation": "RELU"}, ()), "no fused activation"),
    "dilation": (("CONV_2D", _value("o", 1, 8, 8, 4), {"dilation_w": 2, "dilation_h": 1}, ("w",)), "same in x and y"),
    "weights": (("CONV_2D", _value("o", 1, 8, 8, 4), {}, ("fed",)), "are constants"),
    "softmax": (("SOFTMAX", _value("o", 1, 8, 8, 4), {}, ()), "one axis that is longer"),
    "mean": (("MEAN", _value("o", 1, 8, 8, 1), {}, ("axis3",)), "height and width only"),
    "pad": (("PAD", _value("o", 1, 8, 8, 6), {}, ("padc",)), "height and width only"),
    "resize": (("RESIZE_BILINEAR", _value("o", 1, 128, 128, 4), {}, ()), "eightfold"),
    "slice": (("STRIDED_SLICE", _value("o", 1, 4, 4, 4), {}, ("b", "b", "strides")), "strides are 1"),
    "concat": (("CONCATENATION", _value("o", 1, 8, 8, 8), {}, ("w",)), "all zeros"),
}


@pytest.mark.parametrize("case", CASES)
def test_reasons_are_those_of_the_documentation(case):
    """What comes behind a refused operator is left as well, though the Edge TPU has it."""
    node, reason = CASES[case]
    constants = (
        _value("w", 4, 1, 1, 4, constant=True), _value("fed", 1, 1, 1, 4),
        _value("axis3", 1, dtype="int32", constant=True, content=(3,)),
        _value("padc", 4, 2, dtype="int32", constant=True, content=(0, 0, 0, 0, 0, 0, 1, 1)),
        _value("b", 4, dtype="int32", constant=True, content=(0, 0, 0, 0)),
        _value("strides", 4, dtype="int32", constant=True, content=(1, 2, 2, 1)),
    )  # fmt: skip
    report = predict_mapping(_chain(node, ("LOGISTIC", _value("end", 1, 8, 8, 4), {}, ()), constants=constants))
    assert [placed.target for placed in report.placements] == ["cpu", "cpu"]
    assert re.search(reason, report.placements[0].reason)
    own = case in ("float", "batch", "open")  # its input is refused for the same reason
    assert re.search(reason if own else "behind", report.placements[1].reason)
    assert report.mapped == 0


def test_a_float_input_is_quantized_on_the_processor_and_the_rest_is_mapped():
    graph = _chain(("QUANTIZE", _value("q", 1, 8, 8, 4), {}, ()), ("LOGISTIC", _value("o", 1, 8, 8, 4), {}, ()))
    graph.values["in"] = _value("in", 1, 8, 8, 4, dtype="float32", scales=0)
    report = predict_mapping(graph)
    assert [(s.target, s.first, s.last) for s in report.segments] == [("cpu", 0, 0), ("edgetpu", 1, 1)]


def test_parameters_beyond_the_cache_are_streamed():
    half = CACHE_BYTES * 5 // 8
    weights = [_value(f"w{i}", half, 1, 1, 1, constant=True) for i in range(2)]
    nodes = [("CONV_2D", _value(f"o{i}", 1, 8, 8, 4), {}, (f"w{i}",)) for i in range(2)]
    facts = predict_mapping(_chain(*nodes, constants=weights)).facts
    assert facts == {"parameter_bytes_on_chip": half, "parameter_bytes_streamed": half}
