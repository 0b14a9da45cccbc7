"""One artifact on one runtime: accuracy, agreement with the float reference, verdict and latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgevision.errors import ConfigError, check_choice
from edgevision.metrics.intervals import Proportion
from edgevision.report.fields import (
    integer,
    matrix,
    number,
    optional_number,
    optional_proportion,
    record,
    scalars,
    text,
)

VERDICTS = ("holds", "broken", "unproven")
PERCENTILES = ("p50_ms", "p90_ms", "p95_ms", "p99_ms")


@dataclass(frozen=True)
class Latency:
    """Time per inference of one artifact on one runtime, all in milliseconds.

    Attributes:
        count: How many inferences the percentiles rest on.
        p50_ms: Median.
        p90_ms: What nine of ten inferences take at most, with 99% confidence; None where they are too few to say.
        p95_ms: Likewise of 19 in 20.
        p99_ms: Likewise of 99 in 100.
        load_ms: Loading the model; None when not measured.
        first_ms: The first inference after loading; None when not measured.
        peak_rss_bytes: Peak resident memory of a process that loads the model and infers once; None likewise.
    """

    count: int
    p50_ms: float
    p90_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    load_ms: float | None = None
    first_ms: float | None = None
    peak_rss_bytes: int | None = None

    def __post_init__(self) -> None:
        values = [value for name in PERCENTILES if (value := getattr(self, name)) is not None]
        if self.count < 1 or values != sorted(values) or values[0] < 0:
            raise ConfigError("latency: percentiles grow", got=f"{values} ms over {self.count} inferences")

    @property
    def tail(self) -> tuple[str, float] | None:
        """The name and value of the highest percentile that the inferences are enough for; None where none is."""
        known = [(name, value) for name in PERCENTILES[1:] if (value := getattr(self, name)) is not None]
        return (known[-1][0].removesuffix("_ms"), known[-1][1]) if known else None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, data: Any) -> Latency:
        """Read the JSON form; raises ConfigError."""
        data = record("latency", data, cls)
        p90, p95, p99 = (optional_number(name, data[name]) for name in PERCENTILES[1:])
        peak = data["peak_rss_bytes"]
        return cls(
            integer("count", data["count"]),
            number("p50_ms", data["p50_ms"]),
            p90,
            p95,
            p99,
            load_ms=optional_number("load_ms", data["load_ms"]),
            first_ms=optional_number("first_ms", data["first_ms"]),
            peak_rss_bytes=None if peak is None else integer("peak_rss_bytes", peak),
        )


@dataclass(frozen=True)
class Run:
    """One artifact on one runtime and device.

    Attributes:
        runtime: Name of the runtime ("tflite").
        device: Device string ("cpu").
        facts: What the runtime said about itself: package, version, threads, precision.
        accuracy: Top-1 on the report's data set; None when not evaluated.
        agreement: Same top-1 as the float reference, image by image; None when not compared.
        confusion: Images per (true class, predicted class); empty when not evaluated.
        verdict: What verification said: "holds", "broken" or "unproven"; None when not verified.
        max_abs_error: Largest distance of an output to the float model's, in real units, over the golden samples.
        latency: None when not measured.
    """

    runtime: str
    device: str = "cpu"
    facts: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Proportion | None = None
    agreement: Proportion | None = None
    confusion: tuple[tuple[int, ...], ...] = ()
    verdict: str | None = None
    max_abs_error: float | None = None
    latency: Latency | None = None

    def __post_init__(self) -> None:
        if self.verdict is not None:
            check_choice("report: verdict", self.verdict, VERDICTS)
        for proportion in (self.accuracy, self.agreement):
            if proportion is not None and proportion.count < 1:
                raise ConfigError("report: a proportion of no images", next_step="leave it out (None)")
        if any(len(row) != len(self.confusion) for row in self.confusion):
            raise ConfigError("report: a confusion matrix is square", got=[len(row) for row in self.confusion])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "runtime": self.runtime,
            "device": self.device,
            "facts": dict(self.facts),
            "accuracy": None if self.accuracy is None else self.accuracy.to_dict(),
            "agreement": None if self.agreement is None else self.agreement.to_dict(),
            "confusion": [list(row) for row in self.confusion],
            "verdict": self.verdict,
            "max_abs_error": self.max_abs_error,
            "latency": None if self.latency is None else self.latency.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Any) -> Run:
        """Read the JSON form; raises ConfigError."""
        data = record("run", data, cls)
        return cls(
            text("runtime", data["runtime"]),
            text("device", data["device"]),
            scalars("facts", data["facts"]),
            optional_proportion("accuracy", data["accuracy"]),
            optional_proportion("agreement", data["agreement"]),
            matrix("confusion", data["confusion"]),
            None if data["verdict"] is None else text("verdict", data["verdict"]),
            optional_number("max_abs_error", data["max_abs_error"]),
            None if data["latency"] is None else Latency.from_dict(data["latency"]),
        )
