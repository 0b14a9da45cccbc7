"""Latency over minutes: each verdict from windows that show it, and a short run of a real model."""

import pytest

from edgevision.artifact import Artifact
from edgevision.benchmark import Candidate
from edgevision.benchmark.sustained import Window, judge_windows, sustained
from edgevision.errors import ConfigError


def windows(p50_ms, frequency=None, temperature=None, others=None):
    """One window for each number of ``p50_ms``; the other lists, where given, are as long."""
    return [
        Window(
            start_s=10.0 * place,
            count=100,
            p50_ms=value,
            max_ms=2 * value,
            frequency_mhz=frequency[place] if frequency else None,
            temperatures_c={"cpu": temperature[place], "other": 20.0} if temperature else {},
            others_share=others[place] if others else None,
            power_w=None,
        )
        for place, value in enumerate(p50_ms)
    ]


SLOWER = [1.0] * 6 + [1.5] * 6


def test_a_device_that_keeps_its_pace():
    verdict, slowdown, _ = judge_windows(windows([1.0, 1.01] * 10))
    assert (verdict, slowdown) == ("steady", pytest.approx(0, abs=0.02))


def test_a_device_that_gets_hot():
    verdict, slowdown, reason = judge_windows(
        windows(SLOWER, frequency=[1500.0] * 6 + [1000.0] * 6, temperature=[50.0] * 6 + [85.0] * 6)
    )
    assert (verdict, slowdown) == ("throttled", pytest.approx(0.5))
    assert reason.endswith("the clock went from 1500 to 1000 MHz; the hottest zone went from 50 to 85 °C")


def test_a_device_that_others_use():
    verdict, _, reason = judge_windows(windows(SLOWER, frequency=[1500.0] * 12, others=[0.0] * 6 + [0.5] * 6))
    assert verdict == "slowed" and "other processes took 50% of the cores instead of 0%" in reason


def test_a_device_that_says_nothing_is_not_called_throttled():
    verdict, _, reason = judge_windows(windows(SLOWER))
    assert verdict == "slowed"
    assert reason.endswith("the clock rate is not exposed; temperatures are not exposed")
    assert "the clock stayed at 1500 MHz" in judge_windows(windows(SLOWER, frequency=[1500.0] * 12))[2]


def test_a_run_that_is_too_short():
    assert judge_windows(windows([1.0] * 5))[:2] == ("too short", None)


def test_a_real_model(shipped):
    steps = []
    report = sustained(
        Candidate(shipped, "null"), minutes=0.02, window_s=0.15, progress=lambda *step: steps.append(step)
    )
    assert len(report.windows) == 8 and steps == [(place, 8) for place in range(8)]
    starts = [window.start_s for window in report.windows]
    assert starts == sorted(starts) and starts[1] >= 0.15
    assert all(0 < window.p50_ms <= window.max_ms and window.count > 10 for window in report.windows)
    assert report.verdict in ("steady", "throttled", "slowed")


@pytest.mark.parametrize("change", [{"minutes": 0}, {"minutes": float("nan")}, {"window_s": -1}])
def test_times_that_make_no_sense(shipped, change):
    with pytest.raises(ConfigError, match=f"sustained: {next(iter(change))}"):
        sustained(Candidate(shipped, "null"), **{"minutes": 1.0, **change})


@pytest.fixture
def shipped():
    from edgevision.shipped import shipped_model

    return Artifact.open(shipped_model())
