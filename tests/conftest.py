"""What every test may use: the repository's place, and the shared data where this machine has it."""

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgevision.data.dataset import ArrayDataset

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def logging_kept() -> Iterator[None]:
    """Refuse what leaves the program's logging changed: the next test that reads a log would pay for it."""
    before = _logging()
    yield
    assert _logging() == before


def _logging() -> tuple[int, int, list[str]]:
    loggers = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    off = [logger.name for logger in loggers if logger.name.startswith("edgevision") and logger.disabled]
    return logging.root.level, logging.root.manager.disable, off


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout that these tests belong to."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of complete data sets and reference models that EDGEVISION_DATA names; without it the test skips."""
    folder = os.environ.get("EDGEVISION_DATA")
    if not folder:
        pytest.skip("EDGEVISION_DATA is not set: no complete data sets here")
    if not Path(folder).is_dir():
        pytest.fail(f"EDGEVISION_DATA={folder} is not a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def face_models(shared_data, tmp_path_factory) -> tuple[Path, Path]:
    """(embedder, detector): artifacts of a model that makes vectors of 64, and of UltraFace.

    The embedder is what a CIFAR-10 classifier has before its last layer: it was never taught faces, and tells those of
    the shared photographs apart all the same.
    """
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="ai-edge-litert is not installed")
    from edgevision.adopt import adopt

    folder, pooled = tmp_path_factory.mktemp("faces"), b"model/flatten/Reshape"
    file = bytearray((shared_data / "models/mlperf_tiny/resnet8_cifar10/pretrainedResnet.tflite").read_bytes())
    graph = schema.Model.GetRootAs(file, 0).Subgraphs(0)
    names = [graph.Tensors(place).Name() for place in range(graph.TensorsLength())]
    graph.OutputsAsNumpy()[:] = names.index(pooled)  # in place: the file's only output is another tensor now
    (folder / "features.tflite").write_bytes(file)
    adopt(folder / "features.tflite", folder / "embedder", task="embedding", preprocessing={})
    ultra = shared_data / "models/face/ultralight_RFB-320_without_postprocessing.tflite"
    adopt(ultra, folder / "ultraface", decoder="ultraface")
    return folder / "embedder", folder / "ultraface"


@pytest.fixture(scope="session")
def tpu_library(tmp_path_factory) -> Path:
    """A library in place of libedgetpu (tests/runtimes/edgetpu_library.c); skips where there is no compiler."""
    place = tmp_path_factory.mktemp("edgetpu") / "libedgetpu.so.1"
    source = REPOSITORY / "tests/runtimes/edgetpu_library.c"
    try:
        subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", place, source], check=True)
    except FileNotFoundError:
        pytest.skip("no gcc: the library in place of libedgetpu is built with it")
    return place


@pytest.fixture(scope="session")
def make_stripes() -> Callable[[int], ArrayDataset]:
    """make_stripes(size) -> 192 images of classes that a small network tells apart: stripes across, down, or none."""

    def make(size: int) -> ArrayDataset:
        rng = np.random.default_rng(1)
        targets = np.arange(192) % 3
        wave = np.where(np.arange(size) % 4 < 2, 60, 190)
        across = np.tile(wave[:, None], (1, size))
        patterns = np.stack([across, across.T, np.full((size, size), 125)])
        pixels = patterns[targets][..., None] + rng.normal(0, 25, (192, size, size, 3))
        return ArrayDataset(np.clip(pixels, 0, 255).astype(np.uint8), targets, ("across", "down", "plain"), "stripes")

    return make


@pytest.fixture(scope="session")
def cudart_library(tmp_path_factory) -> Path:
    """A library that stands in for NVIDIA's libcudart, built from tests/stand_ins/cudart.c."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here, to build what stands in for libcudart")
    library = tmp_path_factory.mktemp("cudart") / "libcudart.so"
    source = REPOSITORY / "tests/stand_ins/cudart.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source], check=True)
    return library


@pytest.fixture
def stand_in(cudart_library, monkeypatch):
    """(tensorrt, cudart): what stands in for NVIDIA's package and library; all allocated memory is freed at the end."""
    import ctypes

    from edgevision import cuda

    place = REPOSITORY / "tests/stand_ins/tensorrt_package.py"
    spec = importlib.util.spec_from_file_location("tensorrt", place)
    package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    monkeypatch.setitem(sys.modules, "tensorrt", package)
    monkeypatch.setattr(cuda, "_places", lambda: [str(cudart_library)])
    library = ctypes.CDLL(str(cudart_library))
    before = library.stand_in_live()
    yield package, library
    library.stand_in_break_after(-1)
    assert library.stand_in_live() == before


def _field(number: int, value) -> bytes:
    """One field of a protobuf message: a number, a text, bytes, or a message that is a list of fields."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else b"".join(value) if isinstance(value, list) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    data = b""
    while value > 127:
        data, value = data + bytes([value & 127 | 128]), value >> 7
    return data + bytes([value])


def _onnx_tensor(name: str, array: np.ndarray) -> list[bytes]:
    floats = array.astype("<f4").tobytes()
    return [*(_field(1, size) for size in array.shape), _field(2, 1), _field(8, name), _field(9, floats)]


def _onnx_end(name: str, shape: tuple[int | str, ...]) -> list[bytes]:
    axes = [_field(1, [_field(1 if isinstance(size, int) else 2, size)]) for size in shape]
    return [_field(1, name), _field(2, [_field(1, [_field(1, 1), _field(2, axes)])])]


def _onnx_node(kind: str, inputs: list[str], output: str) -> bytes:
    taken = [_field(1, name) for name in inputs]
    return _field(1, [*taken, _field(2, output), _field(3, output), _field(4, kind)])


@pytest.fixture(scope="session")
def make_onnx() -> Callable[..., bytes]:
    """make_onnx(batch="N", weight=1.0) -> an ONNX file of 8×8 images, channels first, whose class is the strongest."""

    def make(batch: int | str = "N", weight: float = 1.0) -> bytes:
        kernel = np.where(np.eye(4, 3)[:, :, None, None], weight, 0).astype(np.float32)
        nodes = [
            _onnx_node("Conv", ["image", "kernel", "bias"], "conv"),
            _onnx_node("GlobalAveragePool", ["conv"], "pooled"),
            _onnx_node("Flatten", ["pooled"], "flat"),
            _onnx_node("Gemm", ["flat", "matrix"], "logits"),
            _onnx_node("Softmax", ["logits"], "scores"),
        ]
        tensors = {"kernel": kernel, "bias": np.full(4, 0.1), "matrix": np.eye(4, 3) * 4}
        graph = [
            *nodes,
            _field(2, "colors"),
            *(_field(5, _onnx_tensor(name, array)) for name, array in tensors.items()),
            _field(11, _onnx_end("image", (batch, 3, 8, 8))),
            _field(12, _onnx_end("scores", (batch, 3))),
        ]
        return b"".join([_field(1, 8), _field(7, graph), _field(8, [_field(2, 13)])])

    return make
