"""On emulated boards: a frame of each camera format becomes the input and the class that Python makes of it."""

import json
import shutil
import subprocess
import sys

import pytest

from edgevision.converters.firmware.frames import CAMERA_FORMATS
from edgevision.converters.firmware.targets import TARGETS

TOOLS = ("arm-none-eabi-gcc", "qemu-system-arm")
PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
# Millions of instructions that preprocessing may take, for 32 x 32 pixels: 0.44 for the dearest format when measured.
LIMIT = 0.5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(tool) is None for tool in TOOLS),
        reason=f"no Arm compiler and emulator: apt-get install {PACKAGES}",
    ),
]


@pytest.mark.parametrize("mlperf_model", ["resnet8"], indirect=True)
def test_frames_are_preprocessed_and_classified_as_in_python(repository, mlperf_model):
    script = repository / "benchmarks" / "firmware_frames.py"
    command = [sys.executable, str(script), str(mlperf_model), "--count", "3", "--resize", "letterbox"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=280)
    report = json.loads(done.stdout)
    assert set(report["boards"]) == set(TARGETS) and report["frames"] == 3 * len(CAMERA_FORMATS)
    for target, rows in report["boards"].items():
        assert set(rows) == set(CAMERA_FORMATS)
        for format_, row in rows.items():
            different = [row[key] for key in ("refused", "inputs_that_differ", "answers_that_differ")]
            assert different == [0, 0, 0], (target, format_)
            assert row["top1_unlike_tflite"] == 0, (target, format_)
            assert 0 < row["preprocess_instructions"] <= LIMIT * 1e6, (target, format_)
        assert max(row["classes_seen"] for row in rows.values()) > 1
