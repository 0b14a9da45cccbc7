"""The report as a document: what was measured of each artifact, beside the float reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgevision.documents import check_schema
from edgevision.errors import ConfigError, check_choice
from edgevision.report.fields import integer, items, number, read_json, record, scalars, text, texts
from edgevision.report.run import Run

SCHEMA = 1
KIND = "edgevision-report"


@dataclass(frozen=True)
class Step:
    """One step of how an artifact came to be: its parameters, and the tools with their versions."""

    step: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"step": self.step, "parameters": dict(self.parameters), "tools": dict(self.tools)}

    @classmethod
    def from_dict(cls, data: Any) -> Step:
        """Read the JSON form; raises ConfigError."""
        data = record("lineage step", data, cls)
        return cls(
            text("step", data["step"]), scalars("parameters", data["parameters"]), scalars("tools", data["tools"])
        )


@dataclass(frozen=True)
class Entry:
    """One artifact: what it weighs, how it was made, and its runs.

    Attributes:
        name: Name of the artifact, unique in the report.
        format: "keras", "tflite", "openvino", …
        scheme: "float32", "static_wi8_ai8", …
        bytes: Of the model file or files.
        deflated_bytes: Of the same, each deflated (zlib, level 9).
        runs: One per runtime and device; the first is the one that a single figure is taken from.
        lineage: Oldest step first.
        sha256: Of the model file; empty when unknown.
    """

    name: str
    format: str
    scheme: str
    bytes: int
    deflated_bytes: int
    runs: tuple[Run, ...] = ()
    lineage: tuple[Step, ...] = ()
    sha256: str = ""

    def __post_init__(self) -> None:
        if self.bytes < 1 or self.deflated_bytes < 1:
            raise ConfigError(
                f"report: {self.name} weighs something", got=f"{self.bytes} and {self.deflated_bytes} bytes"
            )
        places = [(run.runtime, run.device) for run in self.runs]
        if len(set(places)) != len(places):
            raise ConfigError(f"report: {self.name} has two runs on one runtime and device", got=places)

    @property
    def evaluated(self) -> Run | None:
        """The first run with an accuracy."""
        return next((run for run in self.runs if run.accuracy is not None), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "format": self.format,
            "scheme": self.scheme,
            "bytes": self.bytes,
            "deflated_bytes": self.deflated_bytes,
            "runs": [run.to_dict() for run in self.runs],
            "lineage": [step.to_dict() for step in self.lineage],
            "sha256": self.sha256,
        }

    @classmethod
    def from_dict(cls, data: Any) -> Entry:
        """Read the JSON form; raises ConfigError."""
        data = record("entry", data, cls, optional=("bytes_ratio", "bytes_ratio_to"))
        return cls(
            text("name", data["name"]),
            text("format", data["format"]),
            text("scheme", data["scheme"]),
            integer("bytes", data["bytes"]),
            integer("deflated_bytes", data["deflated_bytes"]),
            tuple(map(Run.from_dict, items("runs", data["runs"]))),
            tuple(map(Step.from_dict, items("lineage", data["lineage"]))),
            text("sha256", data["sha256"]),
        )


@dataclass(frozen=True)
class History:
    """One training: a value per epoch of each metric, under tf_keras's names ("loss", "val_accuracy", …)."""

    name: str
    metrics: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        if len({len(values) for values in self.metrics.values()}) > 1:
            lengths = {name: len(values) for name, values in self.metrics.items()}
            raise ConfigError(f"history {self.name}: as many values as epochs", got=lengths)

    @property
    def epochs(self) -> int:
        """How many epochs there were."""
        return len(next(iter(self.metrics.values()), ()))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"name": self.name, "metrics": {name: list(values) for name, values in self.metrics.items()}}

    @classmethod
    def from_dict(cls, data: Any) -> History:
        """Read the JSON form; raises ConfigError."""
        data = record("history", data, cls)
        if not isinstance(data["metrics"], Mapping):
            raise ConfigError("history: metrics are lists by name", got=type(data["metrics"]).__name__)
        metrics = {
            str(name): tuple(number(f"history {name}", value) for value in items(f"history {name}", values))
            for name, values in data["metrics"].items()
        }
        return cls(text("name", data["name"]), metrics)


@dataclass(frozen=True)
class Report:
    """What came of a model: one float reference, and the artifacts made of it.

    Attributes:
        title: One line.
        reference: Name of the entry that the others are compared with.
        entries: The reference and the artifacts, in the order of the tables.
        labels: Names of the classes, in order of their index.
        dataset: What accuracy and agreement were measured on, in words ("CIFAR-10 test, 2,000 images").
        created: When, ISO 8601 in UTC; empty when that is not to be recorded.
        environment: The machine and its software, in the order to show.
        protocol: How it was measured, in the order to show.
        histories: Trainings, oldest first.
        notes: What a reader must know beside the caveats that follow from the figures themselves.
    """

    title: str
    reference: str
    entries: tuple[Entry, ...]
    labels: tuple[str, ...] = ()
    dataset: str = ""
    created: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    protocol: Mapping[str, Any] = field(default_factory=dict)
    histories: tuple[History, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.entries]
        if len(set(names)) != len(names):
            raise ConfigError("report: two entries have one name", got=", ".join(names))
        check_choice("report: reference", self.reference, names)
        for entry in self.entries:
            for run in entry.runs:
                if run.confusion and len(run.confusion) != len(self.labels):
                    raise ConfigError(
                        f"report: the confusion matrix of {entry.name} has a row per label",
                        got=f"{len(run.confusion)} rows, {len(self.labels)} labels",
                    )

    @property
    def reference_entry(self) -> Entry:
        """The entry that the others are compared with."""
        return next(entry for entry in self.entries if entry.name == self.reference)

    def baseline(self, entry: Entry) -> Entry:
        """The entry whose size ``entry`` is compared with: the float32 one of its format, else the reference."""
        reference = self.reference_entry
        same = [other for other in self.entries if (other.format, other.scheme) == (entry.format, "float32")]
        return reference if reference in same or not same else same[0]

    def bytes_ratio(self, entry: Entry) -> float:
        """Bytes of ``entry`` as a share of its baseline's."""
        return entry.bytes / self.baseline(entry).bytes

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; each entry also says its share of bytes, and of which entry."""
        entries = [
            {**entry.to_dict(), "bytes_ratio": self.bytes_ratio(entry), "bytes_ratio_to": self.baseline(entry).name}
            for entry in self.entries
        ]
        return {
            "schema": SCHEMA,
            "kind": KIND,
            "title": self.title,
            "reference": self.reference,
            "entries": entries,
            "labels": list(self.labels),
            "dataset": self.dataset,
            "created": self.created,
            "environment": dict(self.environment),
            "protocol": dict(self.protocol),
            "histories": [history.to_dict() for history in self.histories],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: Any) -> Report:
        """Read the JSON form.

        Raises:
            ConfigError: Another kind of document, a newer schema, a missing or unknown key, or a wrong value.
        """
        check_schema("report", data, SCHEMA)
        data = record("report", data, cls, optional=("schema", "kind"))
        if data.get("kind") != KIND:
            raise ConfigError("report: another kind of document", got=repr(data.get("kind")), allowed=KIND)
        return cls(
            title=text("title", data["title"]),
            reference=text("reference", data["reference"]),
            entries=tuple(map(Entry.from_dict, items("entries", data["entries"]))),
            labels=texts("labels", data["labels"]),
            dataset=text("dataset", data["dataset"]),
            created=text("created", data["created"]),
            environment=scalars("environment", data["environment"]),
            protocol=scalars("protocol", data["protocol"]),
            histories=tuple(map(History.from_dict, items("histories", data["histories"]))),
            notes=texts("notes", data["notes"]),
        )

    @classmethod
    def open(cls, path: str | Path) -> Report:
        """Read a report.json, or the one in a directory; raises ConfigError."""
        path = Path(path)
        return cls.from_dict(read_json(path / "report.json" if path.is_dir() else path))
