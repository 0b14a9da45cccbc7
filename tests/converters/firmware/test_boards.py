"""On emulated boards: the selftest holds on every processor, within limits of instructions and bytes."""

import re
import shutil
import subprocess

import pytest

from edgevision.adopt import adopt
from edgevision.converters.firmware import firmware
from edgevision.converters.firmware.targets import TARGETS

TOOLS = ("arm-none-eabi-gcc", "qemu-system-arm")
PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(tool) is None for tool in TOOLS),
        reason=f"no Arm compiler and emulator: apt-get install {PACKAGES}",
    ),
]

# Millions of instructions at -O2, and bytes of code: what TFLite Micro with CMSIS-NN needs on a Cortex-M7, and on a
# Cortex-M55 a third of what the portable code needs there.
LIMITS = {
    ("pretrainedResnet_quant", "cortex-m7"): (30.0, 5000),
    ("kws_ref_model", "cortex-m7"): (7.6, 5000),
    ("vww_96_int8", "cortex-m7"): (24.0, 5000),
    ("pretrainedResnet_quant", "cortex-m55"): (37.1 / 3, 5000),
    ("kws_ref_model", "cortex-m55"): (11.8 / 3, 5000),
    ("vww_96_int8", "cortex-m55"): (35.5 / 3, 5000),
}


def run_board(made, target, program):
    """Build the board example with every warning an error; return what it prints in the emulator."""
    folder, board = made.artifact.path, TARGETS[target]
    sources = [*sorted(folder.glob("cam*.c")), *sorted((folder / "examples/board").glob("*.c"))]
    command = [
        "arm-none-eabi-gcc", "-std=gnu99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", *board.flags,
        "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-nostartfiles",
        "-T", folder / "examples/board/board.ld", "-I", folder, *sources, "-o", program,
    ]  # fmt: skip
    subprocess.run([*map(str, command)], check=True)
    emulator = [
        "qemu-system-arm", "-M", board.machine, "-icount", "shift=0", "-display", "none", "-serial", "none",
        "-monitor", "none", "-semihosting-config", "enable=on,target=native", "-kernel", str(program),
    ]  # fmt: skip
    return subprocess.run(emulator, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_the_selftest_holds_on_every_board(mlperf_model, target, tmp_path):
    made = firmware(mlperf_model, tmp_path / "out", name="cam", target=target)
    done = run_board(made, target, tmp_path / "program.elf")
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.fullmatch(r"vectors that differ: 0\ninstructions: (\d+)\n", done.stderr)  # QEMU's console
    assert found, done.stderr
    instructions, code = LIMITS.get((mlperf_model.stem, target), (60.0, 5000))
    assert 0 < int(found[1]) <= instructions * 1e6
    assert made.report["measured"]["code_bytes"] <= code


@pytest.mark.parametrize("mlperf_model", ["resnet8"], indirect=True)
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_the_selftest_with_frames_holds_on_every_board(mlperf_model, target, tmp_path):
    preprocessing = {"filter": "linear_fixed", "resize": "center_crop"}
    source = adopt(mlperf_model, tmp_path / "source", preprocessing=preprocessing)
    made = firmware(source, tmp_path / "out", name="cam", target=target)
    done = run_board(made, target, tmp_path / "program.elf")
    assert done.returncode == 0 and "vectors that differ: 0\n" in done.stderr, done.stdout + done.stderr
    text = (made.artifact.path / "cam_io.c").read_text()
    (made.artifact.path / "cam_io.c").write_text(text.replace("+ 32768U) >> 16U", "+ 32700U) >> 16U"))
    spoiled = run_board(made, target, tmp_path / "spoiled.elf")
    assert spoiled.returncode == 1 and "vectors that differ: 5\n" in spoiled.stderr, spoiled.stdout + spoiled.stderr


def test_a_selftest_that_fails_is_the_exit_code(mlperf_model, tmp_path):
    made = firmware(mlperf_model, tmp_path / "out", name="cam", target="cortex-m3")
    source = made.artifact.path / "cam.c"
    source.write_text(source.read_text().replace(".zero_point = ", ".zero_point = 1 + "))
    done = run_board(made, "cortex-m3", tmp_path / "program.elf")
    assert done.returncode == 1 and "vectors that differ: 0" not in done.stderr and "vectors" in done.stderr
