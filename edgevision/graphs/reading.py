"""From a model file to its graph."""

from __future__ import annotations

from pathlib import Path

from edgevision.errors import ArtifactError
from edgevision.graphs.graph import Graph
from edgevision.magic import detect_format


def read_graph(path: str | Path) -> Graph:
    """Read the operators and tensors of a model file: TFLite (also of Edge TPU and Vela), ONNX or OpenVINO IR.

    Raises:
        ArtifactError: No model file, damaged, or of another format.
    """
    path = Path(path)
    format_ = detect_format(path)
    try:
        if format_ in ("tflite", "edgetpu", "vela"):
            from edgevision.graphs.tflite import read_tflite

            return read_tflite(path.read_bytes(), format_)
        if format_ == "onnx":
            from edgevision.graphs.onnx import read_onnx

            return read_onnx(path.read_bytes())
        if format_ == "openvino":
            from edgevision.graphs.openvino import read_ir

            return read_ir(path)
    except (ValueError, UnicodeDecodeError, KeyError, IndexError) as exc:
        raise ArtifactError(f"{path}: a damaged {format_} model", got=str(exc)[:200]) from exc
    engine = "name the ONNX file that the engine was built from; its artifact has it in source/"
    raise ArtifactError(
        f"{path}: operators are not read from this format", got=format_, allowed=("tflite", "onnx", "openvino"),
        next_step=engine if format_ == "tensorrt" else f"convert it first: edgevision convert {path} --to tflite",
    )  # fmt: skip
