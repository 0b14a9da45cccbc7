"""All that an engine is built from: the ONNX file, the recipe, and calibration; as files of an artifact."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.converters.tensorrt.settings import Recipe
from edgevision.documents import check_fields, check_schema, pretty_json
from edgevision.errors import ArtifactError, IncompatibleModelError

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.tensors import Array

SCHEMA = 1
MODEL, PLAN, TABLE, INPUTS = "model.onnx", "plan.json", "calibration.table", "calibration.npy"
SCRIPT, SUMS = "build.sh", "SHA256SUMS"
SOURCE = "source/"
"""Where an engine's artifact keeps what it was built from."""


@dataclass(frozen=True)
class EnginePlan:
    """What an engine is built from.

    Attributes:
        name: The model's name.
        onnx: The ONNX file's content.
        recipe: How it is built.
        batch: Length of the input's batch axis.
        table: Text of the calibration table; None where int8 ranges do not come from one.
        inputs: float32 (samples, …), for TensorRT's own calibrator; None where it is not asked.
    """

    name: str
    onnx: bytes
    recipe: Recipe
    batch: int = 1
    table: str | None = None
    inputs: Array | None = None

    def files(self) -> dict[str, bytes]:
        """Return name -> content of the files that make the plan, the ONNX file first; the script is not among them."""
        document = {"schema": SCHEMA, "name": self.name, "batch": self.batch, "recipe": self.recipe.to_dict()}
        files = {MODEL: self.onnx, PLAN: pretty_json(document).encode()}
        if self.table is not None:
            files[TABLE] = self.table.encode()
        if self.inputs is not None:
            stream = io.BytesIO()
            np.save(stream, self.inputs, allow_pickle=False)
            files[INPUTS] = stream.getvalue()
        return files


def sums(files: dict[str, bytes]) -> bytes:
    """Return the lines that ``sha256sum --check`` takes."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()).encode()


def read_plan(artifact: Artifact) -> EnginePlan:
    """Return the plan of an artifact: of a plan, or of an engine, which carries the one that it was built by.

    Raises:
        IncompatibleModelError: It has none.
        ArtifactError: It is damaged.
    """
    prefix = SOURCE if artifact.manifest.format == "tensorrt" else ""
    names = {entry.name for entry in artifact.manifest.files}
    if f"{prefix}{PLAN}" not in names or f"{prefix}{MODEL}" not in names:
        raise IncompatibleModelError(
            f"{artifact.model_file}: neither a plan for a TensorRT engine nor an engine that carries one",
            got=artifact.manifest.format, next_step="edgevision convert MODEL --to tensorrt-plan writes a plan",
        )  # fmt: skip

    def content(name: str) -> bytes | None:
        return (artifact.path / f"{prefix}{name}").read_bytes() if f"{prefix}{name}" in names else None

    document = _document(content(PLAN) or b"")
    table, inputs = content(TABLE), content(INPUTS)
    return EnginePlan(
        str(document["name"]), content(MODEL) or b"", Recipe.from_dict(document["recipe"]), int(document["batch"]),
        None if table is None else table.decode("utf-8", "replace"), None if inputs is None else _array(inputs),
    )  # fmt: skip


def _document(text: bytes) -> Any:
    try:
        data = json.loads(text)
    except ValueError as exc:
        raise ArtifactError(f"{PLAN}: not JSON ({exc})") from exc
    check_schema(PLAN, data, SCHEMA, ArtifactError)
    return check_fields(PLAN, data, required=("schema", "name", "batch", "recipe"), error=ArtifactError)


def _array(content: bytes) -> Array:
    try:
        loaded: Array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as exc:
        raise ArtifactError(f"{INPUTS}: damaged", got=str(exc)[:120]) from exc
    return loaded
