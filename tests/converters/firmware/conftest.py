"""Models to generate firmware from, the oracle that says what it must answer, and ways to build it."""

import ctypes
import functools
import itertools
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.converters.firmware import firmware
from edgevision.converters.firmware.frames import CAMERA_FORMATS, ENCODINGS
from edgevision.firmware_library import FLAGS, FirmwareLibrary, host_compiler
from edgevision.preprocessing import Preprocessing

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


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """small_model(channels, layout): an int8 classifier of 24 x 20 pixels, from 0 to 255, with 5 classes."""
    pytest.importorskip("tensorflow", reason="the extra train is not installed")

    @functools.cache
    def make(channels, layout="NHWC"):
        import tensorflow as tf

        draw = np.random.default_rng(5)
        weights = draw.normal(size=(6 * 5 * channels, 5)).astype(np.float32)

        def function(x):
            image = x if layout == "NHWC" else tf.transpose(x, (0, 2, 3, 1))
            pooled = tf.reshape(tf.nn.avg_pool2d(image - 128.0, 4, 4, "VALID"), (1, -1))
            return pooled @ weights

        shape = (1, 24, 20, channels) if layout == "NHWC" else (1, channels, 24, 20)
        concrete = tf.function(function).get_concrete_function(tf.TensorSpec(shape, tf.float32))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([draw.uniform(0, 255, shape).astype(np.float32)] for _ in range(20))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        path = tmp_path_factory.mktemp("small") / f"small_{channels}_{layout}.tflite"
        path.write_bytes(converter.convert())
        return path

    return make


class CPlane(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t), ("stride", ctypes.c_size_t))


class CFrame(ctypes.Structure):
    _fields_ = (
        ("format", ctypes.c_int),
        ("encoding", ctypes.c_int),
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("planes", CPlane * 2),
    )


def c_frame(frame):
    """The C struct of a frame; its planes have to outlive it."""
    planes = (CPlane * 2)()
    for k, (plane, stride) in enumerate(zip(frame.planes, frame.strides, strict=True)):
        planes[k] = CPlane(plane.ctypes.data, plane.size, stride)
    encoding = 0 if frame.matrix is None else 1 + ENCODINGS.index((frame.matrix, frame.full_range))
    return CFrame(1 + CAMERA_FORMATS.index(frame.format), encoding, frame.width, frame.height, planes)


class Camera:
    """The generated C for camera frames, built for this machine."""

    def __init__(self, made, target):
        self.made, self.spec = made, made.artifact.manifest.inputs[0]
        self.bound = made.artifact.manifest.preprocessing.bind(self.spec)
        sources = [str(made.artifact.path / name) for name in ("cam.c", "cam_io.c")]
        command = [*host_compiler(), *FLAGS, "-pedantic", "-shared", "-fPIC", *sources, "-o", str(target)]
        subprocess.run(command, check=True)
        self.c = ctypes.CDLL(str(target))
        self.c.cam_input.restype = ctypes.c_void_p
        self._arena = np.zeros(made.report["ram"]["arena_bytes"] // 8 + 1, np.int64)
        self.context = (ctypes.c_void_p * 1)()
        place = ctypes.c_void_p(self._arena.ctypes.data)
        assert self.c.cam_init(self.context, place, ctypes.c_size_t(self._arena.nbytes)) == 0

    c_frame = staticmethod(c_frame)

    def status(self, shown):
        """What cam_preprocess answers to a CFrame."""
        return self.c.cam_preprocess(self.context, ctypes.byref(shown))

    def tensor(self):
        """What is in the input."""
        at = self.c.cam_input(self.context, ctypes.c_size_t(0))
        count = int(np.prod(self.spec.shape))
        return np.ctypeslib.as_array((ctypes.c_int8 * count).from_address(at)).reshape(self.spec.shape).copy()

    def check(self, frame):
        """Every byte of the input is what Python makes of the frame."""
        assert self.status(c_frame(frame)) == 0
        np.testing.assert_array_equal(self.tensor(), self.bound(frame.to_rgb())[0])


@pytest.fixture(name="c_frame")
def c_frame_():
    return c_frame


@pytest.fixture
def camera_of(tmp_path):
    """camera_of(firmware): built and loaded; a file of the same name would not be loaded again."""
    names = (tmp_path / f"camera_{count}.so" for count in itertools.count())
    return lambda made: Camera(made, next(names))


@pytest.fixture
def camera(small_model, tmp_path, camera_of):
    """camera(options of the Preprocessing, options of firmware()): generated, built and loaded."""

    def make(declared=None, layout="NHWC", **options):
        settings = {"filter": "linear_fixed", **(declared or {})}
        preprocessing = Preprocessing(24, 20, **settings)
        source = adopt(
            small_model(preprocessing.channels, layout), tmp_path / "adopted", labels=list("abcde"), layout=layout,
            task="classification", preprocessing=preprocessing, overwrite=True,
        )  # fmt: skip
        made = firmware(source, tmp_path / "out", name="cam", overwrite=True, **options)
        return camera_of(made)

    return make
