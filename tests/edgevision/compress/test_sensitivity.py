"""Layers ranked by what quantizing or pruning them alone does: a planted culprit comes first, and why."""

import dataclasses
import json

import numpy as np
import pytest

from edgevision.calibration import CalibrationDataset
from edgevision.compress.sensitivity import sensitivity
from edgevision.converters.base import convert
from edgevision.converters.fine_tuning import copy_model
from edgevision.converters.quantization import quantize_aware
from edgevision.data.dataset import ArrayDataset
from edgevision.errors import CalibrationError, ConfigError, ConversionError, DatasetError
from edgevision.evaluate import evaluate
from edgevision.preprocessing import Preprocessing

LABELS = ("across", "down", "plain")
PREPROCESSING = Preprocessing(8, 8, mean=(128.0,) * 3, std=(64.0,) * 3)
COUNTS = {"images": 96, "calibration_count": 48}


@pytest.fixture(scope="module")
def report(with_activations, stripes):
    return sensitivity(with_activations, stripes, **COUNTS)


def test_huge_activations_are_found_and_explained(report):
    first, second = report.layers[:2]
    assert (first.layer, first.kind) == ("depthwise", "DepthwiseConv2D")
    assert first.effect.agreement.value < 0.7 < 0.9 < second.effect.agreement.value
    assert first.activations_sqnr_db < 5 < 30 < first.weights_sqnr_db
    assert "activations span" in first.why and "one channel reaches" in first.why
    assert first.parameters == 8 * 9 + 4 * 8 and first.macs == 8 * 8 * 9 * 8
    assert report.together.agreement.value < 0.7 and report.float_accuracy.value > 0.9
    assert [layer.layer for layer in report.layers if layer.parameters == 0] == [
        layer.layer for layer in report.layers if layer.layer in ("add", "pool", "probabilities")
    ]
    assert json.loads(json.dumps(report.to_dict()))["layers"][0]["layer"] == "depthwise"


def test_the_same_seed_gives_the_same_report(report, with_activations, stripes):
    assert sensitivity(with_activations, stripes, **COUNTS).to_dict() == report.to_dict()


@pytest.mark.parametrize(
    ("kind", "options", "culprit", "why"),
    [
        ("weights", {"granularity": "per_tensor"}, "depthwise", "one output channel's weights are"),
        (
            "weights",
            {"scheme": "dynamic_wi8_afp32", "granularity": "per_tensor"},
            "depthwise",
            "with one scale for all",
        ),
        ("one weight", {}, "pointwise", "times the median of its channel"),
        ("activations", {"to": "openvino"}, "depthwise", "activations span"),
    ],
)
def test_other_outliers_are_found_too(planted, stripes, kind, options, culprit, why):
    report = sensitivity(planted(kind), stripes, **options, **COUNTS)
    assert report.layers[0].layer == culprit and why in report.layers[0].why
    assert report.layers[0].effect.agreement.value < report.layers[1].effect.agreement.value


def test_scales_per_channel_make_huge_channels_harmless(planted, stripes):
    report = sensitivity(planted("weights"), stripes, scheme="dynamic_wi8_afp32", **COUNTS)
    assert report.together.agreement.value > 0.97
    assert report.layers[0].why == "the weights of 1 of 8 input channels are too small for the scale"
    assert {layer.why for layer in report.layers[1:]} == {""}
    assert {layer.activations_sqnr_db for layer in report.layers} == {None}


def test_the_simulation_answers_as_the_real_file(with_activations, stripes, tmp_path):
    report = sensitivity(with_activations, stripes, calibration_data=stripes, images=192, calibration_count=96)
    calibration = CalibrationDataset.from_dataset(stripes, PREPROCESSING, 96)
    artifact = convert(with_activations, tmp_path, scheme="static_wi8_ai8", calibration=calibration).artifact
    real = evaluate(artifact, stripes).classification.accuracy.value
    assert report.together.accuracy.value == pytest.approx(real, abs=0.04)


def test_pruning_zeroes_one_kernel_at_a_time(source, stripes):
    before = source.model.get_weights()
    report = sensitivity(source, stripes, what="prune", target_sparsity=0.9, **COUNTS)
    assert {layer.layer for layer in report.layers} == {"stem", "pointwise", "side", "logits"}
    assert ("depthwise", "DepthwiseConv2D: not a layer whose kernel is pruned") in report.skipped
    agreements = [layer.effect.agreement.value for layer in report.layers]
    assert agreements == sorted(agreements) and agreements[0] < 1
    assert "of the kernel's energy" in report.layers[0].why
    assert report.settings == {"target_sparsity": 0.9, "seed": 0}
    assert all(np.array_equal(a, b) for a, b in zip(before, source.model.get_weights(), strict=True))


def test_channels_go_from_one_group_at_a_time(source, stripes):
    report = sensitivity(source, stripes, what="channels", target_sparsity=0.9, **COUNTS)
    assert {layer.layer for layer in report.layers} == {"stem", "pointwise + side"}
    assert {layer.why for layer in report.layers} == {"7 of 8 channels gone"}
    assert report.layers[0].output_sqnr_db < 15 and report.layers[0].sqnr_db is None
    assert report.together.agreement.value < 1


def test_progress_counts_the_layers(source, stripes):
    seen = []
    sensitivity(
        source, stripes, layers=["stem", "poin*"], progress=lambda done, total: seen.append((done, total)), **COUNTS
    )
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"what": "shrink"}, "what to try on each layer: got shrink; allowed: quantize, prune, channels"),
        ({"scheme": "float32"}, "scheme for tflite: got float32"),
        ({"scheme": "static_wi8_ai16", "to": "openvino"}, "scheme for openvino"),
        ({"granularity": "per_tensor", "scheme": "float16"}, "granularity of float16"),
        ({"to": "onnx"}, "format: got onnx"),
        ({"what": "prune", "target_sparsity": float("nan")}, "target sparsity: got nan"),
        ({"what": "prune", "target_sparsity": 1.0}, "target sparsity"),
        ({"layers": ["stm"]}, "no layer has this name: got stm; allowed: stem"),
        ({"layers": ["image"]}, "nothing to change among the layers chosen"),
        ({"images": 0}, "number of images: got 0"),
        ({"calibration_count": 0}, "number of calibration images: got 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(source, stripes, options, says):
    with pytest.raises(ConfigError, match=says):
        sensitivity(source, stripes, **{**COUNTS, **options})


def test_models_that_cannot_be_judged_are_refused(source, stripes):
    import tf_keras as keras

    def refused(error, match, dataset=stripes, **changes):
        with pytest.raises(error, match=match):
            sensitivity(dataclasses.replace(source, **changes), dataset, **COUNTS)

    refused(ConfigError, "how an image becomes its input is unknown", preprocessing=None)
    refused(
        ConfigError,
        "needs a classifier of images",
        model=keras.Model(source.model.input, source.model.layers[3].output),
    )
    quantized, _ = quantize_aware(source, stripes, epochs=0)
    refused(ConfigError, "carries quantization already", model=quantized.model)
    broken = copy_model(source)
    broken.get_layer("stem").set_weights([np.full((3, 3, 3, 8), np.nan)])
    refused(ConversionError, "NaN or infinite: got stem/kernel", model=broken)
    overflowing = copy_model(source)
    overflowing.get_layer("pointwise").set_weights([np.full((1, 1, 8, 8), 3e38)])
    refused(ConversionError, "a layer gives values that are NaN or infinite: got pointwise", model=overflowing)
    refused(CalibrationError, "another shape than the input", preprocessing=Preprocessing(9, 9))


def test_images_that_say_nothing_are_refused(source, stripes):
    grey = ArrayDataset(np.full((12, 8, 8, 3), 7, np.uint8), np.arange(12) % 3, LABELS, "grey")
    with pytest.raises(CalibrationError, match="all one value"):
        sensitivity(source, stripes, calibration_data=grey, **COUNTS)
    with pytest.raises(DatasetError, match="a class that the model does not know: got cat"):
        sensitivity(source, ArrayDataset(stripes.pixels, stripes.targets, ("cat", "b", "c"), "other"), **COUNTS)
    with pytest.raises(DatasetError, match="too few images"):
        sensitivity(source, stripes.subset([0]), **COUNTS)
