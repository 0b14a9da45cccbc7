"""The noise verdict: each piece of evidence alone makes it noisy, and quiet is quiet."""

from dataclasses import replace

import numpy as np
import pytest

from edgevision.benchmark.conditions import Conditions, Watch
from edgevision.benchmark.environment import fingerprint
from edgevision.benchmark.noise import Noise, judge
from edgevision.devices.sensors import MachineState
from edgevision.report.environment import environment

CALM = Conditions(10.0, 0.5, 0.6, 0.01, 0.0, 0.001, 0.0, 2390.0, 2400.0, 2395.0, {"cpu": 50.0}, {"cpu": 51.0})


def steady(count=2000, seed=0):
    return np.random.default_rng(seed).normal(1.0, 0.01, count)


def test_a_quiet_measurement():
    noise = judge(CALM, {"a": steady()})
    assert noise == Noise("quiet", (), ())
    assert str(noise) == "quiet: nothing was amiss"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"others_share": 0.5}, "other processes took 50% of the cores' time"),
        ({"steal_share": 0.03}, "the hypervisor took 3.0% of the cores' time (steal)"),
        ({"waited_share": 0.1}, "the measuring thread waited for a core 10.0% of the time"),
        ({"throttled_s": 0.5}, "the container's quota stopped it for 0.50 s"),
        ({"frequency_low_mhz": 1200.0}, "the clock rate went between 1200 and 2400 MHz"),
    ],
)
def test_what_the_machine_says(change, said):
    noise = judge(replace(CALM, **change), {"a": steady()})
    assert (noise.verdict, noise.reasons) == ("noisy", (said,))
    assert Noise.from_dict(noise.to_dict()) == noise


def test_drift():
    (reason,) = judge(CALM, {"a": steady() * np.linspace(1, 1.1, 2000)}).reasons[:1]
    assert reason == "latency drifted by +7% from the first third to the last"


def test_latencies_that_come_and_go():
    waves = 1 + 0.06 * np.sin(np.linspace(0, 4 * np.pi, 2000))
    reasons = judge(CALM, {"a": steady() * waves}).reasons
    assert any(reason.startswith("latency wandered: the medians of neighbouring parts") for reason in reasons)


def test_spread_names_the_candidate_among_several():
    wide = np.random.default_rng(1).uniform(0.5, 1.5, 2000)
    assert judge(CALM, {"1. a": steady(), "2. b": wide}).reasons == (
        "2. b: half of the samples lie over a range of 50% of the median",
    )


def test_independent_samples_are_rarely_called_noisy():
    verdicts = [judge(CALM, {"a": steady(400, seed)}).verdict for seed in range(200)]
    assert verdicts.count("quiet") >= 198


def test_few_samples_are_not_called_quiet():
    assert str(judge(CALM, {"a": [1.0] * 39})) == "unknown: too few samples to see any"


def test_what_is_not_exposed_is_said():
    blind = Conditions(1.0, *[None] * 9, {}, {})
    noise = judge(blind, {"a": steady()})
    assert noise.verdict == "quiet"
    assert noise.not_exposed == (
        "others' load", "steal", "waiting for a core", "throttling by a quota", "frequency", "temperature",
    )  # fmt: skip
    assert "not exposed here: others' load, steal" in str(noise)


def test_shares_are_those_between_two_looks(monkeypatch):
    looks = iter(
        [
            MachineState(1.0, 100.0, 50.0, 1.0, 10.0, 2.0, 0.0, 2000.0, {"cpu": 40.0}),
            MachineState(1.5, 120.0, 60.0, 2.0, 14.0, 2.0, 0.25, 1500.0, {"cpu": 60.0}),
        ]
    )
    seen = Watch(lambda: next(looks)).conditions()
    assert (seen.others_share, seen.steal_share) == pytest.approx((6 / 20, 1 / 20))
    assert (seen.throttled_s, seen.frequency_low_mhz, seen.frequency_high_mhz) == (0.25, 1500.0, 2000.0)
    assert (seen.temperatures_start_c, seen.temperatures_end_c) == ({"cpu": 40.0}, {"cpu": 60.0})


def test_the_machine_is_described(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = fingerprint()
    assert found["thread_variables"]["OMP_NUM_THREADS"] == "3"
    assert found["versions"]["numpy"] == np.__version__
    absent = {**found, "frequency_mhz": None, "maximum_frequency_mhz": None, "temperatures_c": {}}
    shown = environment(absent)
    assert (shown["frequency"], shown["maximum frequency"], shown["temperatures"]) == ("not exposed",) * 3
    assert environment({**absent, "temperatures_c": {"cpu": 41.26}})["temperatures"] == "cpu 41.3 °C"
