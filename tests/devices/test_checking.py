"""Verdicts of models on devices, each with its reason, and the page of rules."""

import time

import pytest

from edgevision.devices.checking import NO, PARTLY, RUNS, _memory, check_model
from edgevision.devices.fit import GENERATED, Need
from edgevision.devices.profile import load_profile, profile_names
from edgevision.graphs import read_graph

MODELS = {
    "vww int8": "mlperf_tiny/vww/vww_96_int8.tflite",
    "vww float": "mlperf_tiny/vww/vww_96_float.tflite",
    "deeplab": "coral/deeplabv3_mnv2_dm05_pascal_quant.tflite",
    "yolox": "detection/yolox_nano_coco.onnx",
    "custom": "coral/posenet_mobilenet_v1_075_353_481_16_quant_decoder.tflite",
    "brought": "edge_cases/selfie_segmentation_custom_op.tflite",
    "detector": "coral/automl_traffic_detector.tflite",
    "mobilenet": "coral/mobilenet_v2_1.0_224_quant.tflite",
    "compiled": "coral/mobilenet_v2_1.0_224_quant_edgetpu.tflite",
    "vela": "edge_cases/person_detect_vela_ethosu.tflite",
}


@pytest.fixture(scope="module")
def check(shared_data):
    return lambda model, profile: check_model(read_graph(shared_data / "models" / MODELS[model]), load_profile(profile))


@pytest.mark.parametrize(
    ("model", "profile", "verdict", "kind"),
    [
        ("vww int8", "stm32h7", RUNS, None),
        ("vww int8", "coral-usb", RUNS, None),
        ("vww int8", "ethos-u55-128", RUNS, None),
        ("vww float", "ethos-u55-128", NO, "operator"),
        ("vww float", "coral-usb", NO, "operator"),
        ("vww float", "raspberry-pi-5", RUNS, None),
        ("deeplab", "coral-usb", PARTLY, "operator"),
        ("deeplab", "ethos-u55-256", PARTLY, "operator"),
        ("deeplab", "ethos-u85-256", RUNS, None),
        ("deeplab", "stm32h7", NO, "memory"),
        ("mobilenet", "nrf5340", NO, "storage"),
        ("yolox", "jetson-orin-nano", RUNS, None),
        ("yolox", "coral-usb", NO, "format"),
        ("custom", "generic-x86-64", NO, "operator"),
        ("detector", "generic-x86-64", RUNS, None),
        ("detector", "coral-dev-board", RUNS, None),
        ("compiled", "coral-usb", RUNS, None),
        ("compiled", "raspberry-pi-5", NO, "format"),
        ("vela", "ethos-u55-128", RUNS, None),
    ],
)
def test_verdicts(check, model, profile, verdict, kind):
    found = check(model, profile)
    reasons = [reason for reason in found.reasons if reason.kind != "install"]
    assert found.verdict == verdict
    assert (reasons[0].kind if reasons else None) == kind
    if kind == "operator":
        assert all(reason.where and reason.text for reason in reasons)


def test_the_verdict_on_a_processor_is_what_the_runtime_does(check, shared_data):
    """What "runs" on a PC is loaded there, and what does not is refused, by the real runtime."""
    from edgevision.artifact import Artifact
    from edgevision.errors import IncompatibleModelError
    from edgevision.runtimes import load

    for model in ("vww int8", "vww float", "deeplab", "detector", "mobilenet", "custom", "brought"):
        artifact = Artifact.describe(shared_data / "models" / MODELS[model])
        if check(model, "generic-x86-64").verdict == RUNS:
            load(artifact, runtime="tflite").close()
        else:
            with pytest.raises(IncompatibleModelError):
                load(artifact, runtime="tflite")


@pytest.mark.parametrize(
    ("profile", "said", "way"),
    [
        ("jetson-nano", "Python 3.6", "container"),
        ("coral-dev-board", "Python 3.7", "container"),
        ("raspberry-pi-3", "ARMv8.1", None),
    ],
)
def test_stock_images_below_the_floor(check, profile, said, way):
    found = [reason for reason in check("vww int8", profile).reasons if reason.kind == "install"]
    assert any(said in reason.text for reason in found)
    assert way is None or any(way in (reason.rewrite or "") for reason in found)


def test_newer_images_need_nothing(check):
    assert check("vww int8", "raspberry-pi-5").reasons == ()
    assert check("vww int8", "jetson-orin-nano").reasons == ()


def test_twelve_models_on_every_profile_take_less_than_ten_seconds(shared_data):
    folder = shared_data / "models"
    files = sorted(folder.rglob("*.tflite"))[:10] + sorted(folder.rglob("*.onnx"))[:2]
    start = time.perf_counter()
    verdicts = [
        check_model(graph, load_profile(name)).verdict for graph in map(read_graph, files) for name in profile_names()
    ]
    assert len(verdicts) == 12 * len(profile_names())
    assert time.perf_counter() - start < 10


def test_the_page_of_rules_is_up_to_date(repository):
    import runpy

    page = runpy.run_path(str(repository / "scripts/operators_reference.py"))["page"]()
    assert (repository / "docs/operators.md").read_text(encoding="utf-8") == page


@pytest.mark.parametrize("name", ["stm32h7", "openmv-h7", "nicla-vision"])
def test_an_arena_that_no_block_of_the_memory_holds_does_not_fit(name):
    (reason,) = _memory(Need(GENERATED, 600_000, 600_000, 100_000), load_profile(name))
    assert reason.kind == "memory" and "600,000 bytes, the memory has 524,288" in reason.text
    assert not _memory(Need(GENERATED, 500_000, 500_000, 100_000), load_profile(name))
