"""The table of schemes and formats, and `convert`: what it asks for, what it refuses, what it records."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.calibration import CalibrationDataset
from edgevision.converters import SourceModel, convert
from edgevision.converters.formats import FORMATS, SCHEMES, Exported
from edgevision.converters.ranges import METHODS
from edgevision.errors import CalibrationError, ConfigError, ConversionError
from edgevision.tensors import TensorSpec

TFLITE = b"\x10\0\0\0TFL3" + bytes(8) + b"\x04\0\0\0\x04\0\x04\0" + bytes(8)
"""The least that counts as a TFLite file: what the tests below are about does not look into it."""


@pytest.fixture
def requests(monkeypatch):
    """The requests that reach an exporter which writes next to nothing."""
    seen = []

    def export(source, request):
        seen.append(request)
        return Exported({"model.tflite": TFLITE}, source.inputs, source.outputs, {"tool": "1"}, (("odd", "why"),))

    monkeypatch.setattr("edgevision.converters.tflite.export", export)
    return seen


def test_every_format_has_its_exporter_and_schemes_of_the_table():
    for row in FORMATS.values():
        module, _, name = row.exporter.partition(":")
        assert callable(getattr(import_module(module), name))
        assert set(row.schemes) <= set(SCHEMES) and set(row.io_dtypes) <= set(row.schemes)
        assert row.granularities[0] == "per_channel"
        assert set(row.calibration_methods) == {scheme for scheme in row.schemes if SCHEMES[scheme].calibration}
        offered = row.calibration_methods.values()
        assert all(methods[0] == "min_max" and set(methods) <= set(METHODS) for methods in offered)
    assert {name for name, scheme in SCHEMES.items() if scheme.calibration} == {"static_wi8_ai8", "static_wi8_ai16"}


def test_an_artifact_says_how_it_was_made(small, calibration, requests, tmp_path):
    done = convert(replace(small, metrics={"accuracy": 1}), tmp_path, scheme="static_wi8_ai8", calibration=calibration)
    artifact = Artifact.open(tmp_path / "small-tflite-static_wi8_ai8")
    assert artifact.manifest == done.artifact.manifest
    manifest = artifact.manifest
    assert (manifest.format, manifest.scheme, manifest.source_sha256) == ("tflite", "static_wi8_ai8", "0" * 64)
    assert manifest.metrics == {}  # measured on another model
    step = manifest.lineage[-1]
    assert (step.step, step.tools) == ("convert", {"tool": "1"})
    assert step.parameters == {
        "to": "tflite", "scheme": "static_wi8_ai8", "batch": 1, "granularity": "per_channel", "io_dtype": "int8",
        "calibration_samples": 30, "calibration_sha256": calibration.sha256, "calibration_method": "min_max",
    }  # fmt: skip
    assert done.report.to_dict() == {
        "format": "tflite", "scheme": "static_wi8_ai8", "bytes": len(TFLITE), "skipped": [["odd", "why"]],
        "statistics": None,
    }  # fmt: skip


def test_layers_and_method_reach_the_exporter_and_the_record(small, calibration, requests, tmp_path):
    options = {"calibration_method": "mse", "float_layers": "stem", "int16_layers": iter(["re*", "pool"])}
    done = convert(
        small, tmp_path, scheme="static_wi8_ai8", calibration=calibration, calibration_cache=str(tmp_path), **options
    )
    request, parameters = requests[0], done.artifact.manifest.lineage[-1].parameters
    assert (request.float_layers, request.int16_layers) == (("stem",), ("re*", "pool"))
    assert (request.calibration_method, request.calibration_cache) == ("mse", tmp_path)
    assert (parameters["float_layers"], parameters["int16_layers"]) == (["stem"], ["re*", "pool"])
    assert parameters["calibration_method"] == "mse"


def test_what_a_scheme_does_not_use_is_not_recorded(small, calibration, requests, tmp_path):
    done = convert(small, tmp_path, scheme="float16", calibration=calibration)
    assert requests[0].calibration is None
    assert done.artifact.manifest.lineage[-1].parameters == {"to": "tflite", "scheme": "float16", "batch": 1}


@pytest.mark.parametrize(
    ("scheme", "asked", "given"),
    [
        ("static_wi8_ai8", None, "int8"),
        ("static_wi8_ai8", "uint8", "uint8"),
        ("static_wi8_ai16", None, "int16"),
        ("static_wi8_ai16", "float32", "float32"),
        ("float16", None, "float32"),
        ("float32", "float32", "float32"),
    ],
)
def test_each_scheme_has_its_types_of_inputs_and_outputs(small, calibration, requests, tmp_path, scheme, asked, given):
    convert(small, tmp_path, scheme=scheme, io_dtype=asked, calibration=calibration)
    assert requests[0].io_dtype == given


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "tflight"}, r"format: got tflight; allowed: tflite, .* \(did you mean tflite\?\)"),
        ({"scheme": "int8"}, "scheme: got int8; allowed: float32"),
        ({"to": "openvino", "scheme": "static_wi8_ai16"}, "scheme for openvino: got static_wi8_ai16"),
        ({"scheme": "static_wi8_ai16", "io_dtype": "uint8"}, "io_dtype of static_wi8_ai16 for tflite: got uint8"),
        ({"scheme": "float16", "io_dtype": "int8"}, "io_dtype of float16 for tflite: got int8; allowed: float32"),
        ({"to": "openvino", "scheme": "static_wi8_ai8", "io_dtype": "int8"}, "for openvino: got int8"),
        ({"granularity": "per_row"}, "granularity: got per_row; allowed: per_channel, per_tensor"),
        ({"scheme": "float16", "granularity": "per_tensor"}, "granularity of float16: got per_tensor"),
        ({"scheme": "static_wi8_ai8", "calibration_method": "minmax"}, r"calibration_method: .*did you mean min_max"),
        ({"scheme": "float16", "calibration_method": "mse"}, "float16 is not calibrated: got mse; allowed: min_max"),
        ({"scheme": "static_wi8_ai16", "calibration_method": "mse"}, "ai16 for tflite: got mse; allowed: min_max"),
        (
            {"to": "openvino", "scheme": "static_wi8_ai8", "calibration_method": "entropy"},
            "for openvino: got entropy; allowed: min_max, percentile, mse",
        ),
        ({"to": "openvino", "scheme": "static_wi8_ai8", "int16_layers": ["stem"]}, "openvino has no int16_layers"),
        ({"scheme": "float16", "float_layers": ["stem"]}, "float_layers for tflite: scheme: got float16; allowed: dyn"),
        ({"scheme": "static_wi8_ai16", "int16_layers": ["stem"]}, "int16_layers for tflite: scheme: got static"),
        ({"scheme": "static_wi8_ai8", "float_layers": [3]}, "float_layers: a layer's name: got 3"),
        ({"batch": 0}, "batch: got 0; allowed: 1 or more"),
        ({"batch": 1.5}, "batch: got 1.5"),
    ],
)
def test_what_a_format_does_not_offer_is_refused(small, calibration, requests, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        convert(small, tmp_path, calibration=calibration, **options)
    assert not requests and not list(tmp_path.iterdir())


def test_calibration_data_that_does_not_fit_is_refused(small, images, requests, tmp_path):
    with pytest.raises(CalibrationError, match="static_wi8_ai8 needs calibration data and there is none"):
        convert(small, tmp_path, scheme="static_wi8_ai8")
    large = CalibrationDataset([np.arange(27, dtype=np.uint8).reshape(3, 3, 3)], lambda image: image / 255)
    with pytest.raises(CalibrationError, match=r"another shape .*: got \(3, 3, 3\); allowed: \(32, 32, 3\)"):
        convert(small, tmp_path, scheme="static_wi8_ai8", calibration=large)
    assert not requests and not list(tmp_path.iterdir())


def test_calibration_takes_one_input(requests, tmp_path):
    import tf_keras as keras

    pair = [keras.Input((3, 3, 3), name="a"), keras.Input((3, 3, 3), name="b")]
    source = SourceModel(keras.Model(pair, keras.layers.Add(name="sum")(pair)), "pair")
    one = CalibrationDataset([np.arange(27, dtype=np.uint8).reshape(3, 3, 3)], lambda image: image / 255)
    with pytest.raises(ConversionError, match="a model with one input: got 2 inputs"):
        convert(source, tmp_path, scheme="static_wi8_ai8", calibration=one)


def test_quantization_aware_models_keep_what_they_were_trained_for(small, requests, tmp_path):
    tfmot = pytest.importorskip("tensorflow_model_optimization")
    model = tfmot.quantization.keras.quantize_model(small.model)
    source = replace(small, model=model, scheme="static_wi8_ai8")
    with pytest.raises(ConfigError, match="keeps its scheme: got float16"):
        convert(source, tmp_path, scheme="float16")
    with pytest.raises(ConfigError, match="granularity of a model of quantization-aware training: got per_tensor"):
        convert(source, tmp_path, granularity="per_tensor")
    with pytest.raises(ConfigError, match=r"float_layers of a model of quantization-aware training.*--layers"):
        convert(source, tmp_path, float_layers="stem")
    with pytest.raises(ConfigError, match="quantization-aware training is not calibrated: got mse"):
        convert(source, tmp_path, calibration_method="mse")
    assert not requests
    convert(source, tmp_path)  # needs no calibration data
    assert (requests[0].scheme, requests[0].calibration) == ("static_wi8_ai8", None)


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "", "a\0b"])
def test_a_name_that_would_lead_elsewhere_is_refused(small, requests, tmp_path, name):
    with pytest.raises(ConfigError, match="model's name"):
        convert(replace(small, name=name), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_taken_is_refused_before_the_work(small, requests, tmp_path):
    convert(small, tmp_path)
    with pytest.raises(ConfigError, match="exists"):
        convert(small, tmp_path)
    assert len(requests) == 1
    convert(small, tmp_path, overwrite=True)


def test_an_exporter_that_gives_up_leaves_nothing(small, monkeypatch, tmp_path):
    def export(source, request):
        raise ConversionError("gave up")

    monkeypatch.setattr("edgevision.converters.tflite.export", export)
    with pytest.raises(ConversionError, match="gave up"):
        convert(small, tmp_path)
    assert not list(tmp_path.iterdir())


def test_specs_of_the_artifact_are_those_of_the_file(small, requests, tmp_path):
    specs = convert(small, tmp_path).artifact.manifest.inputs
    assert specs == small.inputs and isinstance(specs[0], TensorSpec)
