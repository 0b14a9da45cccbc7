"""Projects to write, one build of each kind, and ways to run its programs and to compare with Python."""

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.converters.linux import linux_project
from edgevision.converters.linux.config import sealed
from edgevision.preprocessing import Preprocessing

NAMES = {"rgb888": "rgb24", "bgr888": "bgr24"}
"""Name in `edgevision.frames` -> name that ev_file has, where they differ."""


@pytest.fixture(scope="session")
def compiler():
    for tool in ("cmake", "c++", "cc"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}: apt-get install cmake g++")


@pytest.fixture(scope="session")
def make_rows(tmp_path_factory):
    """make_rows(rows, transposed): the ONNX file of a model that lays its input's numbers out as (1, rows, rest)."""
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")

    def make(height, width, rows, transposed=False):
        columns = 3 * height * width // rows
        shape = (1, columns, rows) if transposed else (1, rows, columns)
        kind, helper = onnx.TensorProto, onnx.helper
        graph = helper.make_graph(
            [helper.make_node("Reshape", ["image", "shape"], ["rows"])],
            "rows",
            [helper.make_tensor_value_info("image", kind.FLOAT, (1, 3, height, width))],
            [helper.make_tensor_value_info("rows", kind.FLOAT, shape)],
            [helper.make_tensor("shape", kind.INT64, (3,), shape)],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path = tmp_path_factory.mktemp("rows") / "rows.onnx"
        path.write_bytes(made.SerializeToString())
        return path

    return make


@pytest.fixture(scope="session")
def make_listed():
    """make_listed(classes, count): the ONNX file of a detector that gives two boxes, whatever it sees."""
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")

    def make(classes, count):
        boxes = [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]
        values = {"boxes": [boxes], "classes": [classes], "scores": [[0.9, 0.8]], "count": [count]}
        given = [onnx.numpy_helper.from_array(np.array(v, np.float32), f"{name}_") for name, v in values.items()]
        helper, kind = onnx.helper, onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            [helper.make_node("ReduceMin", ["image"], ["least"], keepdims=0),
             helper.make_node("Sub", ["least", "least"], ["zero"]),
             *(helper.make_node("Add", ["zero", f"{name}_"], [name]) for name in values)],
            "listed",
            [helper.make_tensor_value_info("image", kind, (1, 3, 8, 8))],
            [helper.make_tensor_value_info(tensor.name[:-1], kind, tensor.dims) for tensor in given],
            given,
        )  # fmt: skip
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        return made.SerializeToString()

    return make


@pytest.fixture
def classifier(make_onnx, tmp_path):
    """classifier(fields of the Preprocessing): the artifact of a tiny classifier, 8×8."""

    def make(name="colors", **declared):
        file = tmp_path / f"{name}.onnx"
        file.write_bytes(make_onnx())
        return adopt(
            file, tmp_path / name, task="classification", labels=["red", "green", "blue"], layout="NCHW",
            activation="softmax", preprocessing=Preprocessing(8, 8, **{"std": (255.0,), **declared}), overwrite=True,
        )  # fmt: skip

    return make


@dataclass(frozen=True)
class Built:
    """A project that was built."""

    folder: Path

    def run(self, program, *arguments, **options):
        command = [str(self.folder / program), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, timeout=200, **options)

    def frames(self, model, frames, folder, *options):
        """What ev_file says of frames of one format and size: results, and (input, outputs) as bytes."""
        first = frames[0]
        raw = folder / "frames.raw"
        raw.write_bytes(b"".join(plane.tobytes() for frame in frames for plane in frame.planes))
        words = ["--format", NAMES.get(first.format, first.format), "--size", f"{first.width}x{first.height}"]
        if first.matrix is not None:
            words += ["--encoding", f"{first.matrix}-{'full' if first.full_range else 'limited'}"]
        done = self.run("ev_file", *words, *options, "--dump", folder, model / "model", raw, text=True)
        assert done.returncode == 0, done.stderr
        results = [json.loads(line) for line in done.stdout.splitlines()]
        assert [entry["seq"] for entry in results] == list(range(1, len(frames) + 1))
        return results

    @staticmethod
    def read(folder, seq, kind, like):
        """A tensor that ev_file wrote."""
        return np.fromfile(folder / f"{seq}.{kind}", like.dtype).reshape(like.shape)


@pytest.fixture(scope="session")
def write_config():
    """write_config(folder of the model, text): an ev.conf with the right last line."""

    def write(model, text):
        lines = [line for line in text.splitlines(True) if not line.startswith("sha256 ")]
        (model / "ev.conf").write_text(sealed("".join(lines)))

    return write


@pytest.fixture(scope="session")
def replace_model(write_config):
    """replace_model(project, content): another model file, whose hash ev.conf has."""

    def replace(project, content):
        model = project / "model"
        lines = (model / "ev.conf").read_text().splitlines(True)
        name = next(line.split(maxsplit=1)[1].strip() for line in lines if line.startswith("model "))
        (model / name).write_bytes(content)
        told = f"file {len(content)} {hashlib.sha256(content).hexdigest()} {name}\n"
        ours = [told if line.startswith("file ") and line.endswith(f" {name}\n") else line for line in lines]
        write_config(model, "".join(ours))

    return replace


@pytest.fixture(name="build")
def build_():
    """build(project, folder, options of CMake): a project, built with warnings as errors."""
    return build


def build(project, folder, *options, jobs=2):
    configured = subprocess.run(
        ["cmake", "-S", str(project.path), "-B", str(folder), f"-DEDGEVISION_PYTHON={sys.executable}",
         "-DCMAKE_C_FLAGS=-Werror", "-DCMAKE_CXX_FLAGS=-Werror", *options],
        capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert configured.returncode == 0, configured.stderr
    made = subprocess.run(
        ["cmake", "--build", str(folder), "-j", str(jobs)], capture_output=True, text=True, timeout=280
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return Built(folder)


@pytest.fixture(scope="session")
def tiny(make_onnx, tmp_path_factory):
    """The project of a tiny classifier."""
    folder = tmp_path_factory.mktemp("tiny")
    file = folder / "colors.onnx"
    file.write_bytes(make_onnx())
    artifact = adopt(
        file, folder / "colors", task="classification", labels=["red", "green", "blue"], layout="NCHW",
        activation="softmax", preprocessing=Preprocessing(8, 8, std=(255.0,)),
    )  # fmt: skip
    return linux_project(artifact, folder, name="tiny")


@pytest.fixture(scope="session")
def on_openvino(compiler, tiny, tmp_path_factory):
    """The project on OpenVINO, built; its library opens the models of other projects, too."""
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    return build(tiny, tmp_path_factory.mktemp("openvino"))


@pytest.fixture(scope="session")
def litert_folder():
    found = Path(pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed").__path__[0])
    if not (found / "libLiteRt.so").is_file():
        pytest.skip("this ai-edge-litert has no libLiteRt.so")
    return found


@pytest.fixture(scope="session")
def resnet8_int8(shared_data, tmp_path_factory):
    """MLPerf Tiny's int8 ResNet-8 as an artifact."""
    file = shared_data / "models/mlperf_tiny/resnet8_cifar10/pretrainedResnet_quant.tflite"
    labels = [f"class {index}" for index in range(10)]
    return adopt(
        file, tmp_path_factory.mktemp("resnet8") / "resnet8", task="classification", labels=labels,
        preprocessing=Preprocessing(32, 32), activation="softmax",
    )  # fmt: skip


@pytest.fixture(scope="session")
def on_litert(compiler, litert_folder, resnet8_int8, tmp_path_factory):
    """(Project of an int8 ResNet-8 on LiteRT, built)."""
    folder = tmp_path_factory.mktemp("litert")
    project = linux_project(resnet8_int8, folder, name="resnet8")
    return project, build(project, folder / "build", f"-DEDGEVISION_LITERT={litert_folder}")


@pytest.fixture(scope="session")
def video(shared_data):
    """Five frames of a real clip, uint8 RGB."""
    av = pytest.importorskip("av", reason="the extra camera is not installed")
    with av.open(os.fspath(shared_data / "video/vtest.avi")) as clip:
        return [frame.to_ndarray(format="rgb24") for frame in itertools.islice(clip.decode(video=0), 0, 200, 40)]
