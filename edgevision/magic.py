"""What a model file is, by its first bytes, before any vendor's code reads it."""

from __future__ import annotations

import mmap
import zipfile
from pathlib import Path

from edgevision.errors import ArtifactError
from edgevision.flatbuffer import Table
from edgevision.protobuf import fields, messages

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ONNX_GRAPH, _ONNX_NODE, _ONNX_PARTS = 7, 1, (1, 5, 11, 12)
"""Fields of ONNX's ModelProto and GraphProto: the graph; in it nodes, initializers, inputs and outputs."""
_KNOWN = (
    "TFLite (.tflite)",
    "OpenVINO IR (.xml beside .bin)",
    "ONNX (.onnx)",
    "Keras (.keras, .h5)",
    "TensorRT engine",
)


def detect_format(path: str | Path) -> str:
    """Return the format of a model file: tflite, edgetpu, vela, openvino, onnx, keras or tensorrt.

    Raises:
        ArtifactError: There is no such file, it is none of these, or it is damaged.
    """
    path = Path(path)
    head = _head(path)
    if head[4:8] == b"TFL3":
        return _tflite_kind(path)
    if head.startswith(_HDF5):
        return "keras"
    if head.startswith(b"PK"):
        return _check_keras_zip(path)
    if head.startswith(b"ftrt"):
        return "tensorrt"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<?xml", b"<net")):
        return _check_ir(path)
    if path.suffix == ".onnx" and head[:1] == b"\x08":
        return _check_onnx(path)
    raise ArtifactError(f"{path}: not a model file that is known here", got=_shown(head), allowed=_KNOWN)


def check_format(path: str | Path, format_: str) -> None:
    """Raise ArtifactError unless the model file is, by its content, of this format ("c" is not looked into)."""
    if format_ == "c":
        return
    found = detect_format(path)
    if found != format_:
        raise ArtifactError(f"{path}: not a model of the stated format", got=found, allowed=format_)


def _head(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except FileNotFoundError as exc:
        raise ArtifactError(f"{path}: no such file") from exc
    except IsADirectoryError as exc:
        if (path / "saved_model.pb").is_file():
            raise ArtifactError(
                f"{path}: a SavedModel, which is no single file",
                next_step=f"convert it first (edgevision convert {path} --golden none), then adopt what this makes",
            ) from exc
        raise ArtifactError(f"{path}: a directory, not a model file", allowed=_KNOWN) from exc
    except (OSError, ValueError) as exc:
        raise ArtifactError(f"{path}: cannot be read ({getattr(exc, 'strerror', None) or exc})") from exc
    if not head:
        raise ArtifactError(f"{path}: an empty file")
    return head


def _shown(head: bytes) -> str:
    return f"a file that starts with {head[:8]!r}"


def _tflite_kind(path: Path) -> str:
    """Check that what the flatbuffer refers to lies inside the file; tell whose operators are in it."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            _check_parts(Table.root(data), len(data))
        except ValueError as exc:
            raise ArtifactError(f"{path}: a damaged TFLite model, or one that was cut off", got=str(exc)) from exc
        if data.find(b"edgetpu-custom-op") >= 0:
            return "edgetpu"
        return "vela" if data.find(b"ethos-u") >= 0 else "tflite"


def _check_parts(model: Table, length: int) -> None:
    """Raise ValueError where a part lies outside of the file; field numbers are those of TFLite's schema, version 3."""
    for graph in model.tables(2):
        for field in (0, 3):  # tensors and operators: to read a table is to check it
            list(graph.tables(field))
    for buffer in model.tables(4):
        buffer.places(0, 1)
        end = buffer.number(1, "<Q") + buffer.number(2, "<Q")  # behind the flatbuffer, where the weights are large
        if end > length:
            raise ValueError(f"weights up to byte {end} of {length}")


def _check_onnx(path: Path) -> str:
    """Check that every part of the graph lies inside the one that it belongs to."""
    graphs = nodes = 0
    try:
        for graph in messages(memoryview(path.read_bytes()), _ONNX_GRAPH):
            graphs += 1
            for number, part in fields(graph):
                if number in _ONNX_PARTS and not isinstance(part, int):
                    nodes += number == _ONNX_NODE
                    list(fields(part))  # to read them is to check them
    except ValueError as exc:
        raise ArtifactError(f"{path}: a damaged ONNX model, or one that was cut off", got=str(exc)) from exc
    if graphs != 1 or not nodes:
        raise ArtifactError(f"{path}: a damaged ONNX model", got=f"{graphs} graphs with {nodes} nodes in all")
    return "onnx"


def _check_keras_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
        raise ArtifactError(f"{path}: a damaged zip file", got=str(exc)) from exc
    if "config.json" not in names:
        raise ArtifactError(f"{path}: a zip file, but not a .keras model", got=", ".join(names[:3]) or "nothing in it")
    return "keras"


def _check_ir(path: Path) -> str:
    data = path.read_bytes()
    if b"<net" not in data:
        raise ArtifactError(f"{path}: XML, but not an OpenVINO model", allowed=_KNOWN)
    if not data.rstrip().endswith(b"</net>"):
        raise ArtifactError(f"{path}: an OpenVINO model that was cut off", got=f"{len(data)} bytes, no closing </net>")
    if not path.with_suffix(".bin").is_file():
        raise ArtifactError(f"{path}: no weights beside it", next_step=f"put {path.with_suffix('.bin').name} there")
    return "openvino"
