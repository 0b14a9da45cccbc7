"""Models to generate firmware from, the oracle that says what it must answer, and ways to build it."""

import itertools
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgevision.converters.firmware import firmware
from edgevision.firmware_library import FLAGS, FirmwareLibrary, host_compiler

MLPERF = {
    "resnet8": "resnet8_cifar10/pretrainedResnet_quant.tflite",
    "vww": "vww/vww_96_int8.tflite",
    "kws": "kws/kws_ref_model.tflite",
    "ad": "ad/ad01_int8.tflite",
}


@pytest.fixture(scope="session", autouse=True)
def compiler():
    if host_compiler() is None:
        pytest.skip("no C compiler: apt-get install gcc")
    return host_compiler()


@pytest.fixture(params=sorted(MLPERF))
def mlperf_model(request):
    """The path of each of MLPerf Tiny's int8 models in turn."""
    if "EDGEVISION_DATA" not in os.environ:
        pytest.skip("EDGEVISION_DATA is not set: no MLPerf Tiny models")
    return Path(os.environ["EDGEVISION_DATA"]) / "models/mlperf_tiny" / MLPERF[request.param]


class Oracle:
    """TFLite Micro's reference kernels."""

    def __init__(self, content):
        runtime = pytest.importorskip(
            "tflite_micro.python.tflite_micro.runtime", reason="tflite-micro is not installed (extra test)"
        )
        self._interpreter = runtime.Interpreter.from_bytes(content, arena_size=16 << 20)

    def run(self, inputs, outputs=1):
        for index, array in enumerate(inputs):
            self._interpreter.set_input(array, index)
        self._interpreter.invoke()
        return [self._interpreter.get_output(index) for index in range(outputs)]


@pytest.fixture
def oracle():
    return Oracle


def library_of(artifact, report):
    sizes = [[row["bytes"] for row in report[side]] for side in ("inputs", "outputs")]
    return FirmwareLibrary(artifact.model_file, report["name"], report["ram"]["arena_bytes"], *sizes)


@pytest.fixture
def same_as_oracle(tmp_path):
    """same_as_oracle(content, count) generates firmware and compares every output byte; returns the firmware."""

    def check(content, count, real=()):
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        made = firmware(path, tmp_path / "out", name="cam", overwrite=True)
        library, expected = library_of(made.artifact, made.report), Oracle(content)
        seen = set()
        vectors = itertools.chain(random_vectors(count)(made.artifact.manifest.inputs), real)
        for inputs in vectors:
            wanted = expected.run(inputs, len(made.report["outputs"]))
            for got, want in zip(library.run(inputs), wanted, strict=True):
                np.testing.assert_array_equal(got, want.reshape(-1))
            seen.add(b"".join(part.tobytes() for part in wanted))
        assert len(seen) > 1, "every input has the same answer: nothing was compared"
        return made

    return check


def random_vectors(count, seed=0):
    """Both ends of the range, values of a narrow range, then random ones."""

    def draw(specs):
        generator = np.random.default_rng(seed)
        for value in (-128, 127):
            yield [np.full(spec.shape, value, np.int8) for spec in specs]
        for _ in range(count):
            low, high = sorted(generator.integers(-128, 129, 2).tolist())
            yield [generator.integers(low, max(high, low + 1), spec.shape).astype(np.int8) for spec in specs]

    return draw


def build(folder, target, *flags, main="examples/host_main.c", name="cam"):
    """Build the selftest of an artifact for the host."""
    sources = [folder / f"{name}.c", folder / f"{name}_selftest.c", folder / main]
    command = [*host_compiler(), *FLAGS, *flags, "-I", str(folder), *map(str, sources), "-o", str(target)]
    subprocess.run(command, check=True)
    return target
