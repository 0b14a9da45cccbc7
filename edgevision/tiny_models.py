"""Models of one operator, made here, to see whether a device answers at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgevision.converters.flatbuffer import encode
from edgevision.tensors import Array

_CHANNELS, _SIDE, _WIDTH = 4, 8, 8
_INT32, _INT8, _CONV_2D, _CONV_OPTIONS = 2, 9, 3, 1


def tiny_tflite(folder: Path) -> Path:
    """Write an int8 convolution of 1 × 1 that answers its input, [1, 8, 8, 4]; return the file.

    Raises:
        BackendUnavailableError: The package flatbuffers is not installed.
    """
    image = np.array([1, _SIDE, _SIDE, _CHANNELS], np.int32)
    scale, unit = np.float32(0.05), np.float32(1 / 127)
    tensors = [
        _tensor("x", image, _INT8, 0, scale),
        _tensor("weights", np.array([_CHANNELS, 1, 1, _CHANNELS], np.int32), _INT8, 1, unit),
        _tensor("bias", np.array([_CHANNELS], np.int32), _INT32, 2, scale * unit),
        _tensor("y", image, _INT8, 0, scale),
    ]
    weights = (127 * np.eye(_CHANNELS)).astype(np.int8).view(np.uint8).ravel()
    buffers = [{}, {0: weights}, {0: np.zeros(4 * _CHANNELS, np.uint8)}]
    options = {0: np.int8(0), 1: np.int32(1), 2: np.int32(1), 3: np.int8(0), 4: np.int32(1), 5: np.int32(1)}
    convolution = {
        0: np.uint32(0), 1: np.array([0, 1, 2], np.int32), 2: np.array([3], np.int32), 3: np.uint8(_CONV_OPTIONS),
        4: options,
    }  # fmt: skip
    graph = {0: tensors, 1: np.array([0], np.int32), 2: np.array([3], np.int32), 3: [convolution], 4: "main"}
    code = {0: np.int8(_CONV_2D), 2: np.int32(3), 3: np.int32(_CONV_2D)}
    path = folder / "tiny.tflite"
    path.write_bytes(encode({0: np.uint32(3), 1: [code], 2: [graph], 3: "tiny", 4: buffers}, b"TFL3"))
    return path


def _tensor(name: str, shape: Array, kind: int, buffer: int, scale: np.float32) -> dict[int, object]:
    quantization = {2: np.array([scale], np.float32), 3: np.zeros(1, np.int64)}
    return {0: shape, 1: np.int8(kind), 2: np.uint32(buffer), 3: name, 4: quantization}


def tiny_openvino(folder: Path) -> Path:
    """Write an OpenVINO IR that doubles its input, float32 [1, 8]; return its .xml."""
    dims = f"<dim>1</dim><dim>{_WIDTH}</dim>"
    port = f'precision="FP32">{dims}</port>'
    shape = f'element_type="f32" shape="1,{_WIDTH}"'
    layers = (
        ("x", "Parameter", f"<data {shape}/>", 0, 'names="x" '),
        ("two", "Const", f'<data {shape} offset="0" size="{4 * _WIDTH}"/>', 0, ""),
        ("y", "Multiply", '<data auto_broadcast="numpy"/>', 2, 'names="y" '),
        ("result", "Result", "", 1, None),
    )
    rows = []
    for number, (name, kind, data, inputs, names) in enumerate(layers):
        ports = "".join(f'<port id="{place}" {port}' for place in range(inputs))
        into = f"<input>{ports}</input>" if ports else ""
        out = "" if names is None else f'<output><port id="{inputs}" {names}{port}</output>'
        rows.append(f'<layer id="{number}" name="{name}" type="{kind}" version="opset1">{data}{into}{out}</layer>')
    ends = ((0, 0, 2, 0), (1, 0, 2, 1), (2, 2, 3, 0))
    edges = [f'<edge from-layer="{a}" from-port="{b}" to-layer="{c}" to-port="{d}"/>' for a, b, c, d in ends]
    net = ['<?xml version="1.0"?>', '<net name="tiny" version="11">', "<layers>", *rows, "</layers>"]
    path = folder / "tiny.xml"
    path.write_text("\n".join([*net, "<edges>", *edges, "</edges>", "</net>"]), encoding="utf-8")
    path.with_suffix(".bin").write_bytes(np.full(_WIDTH, 2, np.float32).tobytes())
    return path
