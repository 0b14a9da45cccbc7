"""Comparing candidates: verdicts from what was measured, and none where that is too little."""

import json
import time

import numpy as np
import pytest

from edgevision.benchmark import Candidate, compare
from edgevision.benchmark.comparison import Sitting, concluded
from edgevision.errors import ConfigError
from edgevision.runtimes import load


def sittings(ratio, spread, count=12, control=0.0, unrest=0.002, seed=0):
    """Sittings of two candidates, the second of which takes ``ratio`` times as long."""
    generator = np.random.default_rng(seed)
    return [
        Sitting(
            (1.0, float(ratio)),
            (0.0, float(np.log(ratio) + generator.normal(0, spread))),
            float(control + generator.normal(0, unrest)),
        )
        for _ in range(count)
    ]


def verdict(found, margin=0.03):
    result = concluded(["a", "b"], found, margin=margin, confidence=0.95, seed=0, protocol="")
    json.dumps(result.to_dict(), allow_nan=False)
    return result.others[0].verdict, result


@pytest.mark.parametrize(
    ("ratio", "spread", "expected"),
    [
        (1.10, 0.01, "slower"),
        (0.90, 0.01, "faster"),
        (1.01, 0.005, "equivalent"),
        (1.03, 0.005, "insufficient evidence"),
        (1.10, 0.20, "insufficient evidence"),
    ],
)
def test_verdicts(ratio, spread, expected):
    found, result = verdict(sittings(ratio, spread))
    assert found == expected
    assert (result.others[0].reason is None) == (expected != "insufficient evidence")
    assert result.others[0].ratio.low < result.others[0].ratio.value < result.others[0].ratio.high


def test_the_wider_the_margin_the_more_is_equal():
    assert verdict(sittings(1.05, 0.01), margin=0.02)[0] == "slower"
    assert verdict(sittings(1.05, 0.01), margin=0.10)[0] == "equivalent"


def test_too_few_sittings_and_an_unsteady_machine_say_nothing():
    found, result = verdict(sittings(2.0, 0.01, count=4))
    assert found == "insufficient evidence" and result.others[0].ratio is None
    assert result.others[0].reason == "4 sittings fit into the time; 5 are needed"
    found, result = verdict(sittings(2.0, 0.01, control=0.1))
    assert found == "insufficient evidence" and "unsteady: the first against itself is 1.1" in result.others[0].reason


def test_what_is_as_fast_is_rarely_called_another():
    """Each sitting's objects differ by two percent for no reason: so large an accident was seen on this stack."""
    found = [verdict(sittings(1.0, 0.02, seed=seed))[0] for seed in range(200)]
    assert sum(one in ("faster", "slower") for one in found) <= 0.05 * 200
    found = [verdict(sittings(1.1, 0.02, seed=seed))[0] for seed in range(200)]
    assert sum(one == "slower" for one in found) >= 0.90 * 200


def test_what_may_be_expected():
    _, slower = verdict(sittings(1.10, 0.01))
    _, equal = verdict(sittings(1.0, 0.005))
    assert [bool(slower.failing(what)) for what in ("faster", "not-slower", "equivalent")] == [True, True, True]
    assert [bool(equal.failing(what)) for what in ("faster", "not-slower", "equivalent")] == [True, False, False]


class Delayed:
    """A loaded model that takes longer."""

    def __init__(self, model, seconds):
        self._model, self._seconds = model, seconds

    def __getattr__(self, name):
        return getattr(self._model, name)

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self._model.close()

    def infer(self, inputs):
        end = time.perf_counter() + self._seconds
        while time.perf_counter() < end:
            pass
        return self._model.infer(inputs)


@pytest.fixture
def delays(monkeypatch):
    """Seconds by which the candidates of an option ``threads`` are slowed down: {1: 0.001, 3: 0.003}."""
    found = {1: 0.001, 3: 0.003}

    def slow(artifact, device, *, runtime, options):
        return Delayed(load(artifact, device, runtime=runtime), found[options["threads"]])

    monkeypatch.setattr("edgevision.benchmark.comparing.load", slow)
    return found


def test_a_slower_one_is_found_and_the_time_is_kept(artifact, delays):
    base, other = (Candidate(artifact, "null", options={"threads": threads}) for threads in delays)
    told = []
    start = time.perf_counter()
    result = compare([base, other, base], margin=0.3, budget_s=4.0, progress=lambda *news: told.append(news))
    assert time.perf_counter() - start < 8
    slower, same = result.others
    assert len(result.sittings_ms) == told[-1][0] + 1 and len(result.sittings_ms[0]) == 3 and told[-1][1] == 20
    assert 0.9 < result.base_p50_ms < slower.p50_ms
    if "insufficient evidence" in (slower.verdict, same.verdict):
        pytest.skip(f"this machine is too busy to time anything: {slower.reason or same.reason}")
    assert slower.verdict == "slower" and 2 < slower.ratio.value < 4, result
    assert same.verdict == "equivalent", result


def test_no_time_is_no_evidence(artifact, delays):
    candidates = [Candidate(artifact, "null", options={"threads": threads}) for threads in delays]
    result = compare(candidates, budget_s=0.01)
    assert result.others[0].verdict == "insufficient evidence" and len(result.sittings_ms) < 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 0.0}, "margin: got 0.0"),
        ({"confidence": 1.0}, "confidence: got 1.0"),
        ({"budget_s": float("inf")}, "budget_s: got inf"),
    ],
)
def test_what_makes_no_sense_is_refused(artifact, options, message):
    candidate = Candidate(artifact, "null")
    with pytest.raises(ConfigError, match=message):
        compare([candidate, candidate], **options)
    with pytest.raises(ConfigError, match="candidates: got 1; allowed: two or more"):
        compare([candidate])
