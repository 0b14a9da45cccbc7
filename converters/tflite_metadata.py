"""TFLite Metadata: what a ``.tflite`` file says of itself to other people's tools (Task Library, MediaPipe, Netron).

The file gets a buffer named ``TFLITE_METADATA``, itself a flatbuffer (``metadata_schema.fbs`` of TFLite Support, file
identifier ``M001``), and the labels as ``labels.txt`` in an uncompressed zip file that is appended to the model, where
interpreters do not look. Reading needs no package at all.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgevision.converters import tflite_schema as fbs
from edgevision.converters.flatbuffer import encode, pack_model
from edgevision.errors import ArtifactError, ConfigError, ConversionError
from edgevision.flatbuffer import Table
from edgevision.optional import require
from edgevision.preprocessing import Preprocessing
from edgevision.tensors import QuantParams, TensorSpec, quantize

ENTRY = "TFLITE_METADATA"
LABELS_FILE = "labels.txt"
_PARSER = "1.0.0"  # every field that is written has been in the schema since this version
_LABELS_LIMIT = 1 << 24  # bytes of labels that are read from a file of unknown origin


def embed_metadata(
    model: bytes,
    *,
    name: str,
    description: str = "",
    preprocessing: Preprocessing | None,
    labels: tuple[str, ...] | None,
    task: str | None,
) -> bytes:
    """Return the model with TFLite Metadata in it, in place of any that it had; what it computes stays the same.

    Args:
        model: Content of a ``.tflite`` file.
        name: Name of the model.
        description: What the model does; may be empty.
        preprocessing: Mean and std (pixel units), colour and size of the image input; None leaves them out.
        labels: One per value of the last axis of an output; None leaves them out.
        task: What the model is for ("classification"), or None.

    Raises:
        ConfigError: A label has a line break in it.
        ConversionError: The preprocessing fits no input, or the labels of a classifier no output.
        BackendUnavailableError: No TFLite runtime is installed.
    """
    schema = require("ai_edge_litert.schema_py_generated")
    _check_tflite(model)
    broken = [label for label in labels or () if set(label) & set("\r\n")]
    if broken:
        raise ConfigError("labels: no line breaks", got=repr(broken[0])[:80])
    parsed = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    inputs, outputs = (_tensors(parsed, end) for end in ("inputs", "outputs"))
    described = [_output(tensor, labels, task) for tensor in outputs]
    unplaced = labels is not None and not any(fbs.Tensor.FILES in tensor for tensor in described)
    if unplaced and task == "classification":
        raise ConversionError(
            "labels: no output has one value for each", got=f"{len(labels or ())} labels",
            allowed=[f"{tensor_name} {shape}" for tensor_name, shape, _ in outputs],
        )  # fmt: skip
    subgraph = {fbs.Subgraph.INPUTS: _inputs(inputs, preprocessing), fbs.Subgraph.OUTPUTS: described}
    content = {
        fbs.Metadata.NAME: name,
        fbs.Metadata.DESCRIPTION: description,
        fbs.Metadata.SUBGRAPHS: [subgraph],
        fbs.Metadata.FILES: [_labels_file(fbs.VALUE_LABELS)] if unplaced else None,
        fbs.Metadata.PARSER: _PARSER,
    }
    _put_entry(schema, parsed, encode(content, b"M001"))
    return _with_labels(pack_model(parsed), labels)


def read_metadata(model: bytes) -> dict[str, Any]:
    """Return what the TFLite Metadata in a ``.tflite`` file says; an empty dict when there is none.

    Keys: ``name``, ``description``, ``min_parser_version``, ``labels`` (list or None), ``inputs`` and ``outputs``, one
    dict per tensor: ``name``, ``description``, ``color`` ("RGB", "GRAY" or None), ``mean`` and ``std`` (lists in pixel
    units, one value for all channels or one each; None when absent), ``min`` and ``max`` (lists or None).

    Raises:
        ArtifactError: Not a TFLite file, or its metadata is damaged.
    """
    _check_tflite(model)
    try:
        root = Table.root(model)
        entry = next((e for e in root.tables(fbs.Model.METADATA) if e.text(fbs.Entry.NAME) == ENTRY), None)
        if entry is None:
            return {}
        content = list(root.tables(fbs.Model.BUFFERS))[entry.number(fbs.Entry.BUFFER, "<I")].content(0)
        if content[4:8] != b"M001":
            raise ArtifactError("TFLite Metadata of an unknown kind", got=repr(content[4:8]), allowed="M001")
        return _described(Table.root(content), model)
    except (ValueError, IndexError) as exc:
        raise ArtifactError(f"damaged TFLite Metadata ({exc})") from exc


def _check_tflite(model: bytes) -> None:
    if model[4:8] != b"TFL3":
        raise ArtifactError("not a TFLite model", got=f"content that starts with {model[:8]!r}")


def _tensors(parsed: Any, end: str) -> list[tuple[str, list[int], Any]]:
    """Return name (the signature's, where there is one), shape and tensor of each of the model's inputs or outputs."""
    graph = parsed.subgraphs[0]
    signature = next((s for s in parsed.signatureDefs or () if s.subgraphIndex == 0), None)
    names = {entry.tensorIndex: entry.name for entry in getattr(signature, end, None) or ()}
    found = []
    for index in getattr(graph, end):
        tensor = graph.tensors[index]
        shape = [int(length) for length in (() if tensor.shape is None else tensor.shape)]
        found.append((names.get(index, tensor.name).decode(), shape, tensor))
    return found


def _inputs(tensors: Sequence[tuple[str, list[int], Any]], preprocessing: Preprocessing | None) -> list[dict[int, Any]]:
    """Describe the inputs; the first one of the image's size is the image."""
    described: list[dict[int, Any]] = [{fbs.Tensor.NAME: name} for name, _, _ in tensors]
    if preprocessing is None:
        return described
    height, width, channels = preprocessing.height, preprocessing.width, preprocessing.channels
    for (_, shape, tensor), entry in zip(tensors, described, strict=True):
        if shape[1:] in ([height, width, channels], [channels, height, width]):
            entry.update(_image(preprocessing, tensor))
            return described
    raise ConversionError(
        "preprocessing: no input has the size of its images", got=f"{[height, width, channels]}",
        allowed=[f"{name} {shape}" for name, shape, _ in tensors],
    )  # fmt: skip


def _image(preprocessing: Preprocessing, tensor: Any) -> dict[int, Any]:
    size = {fbs.Size.WIDTH: np.uint32(preprocessing.width), fbs.Size.HEIGHT: np.uint32(preprocessing.height)}
    color = np.int8(fbs.COLOR_SPACES.get(preprocessing.color, 0))
    normalization = {
        fbs.Normalization.MEAN: np.array(preprocessing.mean, np.float32),
        fbs.Normalization.STD: np.array(preprocessing.std, np.float32),
    }
    return {
        fbs.Tensor.CONTENT: {
            fbs.Union.TYPE: np.uint8(fbs.IMAGE),
            fbs.Union.VALUE: {fbs.Image.COLOR: color, fbs.Image.SIZE: size},
        },
        fbs.Tensor.UNITS: [{fbs.Union.TYPE: np.uint8(fbs.NORMALIZATION), fbs.Union.VALUE: normalization}],
        fbs.Tensor.STATS: _stats(preprocessing, tensor),
    }


def _stats(preprocessing: Preprocessing, tensor: Any) -> dict[int, Any] | None:
    """Return the least and greatest value of each channel, as the tensor stores it; None where that is unknown."""
    ends, stored = preprocessing.table[:, [0, 255]], fbs.STORED_AS.get(tensor.type)
    scale, zero_point = (getattr(tensor.quantization, part, None) for part in ("scale", "zeroPoint"))
    if stored is not None:
        if scale is None or zero_point is None:
            return None
        quant = QuantParams(tuple(scale.tolist()), tuple(zero_point.tolist()), None)
        ends = quantize(ends, TensorSpec("", ends.shape, stored, "", quant)).astype(np.float32)
    return {fbs.Stats.MIN: ends[:, 0].copy(), fbs.Stats.MAX: ends[:, 1].copy()}


def _output(tensor: tuple[str, list[int], Any], labels: Sequence[str] | None, task: str | None) -> dict[int, Any]:
    name, shape, _ = tensor
    entry: dict[int, Any] = {
        fbs.Tensor.NAME: name,
        fbs.Tensor.DESCRIPTION: "The score of each class." if task == "classification" else "",
        fbs.Tensor.CONTENT: {fbs.Union.TYPE: np.uint8(fbs.FEATURE), fbs.Union.VALUE: {}},
    }
    if labels is not None and shape[-1:] == [len(labels)]:
        entry[fbs.Tensor.FILES] = [_labels_file(fbs.AXIS_LABELS)]
    return entry


def _labels_file(kind: int) -> dict[int, Any]:
    return {fbs.File.NAME: LABELS_FILE, fbs.File.DESCRIPTION: "The labels, one a line.", fbs.File.TYPE: np.int8(kind)}


def _put_entry(schema: Any, parsed: Any, content: bytes) -> None:
    """Make ``content`` the model's metadata buffer, in place of the one that it has."""
    data = np.frombuffer(content, np.uint8)
    for entry in parsed.metadata or ():
        if entry.name == ENTRY.encode():
            parsed.buffers[entry.buffer].data = data
            return
    parsed.metadata = [*(parsed.metadata or ()), schema.MetadataT(name=ENTRY, buffer=len(parsed.buffers))]
    parsed.buffers.append(schema.BufferT(data=data))


def _with_labels(model: bytes, labels: Sequence[str] | None) -> bytes:
    if labels is None:
        return model
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a") as archive:
        member = zipfile.ZipInfo(LABELS_FILE)  # dated 1980: the same model gives the same bytes
        member.create_system = 3
        member.external_attr = 0o644 << 16
        archive.writestr(member, "".join(f"{label}\n" for label in labels))
    return file.getvalue()


def _described(content: Table, model: bytes) -> dict[str, Any]:
    graph = next(iter(content.tables(fbs.Metadata.SUBGRAPHS)), None)
    inputs = list(graph.tables(fbs.Subgraph.INPUTS)) if graph else []
    outputs = list(graph.tables(fbs.Subgraph.OUTPUTS)) if graph else []
    files = [file for tensor in outputs for file in tensor.tables(fbs.Tensor.FILES)]
    files += content.tables(fbs.Metadata.FILES)
    kinds = (fbs.AXIS_LABELS, fbs.VALUE_LABELS)
    names = [file.text(fbs.File.NAME) for file in files if file.number(fbs.File.TYPE, "<b") in kinds]
    return {
        "name": content.text(fbs.Metadata.NAME),
        "description": content.text(fbs.Metadata.DESCRIPTION),
        "min_parser_version": content.text(fbs.Metadata.PARSER),
        "labels": _read_labels(model, names[0]) if names else None,
        "inputs": [_described_tensor(tensor) for tensor in inputs],
        "outputs": [_described_tensor(tensor) for tensor in outputs],
    }


def _described_tensor(tensor: Table) -> dict[str, Any]:
    content, stats = tensor.table(fbs.Tensor.CONTENT), tensor.table(fbs.Tensor.STATS)
    units = [unit for unit in tensor.tables(fbs.Tensor.UNITS) if unit.number(fbs.Union.TYPE, "<B") == fbs.NORMALIZATION]
    normalization = units[0].table(fbs.Union.VALUE) if units else None
    image = content.table(fbs.Union.VALUE) if content and content.number(fbs.Union.TYPE, "<B") == fbs.IMAGE else None
    color = image.number(fbs.Image.COLOR, "<b") if image else 0
    return {
        "name": tensor.text(fbs.Tensor.NAME),
        "description": tensor.text(fbs.Tensor.DESCRIPTION),
        "color": next((name for name, number in fbs.COLOR_SPACES.items() if number == color), None),
        "mean": normalization and normalization.floats(fbs.Normalization.MEAN),
        "std": normalization and normalization.floats(fbs.Normalization.STD),
        "min": stats and stats.floats(fbs.Stats.MIN),
        "max": stats and stats.floats(fbs.Stats.MAX),
    }


def _read_labels(model: bytes, name: str) -> list[str] | None:
    """Return the lines of the file ``name`` in the appended zip file; None where a tool has dropped it."""
    content = io.BytesIO(model)
    if not zipfile.is_zipfile(content):
        return None
    try:
        with zipfile.ZipFile(content) as archive:
            if name not in archive.namelist():
                return None
            if archive.getinfo(name).file_size > _LABELS_LIMIT:
                raise ValueError(f"{name} is over {_LABELS_LIMIT} bytes")
            lines = archive.read(name).decode().split("\n")
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError) as exc:
        raise ValueError(f"{name}: {exc}") from exc
    return [line.rstrip("\r") for line in (lines if lines[-1] else lines[:-1])]
