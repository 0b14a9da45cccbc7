"""Models that have no Keras form here, as the source of conversions: SavedModels, ``.tflite`` and ``.onnx`` files.

They can be converted and quantized after training. What changes a model's layers needs `SourceModel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.converters.keras_import import KnownModel, SourceModel, is_quantization_aware, layout_of, load_source
from edgevision.converters.saved_model import MODEL_FILE, folder_sha256, signature
from edgevision.converters.tflite_file import TFLiteFile
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ArtifactError, UntranslatableError
from edgevision.keras_loading import load_keras3_model
from edgevision.keras_safety import check_keras_file
from edgevision.manifest import MANIFEST, LineageStep
from edgevision.optional import require, versions
from edgevision.preprocessing import Preprocessing
from edgevision.tensors import TensorSpec

KINDS = ("keras3", "saved_model", "tflite", "onnx")


@dataclass(frozen=True)
class FileSource(KnownModel):
    """A float model in a file, and what is known about it.

    Attributes:
        kind: One of `KINDS`; "keras3" is a file of Keras 3 with something that tf_keras does not have.
        path: The file, or the folder of a SavedModel.
        name: The model's name; artifacts are named after it.
        inputs: The model's inputs, in order, as the file has them.
        outputs: The model's outputs, likewise.
        preprocessing: How an image becomes its input; None when unknown.
        labels: Class names in the order of the outputs; None when unknown.
        task: "classification", …; None when unknown.
        decoding: How outputs become results.
        source_sha256: SHA-256 of the file that everything started from.
        lineage: What was done to it so far.
        scheme: The numeric scheme.
        metrics: What was measured on it, as in the manifest.
        reason: Why it has no Keras form, for a file of Keras 3; else None.
    """

    kind: str
    path: Path
    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing | None = None
    labels: tuple[str, ...] | None = None
    task: str | None = None
    decoding: Mapping[str, Any] = field(default_factory=dict)
    source_sha256: str | None = None
    lineage: tuple[LineageStep, ...] = ()
    scheme: str = "float32"
    metrics: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None


Source = SourceModel | FileSource


def is_trained(source: Source) -> bool:
    """Whether a model comes from quantization-aware training."""
    return isinstance(source, SourceModel) and is_quantization_aware(source.model)


def open_source(path: str | Path) -> Source:
    """Load a model to convert from: a Keras model if it can be one, else what its file is.

    Args:
        path: An artifact, a bare model file, or the folder of a SavedModel. A SavedModel can run code when it is
            converted: that happens in a process of its own, which keeps ours whole and does not confine it.

    Raises:
        ArtifactError: Not a model, damaged, a format that nothing is converted from; or a Keras file that would run
            code.
        ConfigError: A ``.tflite`` file that is quantized already.
        ConversionError: Weights are NaN or infinite.
        BackendUnavailableError: An extra is not installed.
    """
    path = Path(path)
    if (path / MODEL_FILE).is_file():
        return _saved_model(path)
    artifact = Artifact.open(path) if path.is_dir() or path.name == MANIFEST else Artifact.describe(path)
    if artifact.manifest.format in _READERS:
        return _file(artifact, artifact.manifest.format, None)
    try:
        return load_source(path)
    except UntranslatableError as exc:
        return _file(artifact, "keras3", f"{exc.what}: got {exc.got}")


def _file(artifact: Artifact, kind: str, reason: str | None) -> FileSource:
    manifest = artifact.manifest
    if manifest.scheme not in (None, "float32"):
        raise ArtifactError(
            f"{artifact.path}: not a float model", got=manifest.scheme, allowed="float32",
            next_step="start from the float model",
        )  # fmt: skip
    inputs, outputs = _READERS[kind](artifact.model_file)
    return FileSource(
        kind,
        artifact.model_file,
        manifest.name,
        _declared(inputs, manifest.inputs),
        _declared(outputs, manifest.outputs),
        manifest.preprocessing,
        manifest.labels,
        manifest.task or ("classification" if manifest.labels else None),
        manifest.decoding,
        manifest.source_sha256 or artifact.sha256,
        (*manifest.lineage, _import_step(kind, reason)),
        reason=reason,
    )


def _saved_model(path: Path) -> FileSource:
    inputs, outputs = signature(path)
    step = _import_step("saved_model", None)
    sha256 = folder_sha256(path)
    return FileSource("saved_model", path, path.resolve().name, inputs, outputs, source_sha256=sha256, lineage=(step,))


def _import_step(kind: str, reason: str | None) -> LineageStep:
    facts = {"reason": reason} if reason else {"runs_code": "in a process of its own"} if kind == "saved_model" else {}
    return LineageStep("import", {"from": kind, **facts}, versions("edgevision"))


def _declared(found: tuple[TensorSpec, ...], stated: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    """Return the tensors in the order of the file, with the layouts that their owner declared."""
    layouts = {spec.name: spec.layout for spec in stated}
    if len(stated) == len(found) and set(layouts) != {spec.name for spec in found}:
        layouts = {spec.name: known.layout for spec, known in zip(found, stated, strict=True)}
    fitting = {name: layout for name, layout in layouts.items() if layout}
    return tuple(
        replace(spec, layout=fitting[spec.name]) if len(fitting.get(spec.name, "")) == len(spec.shape) else spec
        for spec in found
    )


Ends = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]


def _tflite_ends(path: Path) -> Ends:
    with vendor_step(f"reading {path.name}", error=ArtifactError):
        file = TFLiteFile(path.read_bytes())
        file.check_float()
        return file.inputs, file.outputs


def _onnx_ends(path: Path) -> Ends:
    vendor = require("openvino")
    with vendor_step(f"reading {path.name}", error=ArtifactError):
        model = vendor.Core().read_model(path)
        return _port_specs(model.inputs), _port_specs(model.outputs)


def _port_specs(ports: Any) -> tuple[TensorSpec, ...]:
    specs = []
    for port in ports:
        shape = tuple(axis.get_length() if axis.is_static else None for axis in port.get_partial_shape())
        layout = "NC" if len(shape) == 2 else ""
        specs.append(TensorSpec(port.get_any_name(), shape, np.dtype(port.get_element_type().to_dtype()).name, layout))
    return tuple(specs)


def _keras3_ends(path: Path) -> Ends:
    model = load_keras3_model(path, check_keras_file(path), step=vendor_step)
    inputs = [(tensor.name, tensor) for tensor in model.inputs]
    return _keras3_specs(inputs), _keras3_specs(zip(model.output_names, model.outputs, strict=True))


def _keras3_specs(tensors: Any) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name, tuple(tensor.shape), tensor.dtype, layout_of(len(tensor.shape))) for name, tensor in tensors
    )


_READERS = {"tflite": _tflite_ends, "onnx": _onnx_ends, "keras3": _keras3_ends}
"""Kind -> what reads inputs and outputs from the file."""
