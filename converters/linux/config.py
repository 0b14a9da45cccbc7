"""``ev.conf``: what the manifest says, as far as the C++ project reads it, a word and values to a line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from edgevision.converters.linux.model import Model
from edgevision.tasks.decoders.ssd import DetectionPostProcess
from edgevision.tensors import TensorSpec

SCHEMA = 1
CONFIG, TABLE = "ev.conf", "input.table"


def config(model: Model, files: Mapping[str, bytes]) -> str:
    """Return the text of ``ev.conf``, whose last line is the SHA-256 of all the others.

    Args:
        model: The model.
        files: Name -> content of every other file beside it; the model file is the first.
    """
    return sealed("".join(line + "\n" for line in _lines(model, files)))


def sealed(text: str) -> str:
    """Return the lines of an ``ev.conf`` with the last one, which the library checks."""
    return f"{text}sha256 {hashlib.sha256(text.encode()).hexdigest()}\n"


def table(model: Model) -> bytes:
    """Return what each pixel value becomes: stored values of the input's dtype, (channels, 256), little-endian."""
    stored = model.bound.table
    return stored.astype(stored.dtype.newbyteorder("<")).tobytes()


def _lines(model: Model, files: Mapping[str, bytes]) -> Iterator[str]:
    manifest, wanted = model.source.manifest, model.bound.preprocessing
    yield f"edgevision {SCHEMA}"
    yield f"runtime {model.runtime}"
    for name, value in model.properties().items():
        yield f"property {name} {value}"
    yield f"model {next(iter(files))}"
    for name, content in files.items():
        yield f"file {len(content)} {hashlib.sha256(content).hexdigest()} {name}"
    yield f"task {manifest.task}"
    yield f"activation {manifest.decoding.get('activation') or 'unknown'}"
    yield f"input {_tensor(model.bound.spec)}"
    yield f"layout {model.bound.spec.layout}"
    for spec in model.outputs:
        yield f"output {_tensor(spec)}"
    steps = f"{wanted.resize} {wanted.filter} {wanted.color} {wanted.pad_value}"
    yield f"preprocessing {wanted.height} {wanted.width} {steps}"
    yield from _decoding(model)
    for label in manifest.labels or ():
        yield f"label {' '.join(label.split())}"


def _tensor(spec: TensorSpec) -> str:
    lengths = " ".join(str(-1 if size is None else size) for size in spec.shape)
    quant = (1, repr(spec.quant.scale[0]), spec.quant.zero_point[0]) if spec.quant is not None else (0, 1, 0)
    head = f"{spec.dtype} {len(spec.shape)} {lengths}".rstrip()
    return f"{head} {' '.join(map(str, quant))} {' '.join(spec.name.split())}"


def _decoding(model: Model) -> Iterator[str]:
    decoder = model.decoder
    if decoder is None:
        return
    head = model.grids.head if model.grids is not None else None
    sigmoid, normalized = (head.activation == "sigmoid", head.normalized) if head is not None else (False, True)
    thresholds = f"{decoder.score_threshold!r} {decoder.iou_threshold!r}"
    flags = f"{int(decoder.class_agnostic)} {decoder.max_detections} {int(sigmoid)} {int(normalized)}"
    yield f"decoding {model.decoder_name} {thresholds} {flags}"
    for level in model.grids.levels if model.grids is not None else ():
        place = (level.output, level.first, level.row_step, level.column_step, level.rows, level.columns)
        yield f"level {' '.join(map(str, place))} {level.grid_width} {level.stride}"
    if isinstance(decoder, DetectionPostProcess):
        yield f"postprocess {' '.join(map(str, decoder.outputs))} {decoder.first_class}"
