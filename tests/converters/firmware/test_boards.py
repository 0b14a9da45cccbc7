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

# Of each model: bytes of the arena, which is the liveness bound, and of code and constants at most; then millions of
# instructions at -O2 on each processor. On a Cortex-M7 the last are what TFLite Micro with CMSIS-NN needs there, where
# that is known; the others are what was measured and one percent.
LIMITS = {
    "pretrainedResnet_quant": (
        49_440, 87_700,
        {"cortex-m3": 40.4, "cortex-m4": 27.3, "cortex-m7": 30.0, "cortex-m33": 27.4, "cortex-m55": 8.5},
    ),
    "kws_ref_model": (
        16_064, 35_000, {"cortex-m3": 12.5, "cortex-m4": 7.66, "cortex-m7": 7.6, "cortex-m33": 7.66, "cortex-m55": 3.0},
    ),
    "vww_96_int8": (
        55_296, 249_200,
        {"cortex-m3": 37.2, "cortex-m4": 23.7, "cortex-m7": 24.0, "cortex-m33": 23.7, "cortex-m55": 10.1},
    ),
    "ad01_int8": (
        768, 287_200,
        {"cortex-m3": 1.43, "cortex-m4": 0.75, "cortex-m7": 0.75, "cortex-m33": 0.75, "cortex-m55": 0.077},
    ),
}  # fmt: skip


def run_board(made, target, program, *flags):
    """Build the board example with every warning an error; return what it prints in the emulator."""
    folder, board = made.artifact.path, TARGETS[target]
    sources = [*sorted(folder.glob("cam*.c")), *sorted((folder / "examples/board").glob("*.c"))]
    command = [
        "arm-none-eabi-gcc", "-std=gnu99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", *board.flags, *flags,
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
    arena, flash, instructions = LIMITS[mlperf_model.stem]
    assert 0 < counted(done) <= instructions[target] * 1e6
    assert made.report["ram"]["arena_bytes"] == made.report["ram"]["bound_bytes"] == arena
    assert made.report["measured"]["flash_bytes"] <= flash
    assert made.report["measured"]["static_ram_bytes"] == 0


def counted(done):
    """The instructions of one inference, from what a board printed on QEMU's console."""
    found = re.fullmatch(r"vectors that differ: 0\ninstructions: (\d+)\n", done.stderr)
    assert found, done.stdout + done.stderr
    return int(found[1])


def test_vector_instructions_take_at_most_a_third_of_portable_ones(mlperf_model, tmp_path):
    made = firmware(mlperf_model, tmp_path / "out", name="cam", target="cortex-m55")
    portable = ("-U__ARM_FEATURE_MVE", "-U__ARM_FEATURE_DSP")
    slow, fast = (run_board(made, "cortex-m55", tmp_path / "program.elf", *flags) for flags in (portable, ()))
    assert 3 * counted(fast) <= counted(slow)


@pytest.mark.parametrize("target", ["cortex-m3", "cortex-m7", "cortex-m55"])
@pytest.mark.parametrize("mlperf_model", ["ad"], indirect=True)
def test_results_that_are_rounded_once_are_the_same_on_every_board(mlperf_model, target, tmp_path):
    made = firmware(mlperf_model, tmp_path / "out", name="cam", target=target, rounding="litert")
    assert counted(run_board(made, target, tmp_path / "program.elf")) > 0


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
