"""The result of one of MLPerf's scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from edgevision.benchmark.conditions import Conditions
from edgevision.benchmark.loadgen_log import LoadGenResult
from edgevision.benchmark.noise import Noise
from edgevision.documents import check_fields, check_schema
from edgevision.errors import ConfigError

SCHEMA = 1
KIND = "edgevision-scenario"
SCENARIOS = ("single-stream", "multi-stream", "offline", "server")


@dataclass(frozen=True)
class ScenarioReport:
    """One model under one of LoadGen's scenarios.

    Attributes:
        scenario: One of `SCENARIOS`.
        artifact: Name of the model.
        format: Format of the artifact.
        scheme: Its numeric scheme; None when unknown.
        sha256: Hash of its model file.
        runtime: Name of the runtime that ran it.
        device: Where it ran.
        options: Options of the runtime.
        facts: What ran: package, version, threads, and the concurrency that was found, where there was a choice.
        inputs: Where the samples came from.
        loadgen: Version of LoadGen.
        result: What LoadGen says.
        environment: The machine.
        conditions: What happened on it meanwhile.
        noise: Whether that was quiet.
    """

    scenario: str
    artifact: str
    format: str
    scheme: str | None
    sha256: str
    runtime: str
    device: str
    options: Mapping[str, Any]
    facts: Mapping[str, Any]
    inputs: str
    loadgen: str
    result: LoadGenResult
    environment: Mapping[str, Any]
    conditions: Conditions
    noise: Noise

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        plain |= {"result": self.result.to_dict(), "noise": self.noise.to_dict()}
        plain |= {"conditions": self.conditions.to_dict()}
        return {"schema": SCHEMA, "kind": KIND, **plain}

    @classmethod
    def from_dict(cls, data: Any) -> ScenarioReport:
        """Read the JSON form; raises ConfigError for another kind of document, or unknown or missing keys."""
        check_schema("scenario", data, SCHEMA)
        names = [item.name for item in fields(cls)]
        check_fields("scenario", data, required=("schema", "kind", *names))
        if data["kind"] != KIND:
            raise ConfigError("scenario: another kind of document", got=data["kind"], allowed=KIND)
        values = {name: data[name] for name in names}
        values |= {"result": LoadGenResult.from_dict(data["result"]), "noise": Noise.from_dict(data["noise"])}
        return cls(**{**values, "conditions": Conditions.from_dict(data["conditions"])})
