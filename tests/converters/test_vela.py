"""Vela itself compiles; its figures, its refusals and what was predicted of it are compared."""

import pytest

from edgevision.artifact import Artifact
from edgevision.compiling import compile_for
from edgevision.converters.vela import _figures, _reasons, compile_vela
from edgevision.errors import ConfigError, ConversionError, IncompatibleModelError
from edgevision.optional import available

if not available("ethosu"):
    pytest.skip("Vela is not installed (extra vela)", allow_module_level=True)


@pytest.fixture(scope="module")
def models(shared_data):
    return shared_data / "models"


@pytest.mark.parametrize("accelerator", ["ethos-u55-128", "ethos-u85-256"])
@pytest.mark.parametrize("file", ["mlperf_tiny/vww/vww_96_int8", "mlperf_tiny/resnet8_cifar10/pretrainedResnet_quant"])
def test_int8_models_are_mapped_as_predicted(models, tmp_path, file, accelerator):
    (made,) = compile_for([Artifact.describe(models / f"{file}.tflite")], accelerator, tmp_path)
    assert (made.differences, made.report.on_cpu) == ((), ())
    facts = made.report.facts
    assert facts["cycles"] > 10_000 and facts["macs"] > 1_000_000
    assert 10_000 < facts["sram_bytes"] < 200_000
    stored = facts["off_chip_flash_bytes"] + facts["dram_bytes"]
    assert 50_000 < stored < 400_000
    assert made.artifact.manifest.format == "vela"
    assert made.artifact.manifest.lineage[-1].parameters["memory_mode"]
    assert Artifact.open(made.artifact.path).bytes == made.artifact.bytes


@pytest.mark.parametrize("accelerator", ["ethos-u55-128", "ethos-u85-256"])
@pytest.mark.parametrize("name", ["deeplabv3_mnv2_dm05_pascal_quant", "automl_traffic_detector"])
def test_models_of_which_some_is_left_are_predicted(models, tmp_path, name, accelerator):
    (made,) = compile_for([Artifact.describe(models / f"coral/{name}.tflite")], accelerator, tmp_path)
    assert made.differences == ()
    left = {(placed.kind, placed.reason.partition(":")[0]) for placed in made.report.on_cpu}
    if name.startswith("deeplab"):
        assert left == (set() if "u85" in accelerator else {("RESIZE_BILINEAR", "Vela")})
    else:
        assert left == {("TFLite_Detection_PostProcess", "Vela")}


def test_a_float_model_is_refused_with_reasons_though_vela_exits_with_0(models):
    with pytest.raises(IncompatibleModelError, match=r"nothing of it runs.*CONV_2D 0.*Float32.*edgevision check"):
        compile_vela(models / "mlperf_tiny/vww/vww_96_float.tflite", "ethos-u55-128")


def test_a_model_that_vela_refuses_is_an_error_of_ours(models):
    with pytest.raises((ConversionError, IncompatibleModelError)):
        compile_vela(models / "coral/model_invoking_error.tflite", "ethos-u55-128")
    with pytest.raises(IncompatibleModelError, match="takes TFLite"):
        compile_vela(models / "detection/FastestDet_coco.onnx", "ethos-u55-128")


def test_unknown_settings(models):
    file = models / "mlperf_tiny/vww/vww_96_int8.tflite"
    with pytest.raises(ConfigError, match="did you mean ethos-u55-128"):
        compile_vela(file, "ethos-u55-129")
    with pytest.raises(ConversionError, match="failed with status"):
        compile_vela(file, "ethos-u55-128", system_config="No_Such_Chip")


def test_a_summary_that_is_not_understood_is_reported(tmp_path):
    summary = tmp_path / "m_summary_X.csv"
    with pytest.raises(ConversionError, match="no summary"):
        _figures(tmp_path, tmp_path / "m.tflite")
    for text in ("", "cycles_total\n", "cycles_total,inference_time\nmany,0.1\n"):
        summary.write_text(text)
        with pytest.raises(ConversionError, match="not understood"):
            _figures(tmp_path, tmp_path / "m.tflite")


def test_reasons_of_the_log():
    log = "x\nWarning (supported operators) operator: PAD, ofm: 'a b'\nReason: too wide\n - list\n"
    assert _reasons(log) == {"a b": "Vela: too wide"}


@pytest.mark.parametrize("file", ["edge_cases/person_detect_vela_ethosu.tflite", "face/ultralight_RFB-320.onnx"])
def test_what_is_no_tflite_model_is_refused_by_the_name_of_its_file(models, tmp_path, file):
    with pytest.raises(IncompatibleModelError, match=rf"{models / file}: .*--to tflite"):
        compile_for([Artifact.describe(models / file)], "ethos-u55-128", tmp_path)
    assert not any(tmp_path.iterdir())
