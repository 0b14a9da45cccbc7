"""Which layer a runtime computes otherwise than in its plainest way, on real networks."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from edgevision.converters.every_layer import show_every_layer
from edgevision.errors import ConfigError
from edgevision.registry import RUNTIMES, Row
from edgevision.runtimes import load
from edgevision.runtimes.tflite import TFLiteRuntime
from edgevision.verify import verify
from edgevision.verify.layers import SAMPLES, compare_layers
from edgevision.verify.sealing import seal

AT = 2


class Faulty(TFLiteRuntime):
    """LiteRT, whose optimized kernels get the third layer of a model that shows all of them wrong, and what follows."""

    name = "faulty"
    exact = MappingProxyType({"resolver": "reference"})

    def load(self, artifact, device, options):
        model = super().load(artifact, device, options)
        if options.get("resolver") != "reference" and len(model.outputs) > AT:
            right = model._run
            model._run = lambda inputs: tuple(
                values if place < AT else np.roll(values, 1, axis=-1) for place, values in enumerate(right(inputs))
            )
        return model


@pytest.fixture
def faulty(monkeypatch):
    row = Row("faulty", f"{__name__}:Faulty", ("tflite",), ("cpu",), ("threads", "batch", "resolver"))
    monkeypatch.setattr("edgevision.registry.RUNTIMES", (*RUNTIMES, row))


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_every_activation_is_an_output_and_the_answers_are_the_same(artifact_of, golden, tmp_path, kind):
    artifact = artifact_of(kind)
    (tmp_path / "shown").mkdir()
    shown = show_every_layer(artifact, tmp_path / "shown")
    with load(artifact) as model, load(shown) as every:
        assert [spec.dtype for spec in every.inputs] == [spec.dtype for spec in model.inputs]
        tensor, _ = artifact.manifest.preprocessing.bind(model.inputs[0])(golden.samples[0])
        answer, layers = model.infer([tensor])[0], every.infer([tensor])
    assert len(layers) >= 5  # three convolutions, a dense layer, a softmax
    np.testing.assert_array_equal(layers[-1], answer)
    assert layers[0].shape == (1, 15, 15, 8) and layers[0].std() > 0


def test_openvino_shows_its_layers_too(artifact_of, golden, tmp_path):
    (tmp_path / "shown").mkdir()
    openvino_artifact = artifact_of("openvino")
    shown = show_every_layer(openvino_artifact, tmp_path / "shown")
    with load(openvino_artifact) as model, load(shown) as every:
        tensor, _ = openvino_artifact.manifest.preprocessing.bind(model.inputs[0])(golden.samples[0])
        answer, layers = model.infer([tensor])[0], every.infer([tensor])
        kinds = [spec.name for spec in every.outputs]
    assert len(layers) > 5 and len(set(kinds)) == len(kinds)
    np.testing.assert_allclose(layers[-1], answer, atol=1e-6)


def test_a_sound_runtime_has_no_layer_that_diverges(artifact_of, golden):
    layers = compare_layers(artifact_of("int8"), golden.samples, runtime="tflite")
    assert layers.samples == SAMPLES and layers.first is None
    assert dict(layers.exact) == {"threads": 1, "resolver": "reference"}
    assert any(check.off.max_lsb for check in layers.checks), "optimized and reference kernels round otherwise"


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("kind", ["float", "int8"])
def test_the_first_layer_that_is_wrong_is_named(artifact_of, golden, kind):
    layers = compare_layers(artifact_of(kind), golden.samples, runtime="faulty")
    assert layers.first is layers.checks[AT]
    assert layers.first.sqnr_db < 10
    assert layers.to_dict()["first"] == layers.first.name


def test_verify_tells_the_layers_when_asked(artifact_of):
    artifact = seal(artifact_of("int8"))
    check = verify(artifact, runtimes=["tflite"], layers=True).checks[0]
    assert check.verdict == "holds" and check.layers.first is None
    assert check.to_dict()["layers"]["checks"][0]["name"] == check.layers.checks[0].name
    assert verify(artifact, runtimes=["tflite"]).checks[0].layers is None


def test_a_format_that_cannot_be_taken_apart(tmp_path, artifact_of):
    artifact = artifact_of("float")
    other = replace(artifact, manifest=replace(artifact.manifest, format="edgetpu"))
    with pytest.raises(ConfigError, match=r"layers can be shown.*edgetpu.*tflite, openvino, onnx"):
        show_every_layer(other, tmp_path)
