"""OpenVINO models quantized by NNCF: what stays in float on request, how ranges are chosen, what the files hold."""

import numpy as np
import pytest

from edgevision.converters import convert
from edgevision.converters.nncf_quantizer import WEIGHTED, weights_constant, weights_type
from edgevision.errors import ConfigError
from edgevision.runtimes import load

ov = pytest.importorskip("openvino", reason="the extra openvino is not installed")
pytest.importorskip("nncf", reason="the extra compress is not installed")


@pytest.fixture(scope="module")
def converted(planted, calibration, tmp_path_factory):
    """Convert the planted network, once for each set of options."""
    done = {}

    def once(scheme="static_wi8_ai8", **options):
        key = (scheme, *sorted(options.items()))
        if key not in done:
            out = tmp_path_factory.mktemp("openvino")
            done[key] = convert(planted, out, to="openvino", scheme=scheme, calibration=calibration, **options)
        return done[key]

    return once


def error(conversion, planted, inputs):
    with load(conversion.artifact, runtime="openvino") as model:
        found = np.concatenate([model.infer([x[None]])[0] for x in inputs])
    return np.abs(found - planted.model.predict(inputs, verbose=0)).mean()


def operations(conversion):
    return ov.Core().read_model(conversion.artifact.model_file).get_ordered_ops()


def kinds_of_weights(conversion):
    return [weights_type(operation) for operation in operations(conversion) if operation.get_type_name() in WEIGHTED]


@pytest.mark.slow
def test_layers_in_float_repair_a_planted_outlier(converted, planted, inputs):
    bad = error(converted(), planted, inputs)
    mixed = converted(float_layers=("loud", "quiet"))
    assert error(mixed, planted, inputs) < 0.5 * bad
    asked = ("loud", "stays in float, as asked"), ("quiet", "stays in float, as asked")
    assert mixed.report.skipped == asked and mixed.report.statistics is None
    assert kinds_of_weights(converted()) == ["i8"] * 4
    assert kinds_of_weights(mixed) == ["f32", "f32", "i8", "i8"]


def test_weights_leave_a_bit_so_that_no_processor_saturates(converted):
    constants = [constant.get_data() for constant in map(weights_constant, operations(converted())) if constant]
    assert len(constants) == 4
    assert all(64 >= np.abs(values.astype(int)).max() >= 60 for values in constants)


@pytest.mark.slow
def test_weights_alone_can_leave_layers_out(converted):
    mixed = converted("dynamic_wi8_afp32", float_layers=("la*",))
    assert mixed.report.skipped == (("last", "stays in float, as asked"),)
    assert kinds_of_weights(mixed) == ["u8", "u8", "f32", "u8"]


def test_a_scale_a_channel_or_a_tensor(converted):
    def scales(conversion):
        """How many scales the int8 weights of each operation have."""
        found = []
        for operation in operations(conversion):
            if operation.get_type_name() in WEIGHTED:
                multiply = operation.input_value(1).get_node()
                found.append(int(np.prod(multiply.input_value(1).get_node().get_output_shape(0))))
        return found

    assert scales(converted()) == [8, 8, 8, 10]
    assert scales(converted(granularity="per_tensor")) == [1, 1, 1, 1]


@pytest.mark.parametrize("method", ["percentile", "mse"])
def test_ranges_are_those_of_the_method(method, converted):
    def highest(conversion):
        limits = [op for op in operations(conversion) if op.get_type_name() == "FakeQuantize"]
        return np.array([op.input_value(2).get_node().get_data().max() for op in limits])

    plain, other = highest(converted()), highest(converted(calibration_method=method))
    assert plain.shape == other.shape and not np.allclose(plain, other)
    assert np.all((other > 0.3 * plain) & (other < 4 * plain))


def test_a_file_says_nothing_twice(converted):
    """NNCF writes each range twice; OpenVINO indents its files."""
    text = (converted().artifact.path / "model.xml").read_text()
    assert "\n" not in text.partition("?>")[2].strip() and "\t" not in text
    for operation in operations(converted()):
        if operation.get_type_name() == "FakeQuantize":
            sources = [value.get_source_output().get_node().get_friendly_name() for value in operation.inputs()]
            assert sources[1:3] == sources[3:5]


@pytest.mark.slow
def test_the_same_request_gives_the_same_bytes(converted, planted, calibration, tmp_path):
    options = {"scheme": "static_wi8_ai8", "float_layers": ("loud", "quiet")}
    first = converted(**options).artifact
    again = convert(planted, tmp_path, to="openvino", calibration=calibration, **options).artifact
    for name in ("model.xml", "model.bin"):
        assert (first.path / name).read_bytes() == (again.path / name).read_bytes()


def test_a_layer_that_is_not_there_is_refused(planted, calibration, tmp_path):
    with pytest.raises(ConfigError, match="float_layers: no layer has this name: got lod; allowed: loud"):
        convert(
            planted, tmp_path, to="openvino", scheme="static_wi8_ai8", calibration=calibration, float_layers=["lod"]
        )
    assert not list(tmp_path.iterdir())
