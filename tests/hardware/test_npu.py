"""Accelerators by OpenVINO: an Intel NPU or GPU. Nobody has run these yet: here is none."""

import numpy as np
import pytest

from edgevision.devices import discover
from edgevision.runtimes import load

FOUND = [device for device in discover() if device.device.partition(":")[0] in ("npu", "gpu")]
USABLE = [device for device in FOUND if device.state == "available"]
pytestmark = pytest.mark.skipif(
    not USABLE,
    reason="no NPU or GPU that can be used: " + ("; ".join(f"{d.device}: {d.reason}" for d in FOUND) or "none"),
)


@pytest.fixture(scope="session")
def artifact(tmp_path_factory):
    """ResNet-8 as OpenVINO IR, float32, with golden samples."""
    pytest.importorskip("tf_keras", reason="the extra train is not installed")
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    from edgevision.converters.keras_import import load_source
    from edgevision.data.locate import open_dataset
    from edgevision.export import export, make_golden
    from edgevision.shipped import shipped_model

    source = load_source(shipped_model())
    golden = make_golden(source, open_dataset("sample", "test"))
    return export(source, tmp_path_factory.mktemp("npu"), to=["openvino"], golden=golden)[0].artifact


@pytest.mark.parametrize("device", USABLE, ids=lambda device: device.device)
def test_it_answers_as_the_processor_does(artifact, device):
    """The best class of every golden sample is the float model's; accelerators compute in float16."""
    golden = artifact.golden()
    with load(artifact, device.device, runtime="openvino", options={"precision": "float16"}) as model:
        to_input = artifact.manifest.preprocessing.bind(model.inputs[0])
        given = np.concatenate([model.infer([to_input(sample)[0]])[0] for sample in golden.samples])
    np.testing.assert_allclose(given, golden.float_outputs[0], atol=0.05)
