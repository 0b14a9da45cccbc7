"""What a person waits for before anything happens."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.timing

ROUNDS = 15
ATTEMPTS = 3  # a machine that is busy with something else may spoil one


def ratio_of_medians(command: list[str], against: list[str]) -> float:
    """Median wall time of `command` over that of `against`, taken in turns."""
    times: dict[str, list[float]] = {"command": [], "against": []}
    for _ in range(ROUNDS + 1):
        for key, argv in (("command", command), ("against", against)):
            start = time.perf_counter()
            subprocess.run(argv, check=True, capture_output=True)
            times[key].append(time.perf_counter() - start)
    return statistics.median(times["command"][1:]) / statistics.median(times["against"][1:])


def best_ratio(command: list[str], against: list[str], limit: float) -> float:
    """The ratio, measured again while it is over the limit."""
    ratios = []
    while len(ratios) < ATTEMPTS and (not ratios or min(ratios) > limit):
        ratios.append(ratio_of_medians(command, against))
    return min(ratios)


def python(statement: str) -> list[str]:
    return [sys.executable, "-c", statement]


def test_import_takes_less_than_numpy_and_click():
    assert best_ratio(python("import edgevision"), python("import numpy, click"), 1.0) <= 1.0


def test_help_takes_little_more_than_numpy_and_click():
    command = [str(Path(sys.executable).with_name("edgevision")), "--help"]
    assert best_ratio(command, python("import numpy, click"), 1.3) <= 1.3
