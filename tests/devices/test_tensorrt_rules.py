"""What TensorRT's parser and a DLA take, operator by operator, on graphs made for it."""

import numpy as np
import pytest

from edgevision.devices.checking import NO, PARTLY_GPU, RUNS, check_model
from edgevision.devices.profile import load_profile
from edgevision.devices.rules import rule_set
from edgevision.errors import ConfigError
from edgevision.graphs.onnx import read_onnx

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT


def graph(kind, attributes=None, shape=(1, 8, 16, 16), out=(1, 8, 16, 16), constants=(), outputs=1, dtype=FLOAT):
    """A model of one operator: its first input is the model's, the others are constants."""
    names = ["x", *(f"c{i}" for i in range(len(constants)))]
    made = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(kind, names, made, "node", **(attributes or {}))
    ends = (
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info(n, dtype, out) for n in made],
    )
    tensors = [numpy_helper.from_array(np.asarray(value), f"c{i}") for i, value in enumerate(constants)]
    content = helper.make_model(helper.make_graph([node], "one", *ends, tensors)).SerializeToString()
    return read_onnx(content)


def refusal(rules, *args, **kwargs):
    found = graph(*args, **kwargs)
    refused = rule_set(rules).refusal(found, found.nodes[0])
    return None if refused is None else refused.reason


SCALE, ZERO = np.float32(0.1), np.int8(0)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("Conv", {"constants": [np.zeros((8, 8, 3, 3), np.float32)]}, None),
        ("NonMaxSuppression", {}, None),
        ("LpPool", {"attributes": {"kernel_shape": [2, 2]}}, None),
        ("BitwiseAnd", {}, "does not have it"),
        ("DFT", {}, "does not have it"),
        ("QLinearConv", {}, "does not have it"),
        ("QuantizeLinear", {"constants": [SCALE, ZERO]}, None),
        ("QuantizeLinear", {"constants": [SCALE]}, None),
        ("QuantizeLinear", {"constants": [SCALE, np.int8(3)]}, "a zero point that is not 0"),
        ("QuantizeLinear", {"constants": [SCALE, np.uint8(0)]}, "a uint8 zero point"),
        ("DequantizeLinear", {"constants": [np.ones(8, np.float32), np.zeros(8, np.int8)]}, None),
        ("DequantizeLinear", {"constants": [np.ones(8, np.float32), np.eye(8, dtype=np.int8)[0]]}, "not 0"),
        ("MaxPool", {"attributes": {"kernel_shape": [2, 2]}}, None),
        ("MaxPool", {"attributes": {"kernel_shape": [2, 2], "dilations": [2, 2]}}, "dilations 2×2"),
        ("MaxPool", {"attributes": {"kernel_shape": [2, 2]}, "outputs": 2}, "an output of indices"),
        ("AveragePool", {"attributes": {"kernel_shape": [2]}}, "1 axes"),
        ("Resize", {"attributes": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}}, None),
        ("Resize", {"attributes": {"mode": "cubic"}}, "mode cubic"),
        ("Resize", {"attributes": {"coordinate_transformation_mode": "tf_crop_and_resize"}}, "tf_crop_and_resize"),
        ("Resize", {"attributes": {"antialias": 1}}, "antialiasing"),
        ("ScatterND", {"attributes": {"reduction": "add"}}, "got add"),
        ("Relu", {"dtype": onnx.TensorProto.DOUBLE}, None),
        ("Relu", {"dtype": onnx.TensorProto.INT16}, "int16"),
        ("Identity", {"dtype": onnx.TensorProto.STRING}, "string"),
    ],
)
def test_the_parser(kind, given, said):
    found = refusal("tensorrt", kind, **given)
    assert (found is None) if said is None else said in found, found


def kernel(*shape):
    return [np.zeros(shape, np.float32)]


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("Relu", {}, None),
        ("Conv", {"constants": kernel(8, 8, 32, 32)}, None),
        ("Conv", {"constants": kernel(8, 8, 33, 3)}, "33×3"),
        ("Conv", {"constants": kernel(8, 8, 3)}, "1 axes"),
        ("Conv", {"constants": kernel(8, 8, 3, 3), "attributes": {"strides": [9, 1]}}, "strides 9×1"),
        ("Conv", {}, "a kernel that is not constant"),
        ("ConvTranspose", {"constants": kernel(8, 8, 2, 2), "attributes": {"strides": [2, 2]}}, None),
        ("ConvTranspose", {"constants": kernel(8, 8, 2, 2), "attributes": {"pads": [0, 0, 1, 1]}}, "padding"),
        ("ConvTranspose", {"constants": kernel(8, 8, 2, 2), "attributes": {"auto_pad": "SAME_UPPER"}}, "padding"),
        ("ConvTranspose", {"constants": kernel(8, 1, 2, 2), "attributes": {"group": 8}}, "8 groups"),
        ("ConvTranspose", {"constants": kernel(8, 8, 2, 2), "attributes": {"dilations": [2, 2]}}, "dilation"),
        ("MaxPool", {"attributes": {"kernel_shape": [8, 8], "strides": [16, 16], "pads": [7, 7, 7, 7]}}, None),
        ("MaxPool", {"attributes": {"kernel_shape": [9, 2]}}, "a window of 9×2"),
        ("AveragePool", {"attributes": {"kernel_shape": [2, 2], "strides": [17, 1]}}, "strides 17×1"),
        ("AveragePool", {"attributes": {"kernel_shape": [8, 8], "pads": [8, 0, 0, 0]}}, "padding 8"),
        ("Concat", {"attributes": {"axis": 1}, "constants": kernel(1, 8, 16, 16)}, None),
        ("Concat", {"attributes": {"axis": -3}, "constants": kernel(1, 8, 16, 16)}, None),
        ("Concat", {"attributes": {"axis": 2}, "constants": kernel(1, 8, 16, 16)}, "axis 2"),
        ("Concat", {"attributes": {"axis": 1}}, "one tensor"),
        ("Gemm", {"constants": kernel(8, 10), "shape": (1, 8), "out": (1, 10)}, None),
        ("MatMul", {"shape": (1, 8), "out": (1, 10)}, "a second input that is computed"),
        ("Transpose", {"attributes": {"perm": [0, 3, 1, 2]}}, None),
        ("Reshape", {"shape": (1, 8), "out": (1, 8)}, "1×8"),
        ("Relu", {"shape": (1, 8193, 1, 1), "out": (1, 8193, 1, 1)}, "8193"),
        ("Relu", {"shape": (4097, 8, 1, 1), "out": (4097, 8, 1, 1)}, "4097"),
        ("Relu", {"shape": ("N", 8, 1, 1), "out": ("N", 8, 1, 1)}, "fixed length"),
        ("GlobalAveragePool", {}, "not among its operators"),
        ("QuantizeLinear", {"constants": [SCALE, ZERO]}, "not among its operators"),
    ],
)
def test_the_dla(kind, given, said):
    found = refusal("tensorrt-dla", kind, **given)
    assert (found is None) if said is None else said in found, found


def test_what_a_dla_lacks_runs_on_the_gpu():
    profile = load_profile("jetson-agx-orin-dla")
    assert check_model(graph("Relu"), profile).verdict == RUNS
    nothing = check_model(graph("GlobalAveragePool"), profile)
    assert nothing.verdict == NO and "AveragePool" in nothing.reasons[0].rewrite


def test_partly_on_the_gpu(shared_data):
    from edgevision.graphs import read_graph

    found = check_model(
        read_graph(shared_data / "models/detection/yolox_nano_coco.onnx"), load_profile("jetson-agx-orin-dla")
    )
    assert found.verdict == PARTLY_GPU
    assert {placed.target for placed in found.mapping.placements} == {"dla", "gpu"}


def test_a_profile_that_names_another_rest_is_refused(tmp_path):
    text = (
        (load_profile.__globals__["FOLDER"] / "jetson-agx-orin-dla.toml")
        .read_text()
        .replace('rest = "gpu"', 'rest = "dsp"')
    )
    place = tmp_path / "mine.toml"
    place.write_text(text)
    with pytest.raises(ConfigError, match="rest: got dsp; allowed: cpu, gpu"):
        load_profile(place)
