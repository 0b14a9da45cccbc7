"""SavedModels, which can run code: what is said about them is read here, but only a process of its own loads them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgevision import errors
from edgevision.converters.keras_import import layout_of
from edgevision.documents import digest
from edgevision.errors import ArtifactError, ConversionError
from edgevision.files import sha256_file
from edgevision.optional import require
from edgevision.tensors import Array, TensorSpec

MODEL_FILE = "saved_model.pb"
SIGNATURE = "serving_default"
CHILD = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])  # the same edgevision as here, wherever it comes from
from edgevision.converters.saved_model_child import main
sys.exit(main(sys.argv[2]))
"""


def signature(folder: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Read the inputs and outputs of a SavedModel from its file, without loading it.

    Raises:
        ArtifactError: It is damaged, or has no signature ``serving_default``.
        BackendUnavailableError: The extra ``train`` is not installed.
    """
    messages = require("tensorflow.core.protobuf.saved_model_pb2")
    model = messages.SavedModel()
    try:
        model.ParseFromString((folder / MODEL_FILE).read_bytes())
    except Exception as exc:  # protobuf's DecodeError; OSError
        raise ArtifactError(f"{folder}: a damaged SavedModel", got=str(exc).split("\n")[0]) from exc
    graphs = [graph for graph in model.meta_graphs if "serve" in graph.meta_info_def.tags]
    found = graphs[0].signature_def if graphs else {}
    if SIGNATURE not in found:
        names = [name for name in found if not name.startswith("__")]
        raise ArtifactError(
            f"{folder}: a SavedModel without the signature {SIGNATURE}", got=", ".join(names) or "none",
            next_step="export it with a signature: model.export(folder)",
        )  # fmt: skip
    return _specs(folder, found[SIGNATURE].inputs), _specs(folder, found[SIGNATURE].outputs)


def _specs(folder: Path, tensors: Any) -> tuple[TensorSpec, ...]:
    dtypes = require("tensorflow").as_dtype
    specs = []
    for name in sorted(tensors):
        shape = tensors[name].tensor_shape
        if shape.unknown_rank:
            raise ArtifactError(f"{folder}: a tensor without a fixed number of axes", got=name)
        lengths = tuple(None if axis.size < 0 else int(axis.size) for axis in shape.dim)
        specs.append(TensorSpec(name, lengths, dtypes(tensors[name].dtype).name, layout_of(len(lengths))))
    return tuple(specs)


def folder_sha256(folder: Path) -> str:
    """Return the SHA-256 (hex) of the table of the hashes of every file in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest({path.relative_to(folder).as_posix(): sha256_file(path) for path in files})


def as_tflite(folder: Path, batch: int) -> bytes:
    """Convert a SavedModel to a float ``.tflite`` with a fixed batch, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        _run(folder, Path(place), "tflite", batch)
        return Path(place, "model.tflite").read_bytes()


def as_ir(folder: Path, batch: int) -> Any:
    """Convert a SavedModel to an ``openvino.Model``, likewise; inputs and outputs are named as in the signature."""
    vendor = require("openvino")
    with tempfile.TemporaryDirectory() as place:
        _run(folder, Path(place), "openvino", batch)
        files = [Path(place, name).read_bytes() for name in ("model.xml", "model.bin")]
    return vendor.Core().read_model(*files)


def as_onnx(folder: Path, batch: int) -> bytes:
    """Convert a SavedModel to a float ``.onnx`` with a fixed batch, likewise."""
    with tempfile.TemporaryDirectory() as place:
        _run(folder, Path(place), "onnx", batch)
        return Path(place, "model.onnx").read_bytes()


def answers(folder: Path, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """Run a SavedModel, likewise; one array for each input and each output, samples along axis 0."""
    with tempfile.TemporaryDirectory() as place:
        np.savez(Path(place, "inputs.npz"), *inputs)
        _run(folder, Path(place), "run", len(inputs[0]))
        with np.load(Path(place, "outputs.npz"), allow_pickle=False) as outputs:
            return tuple(outputs[name] for name in outputs.files)


def _run(folder: Path, place: Path, action: str, batch: int) -> None:
    """Let a process of its own do something with a SavedModel; its results are files in ``place``."""
    request = {"model": str(folder.resolve()), "action": action, "batch": batch}
    (place / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [sys.executable, "-c", CHILD, json.dumps(sys.path), str(place)]
    with (place / "log").open("wb") as log:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode
    if (place / "error.json").is_file():
        error = json.loads((place / "error.json").read_text(encoding="utf-8"))
        kind = getattr(errors, error.pop("class"), ConversionError)
        raise kind(error.pop("what"), **error)
    if status:
        said = (place / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        ended = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        got = said[-1][:200] if said else None
        raise ConversionError(f"the process that loads the SavedModel {folder.name} ended with {ended}", got=got)
