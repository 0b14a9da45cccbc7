"""Which frames are captured, and which are not though they are worth it."""

from collections import Counter

import numpy as np
import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.capture.choosing import Chooser, Memory
from edgevision.pipeline.capture.drift import Baseline, DriftMonitor, DriftSettings
from edgevision.pipeline.rules import PrivacyMask

BOX = (10, 10, 40, 50)
UNSURE = [(BOX, 0.4, 0)]


def chooser(settings, **rest):
    chosen = []
    mask = rest.pop("mask", None)
    return Chooser(settings, mask, lambda one: chosen.append(one) or True, Memory(settings), **rest), chosen


def test_scores_in_the_band_and_no_others(settings, result):
    looks, chosen = chooser(settings())
    for at, score in enumerate((0.29, 0.3, 0.49, 0.5, 0.9)):
        looks.look(result(at, [(BOX, score, 0)]))
    assert [one.result.frame.captured_s for one in chosen] == [1, 2]
    assert chosen[0].reason == "low_confidence" and chosen[0].why == {"scores": [0.3]}
    assert looks.state() == {"captured": {"low_confidence": 2}, "passed_over": {}, "drifting": {}}


def test_never_more_than_the_limit_in_any_hour_nor_at_once(settings, result):
    looks, chosen = chooser(settings(max_per_hour=20, min_interval_s=60))
    for at in range(0, 3 * 3600, 10):
        looks.look(result(at, UNSURE))
    times = [one.result.frame.captured_s for one in chosen]
    assert len(times) == 60 and min(np.diff(times)) >= 60
    assert max(sum(1 for other in times if 0 <= other - one < 3600) for one in times) == 20
    assert looks.passed_over["rate"] == 3 * 360 - 60


def test_the_same_again_is_not_captured(settings, result, picture):
    looks, chosen = chooser(settings())
    scene = picture(7)
    noisy = np.clip(scene.astype(int) + np.random.default_rng(1).integers(-9, 10, scene.shape), 0, 255).astype(np.uint8)
    looks.look(result(0, UNSURE, scene))
    looks.look(result(1, [((11, 10, 41, 51), 0.35, 0)], noisy))
    assert len(chosen) == 1 and looks.passed_over == Counter(alike=1)
    looks.look(result(2, [((60, 10, 90, 50), 0.4, 0)], noisy))  # a still camera, and somebody else
    looks.look(result(3, [((60, 10, 90, 50), 0.4, 1)], noisy))  # another class
    looks.look(result(4, UNSURE, picture(8)))
    assert len(chosen) == 4


def test_what_masks_cover_is_not_spoken_of(settings, result):
    mask = PrivacyMask([[(0, 0), (48, 0), (48, 64), (0, 64)]], 96, 64)
    looks, chosen = chooser(settings(), mask=mask)
    looks.look(result(0, UNSURE))
    assert not chosen
    looks.look(result(1, [*UNSURE, ((60, 10, 90, 50), 0.45, 1)]))
    assert chosen[0].objects.classes.tolist() == [1]


def test_drift_is_a_reason_while_it_lasts(settings, result):
    told = []
    usual = Baseline("m", {"brightness": (100.0, 1.0)})
    monitor = DriftMonitor(DriftSettings(baseline_s=100, interval_s=1), usual)
    looks, chosen = chooser(settings(), monitor=monitor, drifted=lambda changed: told.append(dict(changed.drifting)))
    levels = [100] * 30 + [200] * 30 + [100] * 100
    for at, level in enumerate(levels):
        cells = np.random.default_rng(at).permutation(np.repeat([-20, 20], 48))  # not the same again
        scene = np.kron(level + cells.reshape(8, 12, 1), np.ones((8, 8, 3))).astype(np.uint8)
        looks.look(result(at, [], scene))
    times = [one.result.frame.captured_s for one in chosen]
    assert times and 30 < times[0] < 33 and times[-1] < 105
    assert {one.reason for one in chosen} == {"drift"} and chosen[0].why["brightness"]["usual"] == 100
    assert len(told) == 2 and told[1] == {}


def test_some_at_random(settings, result):
    generator = np.random.default_rng(0)
    looks, chosen = chooser(settings(random=0.1, low_confidence=None), draw=generator.random)
    for at in range(500):
        looks.look(result(at, [(BOX, 0.9, 0)]))
    assert 30 <= len(chosen) <= 75 and {one.reason for one in chosen} == {"random"}


def test_cuttings_are_chosen_one_by_one(settings, result, picture):
    looks, chosen = chooser(settings(crops=True, max_per_hour=3))
    scene = picture(3)
    several = [(BOX, 0.4, 0), ((50, 10, 90, 60), 0.45, 1), ((0, 0, 20, 20), 0.9, 0)]
    looks.look(result(0, several, scene))
    looks.look(result(1, several, scene))
    assert [one.cuttings for one in chosen] == [(0, 1)] and looks.passed_over == Counter(alike=1)
    looks.look(result(2, several, picture(4)))
    assert chosen[1].cuttings == (0,)  # the hour's third


def test_who_has_no_room_is_asked_again_later(settings, result):
    looks, _ = chooser(settings(min_interval_s=100))
    looks.put = lambda one: False
    looks.look(result(0, UNSURE))
    assert looks.passed_over == Counter(busy=1)
    looks.put = lambda one: True
    looks.look(result(0.1, UNSURE))
    assert looks.captured == Counter(low_confidence=1)


@pytest.mark.parametrize(
    "wrong",
    [{"low_confidence": (0.5, 0.3)}, {"random": 2}, {"max_per_hour": 0}, {"min_interval_s": -1}, {"min_free_bytes": -1},
     {"low_confidence": None}],
)  # fmt: skip
def test_settings_that_make_no_sense(settings, wrong):
    with pytest.raises(ConfigError, match="capture: "):
        settings(**wrong)
