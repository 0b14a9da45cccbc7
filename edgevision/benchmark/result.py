"""The result of a benchmark: one entry for each candidate, and how they were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from edgevision.benchmark.conditions import Conditions
from edgevision.benchmark.latency import LatencyStats
from edgevision.benchmark.noise import Noise
from edgevision.documents import check_fields, check_schema
from edgevision.errors import ConfigError

SCHEMA = 2
KIND = "edgevision-benchmark"


@dataclass(frozen=True)
class Protocol:
    """How the candidates were measured.

    Attributes:
        warmup_s: Seconds for which each candidate ran before its first sample, at least.
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
        cpu_ms: CPU time of one steady inference, of all threads of the process; None where it was not measured.
        energy_mj: Millijoules of one steady inference, of all that `BenchmarkReport.energy` says; None where the
            machine does not tell.
        many_ips: Images per second of many inferences at once (`edgevision.runtimes.throughput`), in the way that
            ``facts["concurrency"]`` names; None where it was not measured, or the runtime has no such way.
        warmup_s: Seconds for which it ran before its first sample; None where that is not known.
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
    cpu_ms: float | None = None
    energy_mj: float | None = None
    many_ips: float | None = None
    warmup_s: float | None = None

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
        environment: The machine, as `edgevision.benchmark.environment.fingerprint` says it; None in old documents.
        conditions: What happened on it meanwhile; None in old documents.
        noise: Whether that was quiet; None in old documents.
        energy: What energy was measured of ("package-0"), or why none was.
    """

    entries: tuple[BenchmarkEntry, ...]
    protocol: Protocol
    environment: Mapping[str, Any] | None = None
    conditions: Conditions | None = None
    noise: Noise | None = None
    energy: str = "not measured"

    def to_dict(self, *, samples: bool = True) -> dict[str, Any]:
        """Return the JSON form, with or without the raw samples (only with them can it be read back)."""
        return {
            "schema": SCHEMA,
            "kind": KIND,
            "protocol": asdict(self.protocol),
            "environment": None if self.environment is None else dict(self.environment),
            "conditions": None if self.conditions is None else self.conditions.to_dict(),
            "noise": None if self.noise is None else self.noise.to_dict(),
            "energy": self.energy,
            "entries": [entry.to_dict(samples=samples) for entry in self.entries],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BenchmarkReport:
        """Read the JSON form.

        Raises:
            ConfigError: Another kind of document, a newer schema, unknown or missing keys.
        """
        data = _migrated(data, check_schema("benchmark", data, SCHEMA))
        check_fields("benchmark", data, required=("schema", "kind", "protocol", "entries", *_SINCE_2))
        if data["kind"] != KIND:
            raise ConfigError("benchmark: another kind of document", got=data["kind"], allowed=KIND)
        protocol = check_fields("protocol", data["protocol"], required=[item.name for item in fields(Protocol)])
        conditions, noise = data["conditions"], data["noise"]
        return cls(
            tuple(BenchmarkEntry.from_dict(entry) for entry in data["entries"]),
            Protocol(**protocol),
            data["environment"],
            None if conditions is None else Conditions.from_dict(conditions),
            None if noise is None else Noise.from_dict(noise),
            data["energy"],
        )


_SINCE_2 = {"environment": None, "conditions": None, "noise": None, "energy": "not measured"}


def _migrated(data: Mapping[str, Any], schema: int) -> Mapping[str, Any]:
    """Return a document of the newest schema: the first one told nothing of the machine, of CPU time and of energy."""
    if schema == SCHEMA or not isinstance(data.get("entries"), list):
        return data
    unknown = {"cpu_ms": None, "energy_mj": None, "many_ips": None, "warmup_s": None}
    entries = [{**unknown, **entry} if isinstance(entry, Mapping) else entry for entry in data["entries"]]
    return {**_SINCE_2, **data, "entries": entries}
