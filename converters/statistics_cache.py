"""What was measured on calibration images, kept in a folder for the next time that a model meets the same images.

A file holds the distribution of every activation, so that any scheme, method and choice of layers can be had from it.
Its name is made of what it depends on: the model's bytes, and the inputs as the model gets them.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.converters.histogram import Histogram
from edgevision.converters.tflite_statistics import Statistics
from edgevision.documents import canonical_json, check_fields, check_schema, digest
from edgevision.errors import CalibrationError
from edgevision.files import atomic_file
from edgevision.tensors import Array

SCHEMA = 1
FIELDS = ("minimum", "maximum", "zeros", "exponent", "first")


def cache_file(folder: Path, model_sha256: str, inputs_sha256: str) -> Path:
    """Return where the statistics of a model on calibration inputs are kept.

    Args:
        folder: The cache.
        model_sha256: Of the float model's file.
        inputs_sha256: Of the calibration inputs, preprocessed; see `CalibrationDataset.inputs_sha256`.
    """
    key = digest({"schema": SCHEMA, "model": model_sha256, "inputs": inputs_sha256})
    return folder.expanduser() / f"{key[:40]}.npz"


def load_statistics(file: Path) -> Statistics:
    """Read statistics from a file of the cache.

    Raises:
        CalibrationError: The file is damaged, is none of ours, or was written by a newer edgevision.
    """
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
            document = json.loads(arrays["document"].tobytes())
            counts = arrays["counts"]
        check_schema(str(file), document, SCHEMA, CalibrationError)
        check_fields(str(file), document, required=("schema", "tensors"), error=CalibrationError)
        return _statistics(document["tensors"], counts)
    except CalibrationError:
        raise
    except Exception as exc:  # damage shows as whatever zip, zlib, the header's parser or JSON make of it
        raise CalibrationError(
            f"{file} holds no calibration statistics, or is damaged", next_step="delete it to measure again"
        ) from exc


def store_statistics(file: Path, statistics: Statistics) -> None:
    """Write statistics into the cache, whole or not at all; raises OutputError."""
    names = sorted(statistics)  # as in the text
    text = canonical_json({"schema": SCHEMA, "tensors": {name: _fields(statistics[name]) for name in names}})
    counts = [statistics[name].counts for name in names]
    content = io.BytesIO()
    np.savez_compressed(
        content,
        document=np.frombuffer(text.encode(), np.uint8),
        counts=np.concatenate([np.zeros(0, np.int64), *counts]),
    )
    with atomic_file(file, overwrite=True) as path:
        path.write_bytes(content.getvalue())


def _fields(histogram: Histogram) -> dict[str, Any]:
    values = {name: getattr(histogram, name) for name in FIELDS}
    if histogram.minimum > histogram.maximum:  # no value came
        values.update(minimum=None, maximum=None)
    return {**values, "bins": len(histogram.counts)}


def _statistics(tensors: dict[str, dict[str, Any]], counts: Array) -> Statistics:
    found, start = {}, 0
    for name, values in tensors.items():
        size = int(values["bins"])
        histogram = Histogram(**{field: values[field] for field in FIELDS if values[field] is not None})
        histogram.counts = counts[start : start + size].astype(np.int64)
        if len(histogram.counts) != size or size < 0:
            raise ValueError("fewer counts than bins")
        found[name], start = histogram, start + size
    return found
