import pytest

from edgevision.compress.constraints import Constraints
from edgevision.compress.front import choose_best, nearest, pareto_front
from edgevision.compress.ledger import Latency, LedgerRow
from edgevision.compress.study import Record
from edgevision.errors import ConfigError
from edgevision.metrics.intervals import proportion


def row(bytes: int, drop: float, latency: float) -> LedgerRow:
    right = round(900 - 10 * drop)
    return LedgerRow(
        "quantize", "tflite", "static_wi8_ai8", bytes, bytes, "0" * 64, 100, 0, 100,
        proportion(right, 1000), drop, "tflite", {"tflite": Latency(latency, latency, 10)},
    )  # fmt: skip


def records(*figures: tuple[int, float, float]) -> list[Record]:
    return [
        Record(number, "COMPLETE", {}, str(number), {"row": row(*entry).to_dict()})
        for number, entry in enumerate(figures)
    ]


def test_a_row_survives_the_database():
    found = row(100, 1.5, 2.0)
    assert LedgerRow.from_dict(found.to_dict()) == found


def test_what_is_missed_is_named_with_its_distance():
    limits = Constraints(max_drop=1.0, min_accuracy=89.0, max_bytes=1000, max_latency_ms=1.0)
    assert limits.violations(row(1000, 1.0, 1.0)) == ()
    assert [str(missed) for missed in limits.violations(row(1500, 2.5, 1.25))] == [
        "max_drop 1.00 is missed by 1.50 points (2.50)",
        "max_bytes 1,000 is missed by 500 bytes (1,500)",
        "max_latency_ms 1.000 is missed by 0.250 ms (1.250)",
        "min_accuracy 89.00 is missed by 1.50 points (87.50)",
    ]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_drop": -1}, "max_drop: got -1"),
        ({"max_drop": float("nan")}, "max_drop: got nan"),
        ({"min_accuracy": 0.86}, "min_accuracy: got 0.86; allowed: percent"),
        ({"min_accuracy": 1}, "min_accuracy: got 1;"),
        ({"max_bytes": 0}, "max_bytes: got 0"),
        ({"max_latency_ms": 0}, "max_latency_ms: got 0"),
        ({"max_latency_ms": float("inf")}, "max_latency_ms: got inf"),
        ({"max_bytes": "60k"}, "max_bytes: got 60k"),
    ],
)
def test_impossible_limits_are_refused(limits, message):
    with pytest.raises(ConfigError, match=message):
        Constraints(**limits)


def test_the_front_is_what_no_other_beats():
    found = records((100, 1.0, 1.0), (90, 2.0, 1.0), (100, 1.0, 1.0), (110, 1.0, 1.0), (95, 2.0, 1.0), (200, 0.0, 9.0))
    assert [record.number for record in pareto_front(found)] == [0, 1, 5]


def test_the_best_meets_every_limit_and_is_the_most_accurate_of_those():
    front = [(record, record.row) for record in records((100, 1.0, 1.0), (90, 2.0, 1.0), (200, 0.0, 9.0))]
    best = choose_best(front, Constraints(max_bytes=150))
    assert best is not None and best[0].number == 0
    assert choose_best(front, Constraints(max_bytes=50)) is None
    close = nearest(front, Constraints(max_bytes=50))
    assert close is not None and close[0].number == 1
