"""OpenVINO's devices together, its cache, and where it says that operators run; on the processor, which is here."""

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.device_string import parse_device
from edgevision.errors import ConfigError, DeviceNotFoundError
from edgevision.mapping import NOWHERE
from edgevision.runtimes import load
from edgevision.runtimes.base import Mapped
from edgevision.runtimes.openvino_mapping import mapping_of

openvino = pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    from openvino import opset13 as ops

    image = ops.parameter([1, 3, 16, 16], np.float32, name="image")
    kernel = ops.constant(np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32))
    made = ops.relu(ops.convolution(image, kernel, [1, 1], [0, 0], [0, 0], [1, 1]))
    made.get_output_tensor(0).set_names({"scores"})
    path = tmp_path_factory.mktemp("ir") / "model.xml"
    openvino.save_model(openvino.Model([made], [image]), path, compress_to_fp16=False)
    return Artifact.describe(path)


@pytest.fixture(scope="module")
def answer(artifact):
    tensor = np.random.default_rng(1).normal(size=(1, 3, 16, 16)).astype(np.float32)
    with load(artifact, runtime="openvino") as model:
        return tensor, model.infer([tensor])[0]


@pytest.mark.parametrize("device", ["auto", "auto:cpu", "hetero:cpu", "multi:cpu"])
def test_devices_together_answer_as_the_processor(artifact, answer, device):
    tensor, expected = answer
    with load(artifact, device, runtime="openvino") as model:
        assert model.facts["device"] == device
        assert model.facts["execution_devices"] == ["cpu"]
        assert model.facts["precision"] == "float32"
        np.testing.assert_allclose(model.infer([tensor])[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", ["gpu", "npu:3", "auto:gpu,cpu", "hetero:npu,cpu", "multi:gpu:1,cpu"])
def test_a_device_that_is_not_here_is_not_replaced(artifact, device):
    here = {name.partition(".")[0].lower() for name in openvino.Core().available_devices}
    if {name.partition(":")[0] for name in parse_device(device).members or (device,)} <= here:
        pytest.skip(f"this machine has {device}")
    with pytest.raises(DeviceNotFoundError, match="no such device here"):
        load(artifact, device, runtime="openvino")


@pytest.mark.parametrize("device", ["auto", "hetero:cpu"])
def test_where_each_operator_runs(artifact, device):
    with load(artifact, device, runtime="openvino") as model:
        assert isinstance(model, Mapped)
        report = model.report()
    assert [(placed.kind, placed.target) for placed in report.placements] == [("Convolution", "cpu"), ("Relu", "cpu")]
    assert (report.accelerator, report.mapped) == ("cpu", 2)


def test_operators_that_a_device_leaves_are_named(artifact):
    """OpenVINO's answer for a device that takes only some, which no machine of ours gives: the answer is ours here."""

    class Core:
        def query_model(self, model, target):
            named = {op.get_type_name(): op.get_friendly_name() for op in model.get_ordered_ops()}
            if target == "GPU":
                return {named["Convolution"]: "GPU"}
            return {named["Convolution"]: "GPU", next(v for k, v in named.items() if k.lower() == "relu"): "CPU"}

    model = openvino.Core().read_model(artifact.model_file)
    alone = mapping_of(Core(), model, "gpu", ["gpu"])
    assert [placed.target for placed in alone.placements] == ["gpu", NOWHERE]
    assert alone.placements[1].rewrite == "hetero:gpu,cpu runs it on the processor"
    both = mapping_of(Core(), model, "hetero:gpu,cpu", ["gpu", "cpu"])
    assert [placed.target for placed in both.placements] == ["gpu", "cpu"]
    assert both.on_cpu[0].reason == "gpu does not take it"


def test_the_second_load_comes_from_the_cache(artifact, answer, tmp_path):
    tensor, expected = answer
    for cached in (False, True):
        with load(artifact, runtime="openvino", options={"cache_dir": str(tmp_path)}) as model:
            assert model.facts["from_cache"] is cached
            np.testing.assert_array_equal(model.infer([tensor])[0], expected)
    assert list(tmp_path.glob("*.blob"))
    with pytest.raises(ConfigError, match="cache_dir"):
        load(artifact, runtime="openvino", options={"cache_dir": 3})
