"""Calls into CMSIS-NN, tried with functions written from its documentation: the real library is not here.

What this shows: the structs are filled as documented, the scratch memory overlaps nothing and is large enough for what
the functions ask, and the answers are TFLite Micro's. It does not show that the real library compiles with it.
"""

import importlib.util
import json
import runpy
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.converters.firmware import firmware
from edgevision.errors import ConfigError, IncompatibleModelError, InferenceError
from edgevision.firmware_library import FirmwareLibrary
from edgevision.runtimes import load

LIBRARY = Path(__file__).parent / "cmsis_nn"


ALL = ["kws", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ad", "resnet8", "vww"))]
every_model = pytest.mark.parametrize("mlperf_model", ALL, indirect=True)


@pytest.fixture
def generated(mlperf_model, tmp_path):
    return firmware(mlperf_model, tmp_path / "out", name="cam", backend="cmsis-nn", target="cortex-m7")


def built(made, *defines):
    """The generated code with the tests' library in one file, which FirmwareLibrary builds with every warning on."""
    folder, report = made.artifact.path, made.report
    for file in LIBRARY.iterdir():
        shutil.copy(file, folder)
    generated = (folder / "cam.c").read_text().replace("<arm_nnfunctions.h>", '"arm_nnfunctions.h"')
    joined = folder / "joined.c"
    joined.write_text("\n".join([*(f"#define {one}" for one in defines), '#include "reference.c"', generated]))
    sizes = [[row["bytes"] for row in report[side]] for side in ("inputs", "outputs")]
    return FirmwareLibrary(joined, "cam", report["ram"]["arena_bytes"], *sizes)


def different(library, expected, shape, count):
    """How many bytes of the answers are not the oracle's."""
    draw, found = np.random.default_rng(0), 0
    for _ in range(count):
        low, high = sorted(draw.integers(-128, 129, 2).tolist())
        vector = draw.integers(low, max(high, low + 1), shape).astype(np.int8)
        found += int((library.run([vector])[0] != expected.run([vector])[0].reshape(-1)).sum())
    return found


@every_model
@pytest.mark.parametrize("defines", [(), ("DENSE_SUMS",)], ids=["sums not wanted", "sums wanted"])
def test_it_answers_as_tflite_micro_does(mlperf_model, generated, oracle, defines):
    report = generated.report
    kernels = {layer["kernel"] for layer in report["layers"]}
    assert all(kernel.startswith("cmsis_") for kernel in kernels) and report["measured"] is None
    library = built(generated, *defines)
    assert different(library, oracle(mlperf_model.read_bytes()), report["inputs"][0]["shape"], 8) == 0


@pytest.mark.skipif(importlib.util.find_spec("tf_keras") is None, reason="the extra train is not installed")
@pytest.mark.slow
def test_a_detector_answers_as_tflite_micro_does(repository, oracle, tmp_path):
    content = runpy.run_path(str(repository / "benchmarks/firmware_models.py"))["detector"]()
    path = tmp_path / "detector.tflite"
    path.write_bytes(content)
    made = firmware(path, tmp_path / "out", name="cam", backend="cmsis-nn")
    kernels = {layer["kernel"] for layer in made.report["layers"]}
    assert {"cmsis_convolution", "cmsis_pooling", "cmsis_binary"} <= kernels
    assert different(built(made), oracle(content), made.report["inputs"][0]["shape"], 10) == 0


@every_model
def test_more_scratch_than_was_planned_is_an_error_and_not_a_write_beyond_it(mlperf_model, generated):
    kernels = {layer["kernel"] for layer in generated.report["layers"]}
    if kernels == {"cmsis_dense"}:
        pytest.skip("a model of fully connected layers, which ask for none")
    library = built(generated, "SCRATCH_MORE 100000")
    with pytest.raises(InferenceError, match="status 6"):
        library.run([np.zeros(generated.report["inputs"][0]["bytes"], np.int8)])


@every_model
def test_scratch_is_planned_and_the_golden_vectors_are_those_of_the_portable_code(mlperf_model, generated, tmp_path):
    portable = firmware(mlperf_model, tmp_path / "portable", name="cam")
    one, other = (made.artifact.path / "cam_selftest.c" for made in (generated, portable))
    assert one.read_text() == other.read_text()
    assert generated.report["macs"] == portable.report["macs"]
    assert generated.report["ram"]["arena_bytes"] >= generated.report["ram"]["bound_bytes"]
    assert "target_link_libraries(cam PUBLIC cmsis-nn)" in (generated.artifact.path / "CMakeLists.txt").read_text()


@pytest.mark.parametrize("mlperf_model", ["kws"], indirect=True)
def test_the_runtime_says_that_the_library_is_not_here(generated):
    artifact = Artifact.open(generated.artifact.path)
    assert json.loads((artifact.path / "firmware.json").read_text())["backend"] == "cmsis-nn"
    with pytest.raises(IncompatibleModelError, match="got cmsis-nn; allowed: c99"):
        load(artifact)


@pytest.mark.parametrize("mlperf_model", ["kws"], indirect=True)
def test_it_has_one_rounding(mlperf_model, tmp_path):
    with pytest.raises(ConfigError, match="got litert"):
        firmware(mlperf_model, tmp_path, backend="cmsis-nn", rounding="litert")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cortex-m7", "cortex-m55"])
@pytest.mark.parametrize("mlperf_model", ["resnet8", "vww"], indirect=True)
def test_it_compiles_for_the_processor(mlperf_model, target, tmp_path):
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("no arm-none-eabi-gcc: apt-get install gcc-arm-none-eabi")
    from edgevision.converters.firmware.targets import TARGETS

    folder = firmware(mlperf_model, tmp_path, name="cam", backend="cmsis-nn", target=target).artifact.path
    flags = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", *TARGETS[target].flags)
    command = ["arm-none-eabi-gcc", *flags, "-I", LIBRARY, "-c", folder / "cam.c", "-o", tmp_path / "cam.o"]
    subprocess.run([*map(str, command)], check=True)
