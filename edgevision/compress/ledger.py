"""The ledger: what each step of a recipe did to size, arithmetic, accuracy and latency, measured and not estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from edgevision.documents import check_fields, pretty_json
from edgevision.metrics.intervals import Proportion

SCHEMA = 1
KIND = "edgevision-ledger"


@dataclass(frozen=True)
class Latency:
    """One runtime's times of single inferences, milliseconds; no p90 where they were too few for one."""

    p50_ms: float
    p90_ms: float | None
    count: int


@dataclass(frozen=True)
class LedgerRow:
    """A model after a step, in one format.

    Attributes:
        step: "original", or the method of the step.
        format: Format of the artifact that was measured.
        scheme: Its numeric scheme; float32 between steps.
        bytes: Of its model files.
        deflated_bytes: Of its model files, each deflated.
        sha256: Of its model.
        parameters: Weights of all layers of the Keras model: kernels, biases, and batch norms with their statistics;
            nothing that wrappers of quantization-aware training add.
        zeros: How many of the parameters are exactly 0: biases and batch norms' zeros count as kernels' do.
        macs: Multiply-accumulate operations of one inference of one image, convolutions and dense layers alone; zeros
            are multiplied too. See `edgevision.converters.costs.model_costs`.
        accuracy: Share of the evaluation images that it gets right, with its interval.
        drop_points: Accuracy lost against the original in this format, in percentage points; negative for a gain.
        runtime: What answered for the accuracy.
        latency: Runtime -> what was measured there; all rows in turns, in one process.
        skipped: (layer, reason) for each layer that the step or the conversion left alone.
    """

    step: str
    format: str
    scheme: str
    bytes: int
    deflated_bytes: int
    sha256: str
    parameters: int
    zeros: int
    macs: int
    accuracy: Proportion
    drop_points: float
    runtime: str
    latency: Mapping[str, Latency] = field(default_factory=dict)
    skipped: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LedgerRow:
        """Read the JSON form; raises ConfigError for unknown or missing keys."""
        data = check_fields("ledger row", data, required=[item.name for item in fields(cls)])
        accuracy = Proportion(**data["accuracy"])
        latency = {name: Latency(**values) for name, values in data["latency"].items()}
        skipped = tuple((name, reason) for name, reason in data["skipped"])
        return cls(**{**data, "accuracy": accuracy, "latency": latency, "skipped": skipped})

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "skipped": [list(entry) for entry in self.skipped]}

    @property
    def latency_ms(self) -> float:
        """Median latency on the runtime that comes first."""
        return next(iter(self.latency.values())).p50_ms


@dataclass(frozen=True)
class Ledger:
    """A recipe's way through a model.

    Attributes:
        model: The model's name.
        source_sha256: SHA-256 of the file that everything started from; None for a model that was never a file.
        recipe: The recipe's document.
        recipe_sha256: Digest of its steps.
        evaluation: What the accuracies were measured on: ``images`` and ``sha256``.
        device: Where.
        protocol: How latencies were measured, in words.
        tools: Distribution -> version of what took part.
        rows: Format by format, the original first and then a row for each step.
    """

    model: str
    source_sha256: str | None
    recipe: Mapping[str, Any]
    recipe_sha256: str
    evaluation: Mapping[str, Any]
    device: str
    protocol: str
    tools: Mapping[str, str]
    rows: tuple[LedgerRow, ...]

    def of(self, format: str) -> tuple[LedgerRow, ...]:
        """Return the rows of one format."""
        return tuple(row for row in self.rows if row.format == format)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"schema": SCHEMA, "kind": KIND, **asdict(self), "rows": [row.to_dict() for row in self.rows]}

    def to_json(self) -> str:
        """Return the text of ``ledger.json``."""
        return pretty_json(self.to_dict())
