"""What was measured on calibration images, kept in a folder for the next time that a model meets the same images.

A file holds the distribution of every activation, so that any scheme, method and choice of layers can be had from it.
Its name is made of what it depends on: the model's bytes, and the inputs as the model gets them.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.converters.activation_statistics import Statistics
from edgevision.converters.histogram import Histogram
from edgevision.documents import canonical_json, check_fields, check_schema, digest
from edgevision.errors import CalibrationError
from edgevision.files import atomic_file
from edgevision.tensors import Array

if TYPE_CHECKING:
    from edgevision.calibration import CalibrationDataset

SCHEMA = 1
FIELDS = ("minimum", "maximum", "zeros", "exponent", "first")


def recalled(
    folder: Path | None,
    content: bytes,
    names: Collection[str],
    calibration: CalibrationDataset,
    measure: Callable[[], Statistics],
) -> tuple[Statistics, str]:
    """Return the statistics of a model on calibration images, and whether they were "measured" or "reused".

    Args:
        folder: The cache; None for none.
        content: The float model's file.
        names: The activations that are wanted.
        calibration: The images.
        measure: What measures them, called only if that was not done before.

    Raises:
        CalibrationError: What the cache has is damaged, or of another model.
        OutputError: The cache cannot be written to.
    """
    if folder is None:
        return measure(), "measured"
    place = cache_file(folder, hashlib.sha256(content).hexdigest(), calibration.inputs_sha256)
    if place.exists():
        statistics = load_statistics(place)
        if set(statistics) != set(names):
            raise CalibrationError(f"{place} is of another model", next_step="delete it to measure again")
        return statistics, "reused"
    statistics = measure()
    store_statistics(place, statistics)
    return statistics, "measured"


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
