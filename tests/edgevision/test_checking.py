"""What `check` says of microcontrollers, beside what `firmware` then makes; and what it says where none can be made."""

import os
from pathlib import Path

import pytest

from edgevision.checking import check_file
from edgevision.converters.firmware import firmware
from edgevision.converters.firmware.size import CODE_ROOM_BYTES
from edgevision.devices.checking import NO
from edgevision.devices.fit import GENERATED, INTERPRETED
from edgevision.devices.latency_estimate import CORES, estimated_ms
from edgevision.devices.profile import Fact, load_profile

MODELS = ("resnet8_cifar10/pretrainedResnet_quant", "vww/vww_96_int8", "kws/kws_ref_model", "ad/ad01_int8")
CORTEX_M = ("stm32h7", "nicla-vision", "openmv-h7", "nrf5340", "rp2350", "stm32n6")


@pytest.fixture
def mlperf():
    if "EDGEVISION_DATA" not in os.environ:
        pytest.skip("EDGEVISION_DATA is not set: no MLPerf Tiny models")
    return Path(os.environ["EDGEVISION_DATA"]) / "models/mlperf_tiny"


@pytest.mark.parametrize("model", MODELS)
def test_it_says_what_firmware_takes_to_the_byte(model, mlperf, tmp_path):
    path = mlperf / f"{model}.tflite"
    (found,) = check_file(path, [load_profile("stm32h7")])
    report = firmware(path, tmp_path).report
    need = found.fit.need
    assert need.basis == GENERATED
    assert (need.ram_bytes, need.bound_bytes) == (report["ram"]["arena_bytes"], report["ram"]["bound_bytes"])
    assert (need.constant_bytes, need.macs) == (report["constant_bytes"], report["macs"])
    if report["measured"] is not None:
        assert report["constant_bytes"] < report["measured"]["flash_bytes"] <= need.constant_bytes + CODE_ROOM_BYTES


def test_the_latency_is_a_range_for_known_processors_alone(mlperf):
    path = mlperf / f"{MODELS[0]}.tflite"
    for check in check_file(path, [load_profile(name) for name in CORTEX_M]):
        low, high = check.fit.estimated_ms
        assert 0 < low < high < 12 * low
    (other,) = check_file(path, [load_profile("esp32-s3")])
    assert other.fit.estimated_ms is None and other.fit.need.basis == GENERATED


def test_the_estimate_is_operations_times_instructions_times_cycles():
    profile = load_profile("stm32h7")
    core = CORES["cortex-m7"]
    low, high = estimated_ms(profile, 480_000)
    assert low == pytest.approx(core.instructions[0] * core.cycles[0])
    assert high == pytest.approx(core.instructions[1] * core.cycles[1])


def test_what_firmware_is_not_made_of_is_tensors_and_file(mlperf):
    path = mlperf / "vww/vww_96_float.tflite"
    (found,) = check_file(path, [load_profile("stm32h7")])
    need = found.fit.need
    assert need.basis == INTERPRETED and found.fit.estimated_ms is None
    # The input is 96 x 96 x 3; before and behind the second layer there are 48 x 48 x 8 and, later, 48 x 48 x 16.
    assert need.ram_bytes == need.bound_bytes == 4 * 48 * 48 * (8 + 16) and need.macs == 7_489_664
    assert need.constant_bytes == path.stat().st_size


def test_memory_that_does_not_do_says_what_takes_it(mlperf):
    profile = load_profile("stm32h7")
    small = {**profile.facts, "ram_bytes": Fact(49_000, "made up"), "flash_bytes": Fact(64_000, "made up")}
    tiny = type(profile)(profile.name, profile.title, profile.kind, small, profile.ways)
    (found,) = check_file(mlperf / f"{MODELS[0]}.tflite", [tiny])
    storage, memory = found.reasons
    assert found.verdict == NO
    assert "constants and room for code have 90,204 bytes, the flash 64,000" in storage.text
    assert "the arena of generated firmware takes 49,440 bytes, the memory has 49,000" in memory.text
