"""What a compressed model must keep to, and by how much a candidate misses it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from edgevision.compress.ledger import LedgerRow
from edgevision.errors import ConfigError


@dataclass(frozen=True)
class Violation:
    """A constraint that a candidate misses.

    Attributes:
        constraint: Its name, as in `Constraints`.
        limit: What was asked for.
        measured: What was measured, in the same unit.
    """

    constraint: str
    limit: float
    measured: float

    @property
    def by(self) -> float:
        """How far beyond the limit it lies, in the unit of both; above 0."""
        return abs(self.measured - self.limit)

    @property
    def relative(self) -> float:
        """The same as a share of the limit (of one point, where the limit is smaller)."""
        return self.by / max(abs(self.limit), 1e-9 if self.constraint == "max_latency_ms" else 1.0)

    def __str__(self) -> str:
        unit, digits = UNITS[self.constraint]
        limit, measured, by = (f"{value:,.{digits}f}" for value in (self.limit, self.measured, self.by))
        return f"{self.constraint} {limit} is missed by {by} {unit} ({measured})"


UNITS = {
    "max_drop": ("points", 2),
    "min_accuracy": ("points", 2),
    "max_bytes": ("bytes", 0),
    "max_latency_ms": ("ms", 3),
}
"""Constraint -> its unit, and the decimals that people see."""


@dataclass(frozen=True)
class Constraints:
    """Limits; None is no limit.

    Attributes:
        max_drop: Percentage points of accuracy that may be lost against the float model.
        min_accuracy: Percent of the evaluation images that must be right; above 1, since it is no share.
        max_bytes: Bytes of the model files.
        max_latency_ms: Median latency of one inference.

    Raises:
        ConfigError: A limit that nothing could meet, or that everything would.
    """

    max_drop: float | None = None
    min_accuracy: float | None = None
    max_bytes: int | None = None
    max_latency_ms: float | None = None

    def __post_init__(self) -> None:
        _check("max_drop", self.max_drop, 0, 100, "points, 0 to 100")
        _check("min_accuracy", self.min_accuracy, 1, 100, "percent, 1 to 100")
        _check("max_bytes", self.max_bytes, 1, math.inf, "bytes, 1 or more")
        _check("max_latency_ms", self.max_latency_ms, 1e-6, math.inf, "milliseconds, more than 0")

    def violations(self, row: LedgerRow) -> tuple[Violation, ...]:
        """Return what a measured candidate misses; nothing where it meets all."""
        return self.missed(
            drop_points=row.drop_points,
            accuracy=100 * (row.accuracy.value or 0.0),
            bytes=row.bytes,
            latency_ms=row.latency_ms,
        )

    def missed(
        self,
        *,
        bytes: float | None = None,
        latency_ms: float | None = None,
        drop_points: float | None = None,
        accuracy: float | None = None,
    ) -> tuple[Violation, ...]:
        """Return which limits these figures miss; a figure that is None misses none."""
        upper = (
            ("max_drop", self.max_drop, drop_points),
            ("max_bytes", self.max_bytes, bytes),
            ("max_latency_ms", self.max_latency_ms, latency_ms),
        )
        found = [
            Violation(name, limit, value)
            for name, limit, value in upper
            if limit is not None and value is not None and value > limit + 1e-9
        ]
        if self.min_accuracy is not None and accuracy is not None and accuracy < self.min_accuracy - 1e-9:
            found.append(Violation("min_accuracy", self.min_accuracy, accuracy))
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return the limits as JSON takes them."""
        return asdict(self)


def _check(name: str, value: float | None, low: float, high: float, allowed: str) -> None:
    if value is None:
        return
    wrong = isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
    if wrong or not low <= value <= high or (name == "min_accuracy" and value == 1):
        raise ConfigError(name, got=value, allowed=allowed)
