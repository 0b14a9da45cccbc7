"""`edgevision check` and `edgevision devices`, as typed."""

import json

import pytest

from edgevision.cli import main


def run(capsys, *words):
    status = main(list(map(str, words)), standalone_mode=False)
    return status, capsys.readouterr()


def test_a_table_of_models_and_devices(capsys, shared_data):
    folder = shared_data / "models/coral"
    files = [folder / "mobilenet_v2_1.0_224_quant.tflite", folder / "deeplabv3_mnv2_dm05_pascal_quant.tflite"]
    status, output = run(capsys, "check", *files)
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in output.out.splitlines()[1:]}
    assert status == 0
    assert rows["coral-usb"].split("  ")[-1].strip() == "partly 64/72"
    assert len(rows) >= 20


def test_a_named_device_that_does_not_run_it_ends_with_3(capsys, shared_data):
    status, output = run(
        capsys, "check", shared_data / "models/mlperf_tiny/vww/vww_96_float.tflite", "--profile", "coral-usb"
    )
    assert status == 3
    assert "coral-usb: does not run (edgetpu: 0 of 31 operators on edgetpu)" in output.out
    assert "CONV_2D 0" in output.out and "edgevision quantize" in output.out


def test_json_has_every_operator(capsys, shared_data):
    model = shared_data / "models/coral/deeplabv3_mnv2_dm05_pascal_quant.tflite"
    status, output = run(capsys, "check", model, "--profile", "coral-usb", "--json")
    (found,) = json.loads(output.out)["models"][str(model)]
    assert (status, found["verdict"], len(found["mapping"]["placements"])) == (0, "runs partly on CPU", 72)
    assert [segment["target"] for segment in found["mapping"]["segments"]] == ["edgetpu", "cpu"]


def test_an_unknown_profile(capsys, shared_data):
    model = shared_data / "models/mlperf_tiny/vww/vww_96_int8.tflite"
    status, output = run(capsys, "check", model, "--profile", "coral-usp")
    assert status == 1 and "coral-usb" in output.err


def test_this_machine(capsys, shared_data):
    model = shared_data / "models/mlperf_tiny/vww/vww_96_int8.tflite"
    status, output = run(capsys, "check", model, "--device", "cpu")
    assert status == 0 and output.out.startswith("cpu: runs (tflite: 31 of 31 operators on cpu)")


def test_where_openvino_runs_each_operator(capsys, shared_data):
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    model = shared_data / "models/detection/FastestDet_coco.onnx"
    status, output = run(capsys, "check", model, "--device", "hetero:cpu", "--json")
    (found,) = json.loads(output.out)["models"][str(model)]
    mapping = found["mapping"]
    assert (status, found["verdict"], found["runtime"]) == (0, "runs", "openvino")
    assert mapping["by"].startswith("openvino 20") and mapping["mapped"] == mapping["operators"] > 100
    assert [segment["target"] for segment in mapping["segments"]] == ["cpu"]


def test_a_device_that_is_not_here(capsys, shared_data):
    model = shared_data / "models/coral/split_concat_edgetpu.tflite"
    status, output = run(capsys, "check", model, "--device", "coral:usb:0", "--profile", "coral-usb")
    assert status == 3
    assert "coral-usb: runs (edgetpu: 1 of 1 operators on edgetpu)" in output.out
    assert "coral:usb:0: does not run" in output.out


def test_no_device_string(capsys, shared_data):
    model = shared_data / "models/coral/split_concat.tflite"
    status, output = run(capsys, "check", model, "--device", "gpux")
    assert status == 1 and "did you mean gpu?" in output.err


def test_devices_say_what_is_absent_and_why(capsys):
    status, output = run(capsys, "devices", "--json")
    found = json.loads(output.out)["devices"]
    assert status == 0
    assert all(device["reason"] for device in found if device["state"] != "available")
    assert found[0]["device"] == "cpu"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            "edge_cases/person_detect_vela_ethosu.tflite",
            "not converted back: check the model that it was compiled from",
        ),
        ("detection/FastestDet_coco.onnx", "convert the model that this file was made from: edgevision convert MODEL"),
    ],
)
def test_no_conversion_is_advised_that_cannot_be(capsys, shared_data, model, said):
    status, output = run(capsys, "check", shared_data / "models" / model, "--profile", "stm32h7")
    assert status == 3 and said in output.out


def test_what_is_advised_for_files_can_be_done():
    from edgevision.converters.formats import FORMATS
    from edgevision.devices.checking import CONVERTED

    for format_, advised in CONVERTED.items():
        assert {name for name, row in FORMATS.items() if format_ in row.sources} - {format_} == set(advised)


def test_a_device_that_runs_other_formats_names_them(capsys, shared_data):
    model = shared_data / "models/mlperf_tiny/vww/vww_96_int8.tflite"
    status, output = run(capsys, "check", model, "--device", "gpu")
    assert status == 3 and "did you mean" not in output.out
    assert "no runtime runs the format tflite on gpu; it runs on coral, cpu" in output.out
    assert "on gpu run onnx, openvino" in output.out
