"""The Pareto front of a search, and the best candidate on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgevision.compress.constraints import Constraints
from edgevision.compress.ledger import LedgerRow
from edgevision.compress.study import Record


def pareto_front(records: Iterable[Record]) -> list[Record]:
    """Return the finished candidates that no other one beats in bytes, accuracy and latency at once.

    Of candidates with equal figures the first stays.
    """
    complete = [record for record in records if record.state == "COMPLETE"]
    figures = {record.number: _objectives(record.row) for record in complete}
    front = []
    for record in complete:
        own = figures[record.number]
        beaten = any(
            _dominates(other, own) or (other == own and number < record.number) for number, other in figures.items()
        )
        if not beaten:
            front.append(record)
    return front


def choose_best(front: Sequence[tuple[Record, LedgerRow]], constraints: Constraints) -> tuple[Record, LedgerRow] | None:
    """Return the candidate that meets every limit: of those the most accurate, then the smallest; None if none does."""
    meeting = [item for item in front if not constraints.violations(item[1])]
    return min(meeting, key=lambda item: (item[1].drop_points, item[1].bytes, item[1].latency_ms), default=None)


def nearest(front: Sequence[tuple[Record, LedgerRow]], constraints: Constraints) -> tuple[Record, LedgerRow] | None:
    """Return the candidate that misses the limits by the least, each taken relative to its limit."""
    return min(front, key=lambda item: sum(missed.relative for missed in constraints.violations(item[1])), default=None)


def _objectives(row: LedgerRow) -> tuple[float, float, float]:
    return row.bytes, row.drop_points, row.latency_ms


def _dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(first, second, strict=True)) and tuple(first) != tuple(second)
