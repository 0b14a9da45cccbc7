"""What every evaluation says beside its figures: what ran the artifact, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from edgevision.documents import check_fields


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluated:
    """A summary of an evaluation. Each task has a class of its own, with a field for its metrics.

    Attributes:
        runtime: Name of the runtime that was asked for, or its package when any was welcome.
        device: Where it ran.
        facts: What ran it: package, version, threads, precision, ….
    """

    metrics_field: ClassVar[str]
    """Name of the field with the metrics."""

    runtime: str
    device: str
    facts: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        metrics = getattr(self, self.metrics_field).to_dict()
        return {
            "runtime": self.runtime, "device": self.device, "facts": dict(self.facts), self.metrics_field: metrics,
        }  # fmt: skip

    @classmethod
    def known(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of the JSON form, the metrics as they stand there; raises ConfigError."""
        required = ("runtime", "device", "facts", cls.metrics_field)
        return dict(check_fields("evaluation", data, required=required))
