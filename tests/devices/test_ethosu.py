"""The rules of Ethos-U: against Vela's own report, against what Vela does, and condition by condition."""

import re
import subprocess
import sys

import numpy as np
import pytest

from edgevision.converters.vela import compile_vela
from edgevision.devices.prediction import predict
from edgevision.devices.rules.ethosu import RULES, U85_RULES
from edgevision.graphs import Graph, Node, Value, read_graph
from edgevision.mapping import differences
from edgevision.optional import available

needs_vela = pytest.mark.skipif(not available("ethosu"), reason="the extra vela is not installed")
FAMILIES = {"Ethos-U55 and Ethos-U65": RULES, "Ethos-U85": U85_RULES}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What this Vela says that it takes."""
    folder = tmp_path_factory.mktemp("vela")
    command = [sys.executable, "-m", "ethosu.vela", "--supported-ops-report"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / "SUPPORTED_OPS.md").read_text(encoding="utf-8")


def _part(report, title):
    return report.split(f"## {title}\n")[1].split("\n## ")[0]


@needs_vela
@pytest.mark.parametrize("family", FAMILIES)
def test_the_operators_are_those_of_the_report(report, family):
    listed = set(re.findall(r"^\| ([A-Z0-9_]+) \|", _part(report, f"{family} TFLite Summary Table"), re.MULTILINE))
    assert set(FAMILIES[family].operators) == listed


@needs_vela
def test_the_operators_that_take_32_bits_are_those_of_the_report(report):
    from edgevision.devices.rules.ethosu import _WIDE

    said = re.findall(r"### Ethos-U55 and Ethos-U65 TFLite (\w+) Constraints\n(.*?)(?=\n###|\n## )", report, re.DOTALL)
    narrow = {name for name, text in said if "32-bit feature-maps are not supported" in text}
    assert set(RULES.operators) - narrow == set(_WIDE)


MODELS = ("coral/deeplabv3_mnv2_dm05_pascal_quant", "coral/posenet_mobilenet_v1_075_353_481_16_quant_decoder",
          "coral/automl_traffic_detector", "coral/keras_lstm_mnist_ptq", "coral/split_concat",
          "edge_cases/audio_preprocessor_int8_signal_ops", "mlperf_tiny/ad/ad01_int8",
          "mlperf_tiny/kws/kws_ref_model")  # fmt: skip


@needs_vela
@pytest.mark.slow
@pytest.mark.parametrize("accelerator", ["ethos-u55-128", "ethos-u85-256"])
@pytest.mark.parametrize("model", MODELS)
def test_the_prediction_is_what_vela_does(shared_data, model, accelerator):
    path = shared_data / f"models/{model}.tflite"
    rules = "ethos-u85" if "u85" in accelerator else "ethos-u"
    predicted = predict(read_graph(path), rules, "ethos-u")
    assert list(differences(predicted, compile_vela(path, accelerator).report)) == []


def _value(name, *shape, dtype="int8", scales=1, constant=False, content=None, scale=0.1):
    data = (
        None if content is None else np.array(content, dtype).reshape(shape if np.prod(shape) == len(content) else -1)
    )
    return Value(name, shape, dtype, constant, (scale,) * scales, (0,) * scales, data=data)


def _one(kind, source, made, *constants, **attributes):
    values = {value.name: value for value in (source, made, *constants)}
    names = (source.name, *(value.name for value in constants))
    node = Node(0, kind, made.name, names, (made.name,), attributes)
    return Graph("tflite", (node,), values, (source.name,), (made.name,), 1000)


def _image(name="x", height=8, width=8, channels=4, **known):
    return _value(name, 1, height, width, channels, **known)


AXES = {axis: _value("axes", 1, dtype="int32", constant=True, content=(axis,)) for axis in (1, 3)}
KERNEL = _value("w", 4, 3, 3, 4, constant=True)
TAKEN = {
    "stride without padding": _one("CONV_2D", _image(height=9, width=9), _image("y", 2, 2), KERNEL,
                                   stride_h=4, stride_w=4),
    "resize": _one("RESIZE_BILINEAR", _image(), _image("y", 16, 16)),
    "mean of height": _one("MEAN", _image(), _value("y", 1, 8, 4), AXES[1]),
    "mean of depth of a row": _one("MEAN", _image(height=1), _value("y", 1, 1, 8), AXES[3]),
    "32 bits added": _one("ADD", _image(dtype="int32", scales=0), _image("y", dtype="int32", scales=0)),
    "transposed": _one("TRANSPOSE_CONV", _image(), _image("y", 16, 16), KERNEL),
    "small average": _one("AVERAGE_POOL_2D", _image(), _image("y", 8, 8), filter_h=3, filter_w=3),
}  # fmt: skip
REFUSED = {
    "float": (_one("ADD", _image(dtype="float32", scales=0), _image("y")), "int8, uint8 or int16"),
    "stride": (
        _one("CONV_2D", _image(height=9, width=9), _image("y", 3, 3), KERNEL, stride_h=4, stride_w=4),
        "without dilation",
    ),
    "depthwise stride": (
        _one("DEPTHWISE_CONV_2D", _image(height=9, width=9), _image("y", 2, 2), KERNEL, stride_h=4, stride_w=4),
        "between 1 and 3",
    ),
    "resize by 3": (_one("RESIZE_BILINEAR", _image(), _image("y", 24, 24)), "by 2, 4 or 8"),
    "half pixels": (
        _one("RESIZE_BILINEAR", _image(), _image("y", 32, 32), half_pixel_centers=1), "half-pixel centres: by 2",
    ),
    "mean of depth": (_one("MEAN", _image(), _value("y", 1, 8, 8), AXES[3]), "only where an axis is 1"),
    "maximum": (_one("MAXIMUM", _image(), _image("y", scale=0.2)), "scale and zero point of the output"),
    "elu": (_one("ELU", _image(dtype="int16"), _image("y", dtype="int16")), "both int8"),
    "no scale": (_one("RELU", _image(scales=0), _image("y")), "have a scale"),
    "large average": (
        _one("AVERAGE_POOL_2D", _image(height=32, width=32), _image("y", 32, 32), filter_h=9, filter_w=9),
        "at most 8 × 8",
    ),
    "transposed by 4": (_one("TRANSPOSE_CONV", _image(), _image("y", 32, 32), KERNEL), "1 × 1 or 2 × 2"),
    "scores": (_one("ARG_MAX", _image(channels=200), _value("y", 1, 8, 8, dtype="int32"), AXES[3]), "at most 127"),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_taken(case):
    assert RULES.refusal(TAKEN[case], TAKEN[case].nodes[0]) is None


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_and_why(case):
    graph, reason = REFUSED[case]
    assert reason in RULES.refusal(graph, graph.nodes[0]).reason


def test_what_only_ethos_u85_takes():
    division = _one("DIV", _image(), _image("y"))
    assert RULES.refusal(division, division.nodes[0]) is not None
    assert U85_RULES.refusal(division, division.nodes[0]) is None
    for size, taken in ((128, True), (24, False)):
        resize = _one("RESIZE_BILINEAR", _image(), _image("y", size, size))
        assert (U85_RULES.refusal(resize, resize.nodes[0]) is None) == taken
