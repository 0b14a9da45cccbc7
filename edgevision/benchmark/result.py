"""The result of a benchmark: one entry for each candidate, and how they were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from edgevision.benchmark.latency import LatencyStats
from edgevision.documents import check_fields, check_schema
from edgevision.errors import ConfigError

SCHEMA = 1
KIND = "edgevision-benchmark"


@dataclass(frozen=True)
class Protocol:
    """How the candidates were measured.

    Attributes:
        warmup_s: Seconds for which each candidate ran before its first sample.
        min_duration_s: Seconds of inference that each candidate was measured for, at least.
        min_count: Samples of each candidate, at least.
        turn_s: Length of a turn: the candidates took turns, in a new random order each round.
        seed: Seed of the order, and of random inputs.
        text: The protocol in words.
    """

    warmup_s: float
    min_duration_s: float
    min_count: int
    turn_s: float
    seed: int
    text: str


@dataclass(frozen=True)
class BenchmarkEntry:
    """One artifact on one runtime and device.

    Attributes:
        artifact: Name of the model.
        format: Format of the artifact.
        scheme: Its numeric scheme; None when unknown.
        sha256: Hash of its model file.
        bytes: Bytes of its model files.
        runtime: Name of the runtime that ran it.
        device: Where it ran.
        options: Options of the runtime.
        facts: What ran: package, version, threads, precision.
        batch: Images of one inference.
        inputs: Where the input tensors came from.
        load_ms: Loading in a fresh process, with the import of the runtime's package.
        peak_rss_bytes: Peak resident memory of that process, which loads and infers once; None where unknown.
        idle_rss_bytes: Its peak before loading: Python, numpy and edgevision alone; None where unknown.
        latency: Steady inferences, and the first one of the fresh process apart.
    """

    artifact: str
    format: str
    scheme: str | None
    sha256: str
    bytes: int
    runtime: str
    device: str
    options: Mapping[str, Any]
    facts: Mapping[str, Any]
    batch: int
    inputs: str
    load_ms: float
    peak_rss_bytes: int | None
    idle_rss_bytes: int | None
    latency: LatencyStats

    @property
    def first_ms(self) -> float | None:
        """The first inference in a fresh process."""
        return self.latency.first_ms

    @property
    def throughput_ips(self) -> float:
        """Images per second, one inference after another."""
        return self.batch * self.latency.throughput_ips

    def to_dict(self, *, samples: bool = True) -> dict[str, Any]:
        """Return the JSON form, with or without the raw samples."""
        document = {item.name: getattr(self, item.name) for item in fields(self)}
        document |= {"options": dict(self.options), "facts": dict(self.facts)}
        return {**document, "latency": self.latency.to_dict(samples=samples)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BenchmarkEntry:
        """Read the JSON form; raises ConfigError."""
        data = check_fields("benchmark entry", data, required=[item.name for item in fields(cls)])
        return cls(**{**data, "latency": LatencyStats.from_dict(data["latency"])})


@dataclass(frozen=True)
class BenchmarkReport:
    """All entries, in the order of the candidates.

    Attributes:
        entries: One for each candidate.
        protocol: How they were measured.
    """

    entries: tuple[BenchmarkEntry, ...]
    protocol: Protocol

    def to_dict(self, *, samples: bool = True) -> dict[str, Any]:
        """Return the JSON form, with or without the raw samples (only with them can it be read back)."""
        return {
            "schema": SCHEMA,
            "kind": KIND,
            "protocol": asdict(self.protocol),
            "entries": [entry.to_dict(samples=samples) for entry in self.entries],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BenchmarkReport:
        """Read the JSON form.

        Raises:
            ConfigError: Another kind of document, a newer schema, unknown or missing keys.
        """
        check_schema("benchmark", data, SCHEMA)
        check_fields("benchmark", data, required=("schema", "kind", "protocol", "entries"))
        if data["kind"] != KIND:
            raise ConfigError("benchmark: another kind of document", got=data["kind"], allowed=KIND)
        protocol = check_fields("protocol", data["protocol"], required=[item.name for item in fields(Protocol)])
        return cls(tuple(BenchmarkEntry.from_dict(entry) for entry in data["entries"]), Protocol(**protocol))
