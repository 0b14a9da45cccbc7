"""Aiming at the limits: how many channels may stay is worked out from what was measured, not drawn blindly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgevision.compress.judging import PASSING
from edgevision.compress.space import ALL_STAY, LEAST_PERCENT, Room
from edgevision.compress.steps import INT8
from edgevision.converters.formats import SCHEMES
from edgevision.errors import EdgeVisionError

if TYPE_CHECKING:
    from edgevision.compress.judging import Judge
    from edgevision.compress.ledger import LedgerRow
    from edgevision.compress.study import Record
    from edgevision.compress.working import Bench

SPARE = 0.98
"""Share of the allowed bytes or milliseconds that is aimed at."""
FITS = 0.99
"""Share that an untrained try may take: training between the steps makes the choice of channels another one."""
MOST_GLANCES = 4
WITHOUT_LIMITS = (75, 50)
"""Percentages of the operations that stay, where no limit tells any."""


def room(bench: Bench, records: tuple[Record, ...]) -> Room:
    """Return how much of the parameters may stay, for a format and a scheme, by the bytes of untrained candidates."""
    limit = bench.plan.constraints.max_bytes

    def percent(format: str, scheme: str) -> int:
        row = _untrained(records, format, scheme)
        if limit is None or row is None:
            return 100
        return _percent(row.bytes, row.parameters * SCHEMES[scheme].weight_bits / 8, limit)

    return percent


def aims(bench: Bench, judge: Judge, known: set[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield (reason, parameters to queue) for each format whose untrained int8 candidate is measured by now.

    Args:
        bench: The search.
        judge: Tells how many bytes a candidate would have.
        known: Reasons that were dealt with; grows.
    """
    limits = bench.plan.constraints
    for format in bench.plan.to if bench.space.manner else ():
        records = bench.study.records()
        row = _untrained(records, format, INT8)
        reason = f"aimed at {limits.max_bytes} bytes and {limits.max_latency_ms} ms in {format}"
        if row is None or reason in known:
            continue
        known.add(reason)
        if any(reason in str(record.facts.get("queued")) for record in records):
            continue
        try:
            goals = list(_goals(bench, judge, format, row))
        except PASSING:
            raise
        except EdgeVisionError:  # a model that loses no channels: drawn candidates say so, each in its error
            continue
        yield reason, goals


def _goals(bench: Bench, judge: Judge, format: str, row: LedgerRow) -> Iterator[dict[str, Any]]:
    """Yield the parameters of what should just meet the limits on bytes and time; without any, of some steps down."""
    limits, aimed = bench.plan.constraints, bench.space.aimed
    missed = {item.constraint for item in limits.missed(bytes=row.bytes, latency_ms=row.latency_ms)}
    if not missed:
        yield aimed(format, "parameters", 100, trained=True)
        for percent in WITHOUT_LIMITS:
            yield aimed(format, "macs", percent, trained=False)
    if "max_bytes" not in missed:
        yield from bench.space.calibrated(format)
    if "max_bytes" in missed and limits.max_bytes is not None:
        for trained in (False, True):
            found = _fitting(bench, judge, format, row, limits.max_bytes, trained)
            if found is not None:
                yield found
    if "max_latency_ms" in missed and limits.max_latency_ms is not None:
        percent = int(100 * SPARE * limits.max_latency_ms / row.latency_ms)
        if percent >= LEAST_PERCENT:
            for trained in (False, True):
                yield aimed(format, "macs", percent, trained=trained)


def _fitting(
    bench: Bench, judge: Judge, format: str, row: LedgerRow, limit: int, trained: bool
) -> dict[str, Any] | None:
    """Return the parameters of a candidate whose files are as large as allowed, found by trying; None where none is."""
    percent = _percent(row.bytes, float(row.parameters), limit)
    for _ in range(MOST_GLANCES):
        if percent < LEAST_PERCENT:
            return None
        parameters = bench.space.aimed(format, "parameters", percent, trained=trained)
        size = judge.bytes_of(bench.space.draw(Fixed(parameters), lambda format, scheme: 100))
        if size <= FITS * limit:
            return parameters
        percent -= int(100 * (size - FITS * limit) / row.parameters) + 1
    return None


class Fixed:
    """Draws what it was told."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return the parameter."""
        return self._parameters[name]

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """Return the parameter."""
        return int(self._parameters[name])


def _untrained(records: tuple[Record, ...], format: str, scheme: str) -> LedgerRow | None:
    for record in records:
        parameters = record.parameters
        plain = parameters.get("channels") == ALL_STAY and not parameters.get("quantization-aware")
        if record.state == "COMPLETE" and plain and parameters.get(f"{format} scheme") == scheme:
            return record.row
    return None


def _percent(size: int, weights: float, limit: int) -> int:
    """Return how much of the weights may stay so that files of ``size`` bytes shrink to the limit.

    >>> _percent(95_554, 78_666, 60_000)
    53
    """
    return max(0, min(100, int(100 * (1 - (size - limit * SPARE) / weights))))
