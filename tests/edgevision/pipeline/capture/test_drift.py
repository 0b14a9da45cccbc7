"""The charts: quiet while all is as usual, quick when it is not, and back when it is again."""

import json

import numpy as np
import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.capture.drift import Baseline, DriftMonitor, DriftSettings

SETTINGS = DriftSettings(baseline_s=1000, interval_s=10)


def feed(monitor, values, start_s=0.0, model="m", name="brightness"):
    """Give one value a second; return when something changed."""
    return [start_s + at for at, value in enumerate(values) if monitor.add(start_s + at, model, {name: value})]


def learnt(seed=0):
    monitor = DriftMonitor(SETTINGS)
    generator = np.random.default_rng(seed)
    changes = feed(monitor, generator.normal(100, 10, 1020))
    assert len(changes) == 1 and monitor.baseline is not None
    return monitor, generator


def test_what_is_usual_is_learnt_from_means():
    monitor, _ = learnt()
    mean, deviation = monitor.baseline.usual["brightness"]
    assert mean == pytest.approx(100, abs=2) and deviation == pytest.approx(10 / np.sqrt(10), rel=0.3)


def test_noise_is_no_drift():
    monitor, generator = learnt()
    assert feed(monitor, generator.normal(100, 10, 10_000), 2000) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_a_shift_is_found_soon_and_its_end_too(sign):
    monitor, generator = learnt()
    off = 2 * monitor.baseline.usual["brightness"][1] * sign
    found = feed(monitor, generator.normal(100 + off, 10, 600), 2000)
    assert len(found) == 1 and found[0] - 2000 <= 200
    assert monitor.drifting["brightness"] == pytest.approx(100 + off, abs=15)
    over = feed(monitor, generator.normal(100, 10, 1000), 2600)
    assert len(over) == 1 and not monitor.drifting


def test_another_model_has_a_baseline_of_its_own():
    monitor, generator = learnt()
    changes = feed(monitor, generator.normal(20, 1, 1020), 2000, model="other")
    assert len(changes) == 1 and not monitor.drifting
    assert monitor.baseline.model == "other" and monitor.baseline.usual["brightness"][0] == pytest.approx(20, abs=1)


def test_a_model_that_is_back_knows_what_was_usual():
    """A smaller variant, or one on probation, had its turn for a while: no other hour is needed."""
    monitor, generator = learnt()
    usual = monitor.baseline
    assert feed(monitor, generator.normal(20, 1, 100), 2000, model="small") == [] and monitor.baseline is None
    off = 100 + 2 * usual.usual["brightness"][1]
    assert len(feed(monitor, generator.normal(off, 10, 600), 2100)) == 1
    assert monitor.baseline == usual and set(monitor.drifting) == {"brightness"}


def test_what_is_usual_is_learnt_by_turns():
    monitor, generator = DriftMonitor(SETTINGS), np.random.default_rng(0)
    known = {}
    for turn in range(20):
        model, level = ("big", 100) if turn % 2 else ("small", 50)
        feed(monitor, generator.normal(level, 10, 150), turn * 150, model)
        known[model] = monitor.baseline
        if turn < 12:  # neither had its 1000 s yet
            assert monitor.baseline is None
    assert known["big"].usual["brightness"][0] == pytest.approx(100, abs=3)
    assert known["small"].usual["brightness"][0] == pytest.approx(50, abs=3)


def test_a_baseline_outlives_the_process():
    monitor, generator = learnt()
    kept = Baseline.from_dict(json.loads(json.dumps(monitor.baseline.to_dict())))
    assert kept == monitor.baseline
    again = DriftMonitor(SETTINGS, kept)
    assert feed(again, generator.normal(200, 10, 100)) and "brightness" in again.drifting


def test_what_never_changed_may_change_a_little():
    monitor = DriftMonitor(SETTINGS)
    feed(monitor, [100.0] * 1020)
    assert feed(monitor, [100.4] * 1000, 2000) == []
    assert feed(monitor, [105.0] * 1000, 4000) != []


def test_a_statistic_that_is_hardly_ever_there_is_not_watched():
    monitor = DriftMonitor(SETTINGS)
    for at in range(1020):
        monitor.add(at, "m", {"brightness": 100.0, **({"confidence": 0.9} if at == 500 else {})})
    assert set(monitor.baseline.usual) == {"brightness"}
    assert feed(monitor, [0.1] * 500, 2000, name="confidence") == []


@pytest.mark.parametrize("wrong", [[], {"schema": 1}, {"schema": 1, "model": "m", "usual": {"a": 3}}, {"schema": 9}])
def test_a_damaged_baseline_is_named(wrong):
    with pytest.raises(ConfigError, match="baseline"):
        Baseline.from_dict(wrong)


def test_settings_that_make_no_sense():
    for wrong in ({"limit": 0}, {"interval_s": float("nan")}, {"baseline_s": 100, "interval_s": 10}):
        with pytest.raises(ConfigError, match="capture: drift"):
            DriftSettings(**wrong)
