"""The manifest of an artifact: what a model file is, where it came from, and what was measured on it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any, NoReturn

from edgevision.documents import check_fields, check_schema, pretty_json
from edgevision.errors import ArtifactError, ConfigError, check_choice
from edgevision.preprocessing import Preprocessing
from edgevision.tensors import TensorSpec

SCHEMA = 1
FORMATS = ("keras", "tflite", "openvino", "onnx", "edgetpu", "tensorrt", "vela", "c")
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class FileEntry:
    """One file of an artifact.

    Attributes:
        name: Path inside the artifact, with forward slashes.
        sha256: SHA-256 of its bytes, hex.
        bytes: Its length.
    """

    name: str
    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        check_file_name(self.name)
        if not isinstance(self.sha256, str) or not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ConfigError(f"manifest: sha256 of {self.name}", got=repr(self.sha256), allowed="64 hex digits")
        if not isinstance(self.bytes, int) or isinstance(self.bytes, bool) or self.bytes < 0:
            raise ConfigError(f"manifest: bytes of {self.name}", got=repr(self.bytes), allowed="a length")


@dataclass(frozen=True)
class LineageStep:
    """One step of how a model was made.

    Attributes:
        step: Its name ("train", "prune", "quantize", "convert", …).
        parameters: What it was asked to do.
        tools: Distribution -> version of what did it.
    """

    step: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.step, str):
            raise ConfigError("manifest: a step of the lineage is a text", got=repr(self.step)[:80])
        for name in ("parameters", "tools"):
            if not isinstance(getattr(self, name), Mapping):
                got = type(getattr(self, name)).__name__
                raise ConfigError(f"manifest: {name} of step {self.step} is a mapping", got=got)


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says. The same facts give the same bytes: there is no time stamp in it.

    Attributes:
        format: One of `FORMATS`.
        name: The model's name.
        files: Every file beside the manifest; the first one is the model file.
        task: "classification", …; None when unknown.
        labels: Class names in the order of the outputs; None when unknown.
        inputs: The model's inputs, in order; empty when they were never read.
        outputs: The model's outputs, likewise.
        preprocessing: How an image becomes the input; None when unknown.
        decoding: How outputs become results ({"activation": "softmax"}: they are probabilities; "logits": not yet).
        scheme: The numeric scheme ("float32", "static_wi8_ai8", …); None when unknown.
        source_sha256: SHA-256 of the model file that this one was made from.
        lineage: The steps that made it, first to last.
        metrics: What was measured with the float model or data set, with intervals.
        runtimes: Runtime -> measurements and tolerances there.
        golden: The table of golden samples; see `edgevision.golden`.
        schema: Version of this document.
    """

    format: str
    name: str
    files: tuple[FileEntry, ...]
    task: str | None = None
    labels: tuple[str, ...] | None = None
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    preprocessing: Preprocessing | None = None
    decoding: Mapping[str, Any] = field(default_factory=dict)
    scheme: str | None = None
    source_sha256: str | None = None
    lineage: tuple[LineageStep, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    runtimes: Mapping[str, Any] = field(default_factory=dict)
    golden: Mapping[str, Any] | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        check_choice("manifest: format", self.format, FORMATS)
        for name in ("files", "inputs", "outputs", "lineage"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.labels is not None:
            object.__setattr__(self, "labels", tuple(self.labels))
            if not all(isinstance(label, str) for label in self.labels):
                raise ConfigError("manifest: labels are texts", got=repr(self.labels)[:80])
        for key in ("name", "task", "scheme", "source_sha256"):
            value = getattr(self, key)
            if not isinstance(value, str) and (value is not None or key == "name"):
                raise ConfigError(f"manifest: {key} is a text", got=repr(value))
        names = [entry.name for entry in self.files]
        if not names or len(set(names)) != len(names):
            raise ConfigError("manifest: files, each listed once, the model first", got=names or "none")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; changing it does not change the manifest."""
        document = deepcopy({item.name: getattr(self, item.name) for item in fields(self)})
        document["files"] = [asdict(entry) for entry in self.files]
        document["labels"] = None if self.labels is None else list(self.labels)
        document["lineage"] = [asdict(step) for step in self.lineage]
        for key in ("inputs", "outputs"):
            document[key] = [spec.to_dict() for spec in document[key]]
        document["preprocessing"] = None if self.preprocessing is None else self.preprocessing.to_dict()
        return document

    def to_json(self) -> str:
        """Return the text of `manifest.json`.

        Raises:
            ConfigError: A measurement or parameter is NaN, infinite, or of a type that JSON does not have.
        """
        try:
            return pretty_json(self.to_dict())
        except (TypeError, ValueError) as exc:
            raise ConfigError(f"manifest of {self.name}: {exc}") from exc

    @classmethod
    def from_dict(cls, data: Any) -> Manifest:
        """Read the JSON form.

        Raises:
            ArtifactError: It has another schema, unknown or missing keys, or values that make no sense.
        """
        check_schema("manifest", data, SCHEMA, ArtifactError)
        names = [item.name for item in fields(cls)]
        check_fields("manifest", data, required=names[:3], optional=names[3:], error=ArtifactError)
        try:
            return cls(**{**data, **_parse(data)})
        except ConfigError as exc:
            raise ArtifactError(f"damaged manifest: {exc}") from exc
        except (TypeError, ValueError, AttributeError, OverflowError) as exc:
            raise ArtifactError("damaged manifest: a value of the wrong kind", got=str(exc)) from exc

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read the text of `manifest.json`; raises ArtifactError."""
        try:
            document = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as exc:
            raise ArtifactError(f"manifest is not JSON: {exc}") from exc
        return cls.from_dict(document)


def _parse(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a manifest that are objects of ours."""
    parsed: dict[str, Any] = {}
    entries = [check_fields("file", item, required=("name", "sha256", "bytes")) for item in data["files"]]
    parsed["files"] = tuple(FileEntry(**entry) for entry in entries)
    for key in ("inputs", "outputs"):
        parsed[key] = tuple(TensorSpec.from_dict(item) for item in data.get(key, ()))
    steps = [
        check_fields("lineage", s, required=("step",), optional=("parameters", "tools"))
        for s in data.get("lineage", ())
    ]
    parsed["lineage"] = tuple(LineageStep(**step) for step in steps)
    if data.get("preprocessing") is not None:
        parsed["preprocessing"] = Preprocessing.from_dict(data["preprocessing"])
    for key in ("decoding", "metrics", "runtimes", "golden"):
        value = data.get(key)
        if key in data and not isinstance(value, Mapping) and not (key == "golden" and value is None):
            raise ConfigError(f"manifest: {key} is a mapping", got=type(value).__name__)
    for name, facts in data.get("runtimes", {}).items():
        if not isinstance(facts, Mapping):
            raise ConfigError(f"manifest: what was measured on {name} is a mapping", got=type(facts).__name__)
    if data.get("golden") is not None and not isinstance(data["golden"].get("samples"), list):
        raise ConfigError("manifest: samples of golden is a list", got=type(data["golden"].get("samples")).__name__)
    if not isinstance(data.get("labels"), list | None):
        raise ConfigError("manifest: labels is a list", got=type(data["labels"]).__name__)
    return parsed


def check_file_name(name: Any) -> None:
    """Raise ConfigError unless ``name`` is a plain relative path that stays inside its artifact."""
    plain = isinstance(name, str) and name and name.isprintable() and "\\" not in name and ":" not in name
    path = PurePosixPath(name) if plain else PurePosixPath("/")
    if path.is_absolute() or ".." in path.parts or str(path) != name or name in (".", MANIFEST):
        raise ConfigError("manifest: a file name that leaves the artifact", got=repr(name))


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")
