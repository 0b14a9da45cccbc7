"""What runs in the process that loads a SavedModel, and whatever code is in it.

`edgevision.converters.saved_model` starts it with a folder that has a ``request.json``, and gets the results, or an
``error.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.converters.saved_model import SIGNATURE, signature
from edgevision.converters.tracing import Traced, to_ir, to_onnx, to_tflite, trace
from edgevision.converters.vendor import vendor_step
from edgevision.errors import EdgeVisionError
from edgevision.optional import require


def main(folder: str) -> int:
    """Do what ``request.json`` in the folder asks for; return the exit status."""
    place = Path(folder)
    request = json.loads((place / "request.json").read_text(encoding="utf-8"))
    model = Path(request["model"])
    try:
        with vendor_step(f"loading the SavedModel {model.name}"):
            loaded = require("tensorflow").saved_model.load(str(model))
        _ACTIONS[request["action"]](model, loaded, request["batch"], place)
    except EdgeVisionError as exc:
        error = {"class": type(exc).__name__, "what": exc.what, "got": _text(exc.got), "allowed": list(exc.allowed)}
        text = json.dumps({**error, "next_step": exc.next_step})
        (place / "error.json").write_text(text, encoding="utf-8")
        return 1
    return 0


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _traced(model: Path, loaded: Any, batch: int) -> Traced:
    inputs, outputs = signature(model)
    function = loaded.signatures[SIGNATURE]

    def call(*tensors: Any) -> list[Any]:
        named = dict(zip((spec.name for spec in inputs), tensors, strict=True))
        answers: Mapping[str, Any] = function(**named)
        return [answers[spec.name] for spec in outputs]

    return trace(model.name, call, loaded, inputs, outputs, batch)


def _tflite(model: Path, loaded: Any, batch: int, place: Path) -> None:
    (place / "model.tflite").write_bytes(to_tflite(_traced(model, loaded, batch)))


def _openvino(model: Path, loaded: Any, batch: int, place: Path) -> None:
    converted = to_ir(_traced(model, loaded, batch))
    require("openvino").save_model(converted, place / "model.xml", compress_to_fp16=False)


def _onnx(model: Path, loaded: Any, batch: int, place: Path) -> None:
    (place / "model.onnx").write_bytes(to_onnx(_traced(model, loaded, batch)))


def _answer(model: Path, loaded: Any, batch: int, place: Path) -> None:
    inputs, outputs = signature(model)
    tensorflow = require("tensorflow")
    with np.load(place / "inputs.npz", allow_pickle=False) as arrays:
        tensors = [tensorflow.constant(arrays[name]) for name in arrays.files]
    with vendor_step(f"running the SavedModel {model.name}"):
        named = dict(zip((spec.name for spec in inputs), tensors, strict=True))
        answers = loaded.signatures[SIGNATURE](**named)
        np.savez(place / "outputs.npz", *(answers[spec.name].numpy() for spec in outputs))


_ACTIONS: Mapping[str, Callable[[Path, Any, int, Path], None]] = {
    "tflite": _tflite,
    "openvino": _openvino,
    "onnx": _onnx,
    "run": _answer,
}
