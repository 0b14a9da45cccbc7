"""Whose turn it is, and what is known after several looks."""

import numpy as np
import pytest

from edgevision.pipeline.second import SecondStage
from edgevision.pipeline.second.looks import Answer, StageLooks
from edgevision.pipeline.tracking import LOST

STEP = 0.25


def stage(tmp_path="model", **settings):
    return SecondStage("sign", "classify", tmp_path, **{"refresh_s": 5.0, **settings})


def judge(mean):
    best = int(mean.argmax())
    return ("stop" if best else "60") if mean[best] >= 0.5 else None, float(mean[best])


def good(row):
    return 10.0


def looked(looks, tracks, evidence=(0.1, 0.9), quality=10.0):
    """Look at whoever is chosen; return their ids."""
    chosen = looks.choose(tracks, lambda row: quality)
    ids = [int(tracks.ids[row]) for row, _ in chosen]
    looks.begun(ids, tracks.time_s)
    looks.take([Answer(one, None if evidence is None else np.array(evidence), quality, tracks.time_s) for one in ids])
    return ids


def test_once_and_again_after_a_while(place):
    looks, seen = StageLooks(stage(looks=2, refresh_s=3.0), judge), []
    for step in range(40):
        if looked(looks, place(step * STEP, {1: (0, 0)})):
            seen.append(step * STEP)
    assert seen == [0.0, 0.25, 3.25, 6.25, 9.25]
    assert looks.looked == 5 and looks.attributes()[1].looks == 5
    never = StageLooks(stage(refresh_s=None), judge)
    assert sum(len(looked(never, place(step * STEP, {1: (0, 0)}))) for step in range(40)) == 1


def test_again_when_the_crop_is_much_better(place):
    looks = StageLooks(stage(), judge)
    qualities = [10, 12, 14, 16, 16, 20, 25, 25]
    seen = [bool(looked(looks, place(step * STEP, {1: (0, 0)}), quality=one)) for step, one in enumerate(qualities)]
    assert seen == [True, False, False, True, False, False, True, False]


def test_looks_are_averaged_by_their_quality(place):
    looks = StageLooks(stage(looks=9), judge)
    looked(looks, place(0, {1: (0, 0)}), (0.9, 0.1), quality=10)
    assert looks.attributes()[1].label == "60"
    looked(looks, place(1, {1: (0, 0)}), (0.3, 0.7), quality=30)
    found = looks.attributes()[1]
    assert (found.label, found.looks, found.seen_s) == ("stop", 2, 1) and found.score == pytest.approx(0.55)
    looks.begun([1], 2)
    assert looks.take([Answer(1, np.array([0.2, 0.8]), 10, 2.0)]) == set()
    looks.begun([1], 3)
    assert looks.take([Answer(1, np.array([1.0, 0.0]), 300, 3.0)]) == {1}


def test_those_without_a_look_come_first_and_a_batch_has_an_end(place):
    looks = StageLooks(stage(max_batch=2, refresh_s=1.0), judge)
    assert looked(looks, place(0, {1: (0, 0), 2: (9, 0), 3: (18, 0)})) == [1, 2]
    assert looks.skipped == {"batch full": 1}
    assert looked(looks, place(0.04, {1: (0, 0), 2: (9, 0), 3: (18, 0), 4: (27, 0)})) == [3, 4]
    assert looked(looks, place(1.05, {1: (0, 0), 2: (9, 0), 3: (18, 0), 5: (36, 0)})) == [5, 1]


def test_nobody_is_looked_at_who_need_not_be(place):
    looks = StageLooks(stage(classes=frozenset([1])), judge)
    tracks = place(0, {1: (0, 0), 2: (9, 0), 3: (18, 0)}, class_ids={1: 1, 2: 0, 3: 1}, states={3: LOST})
    assert [row for row, _ in looks.choose(tracks, good)] == [0]
    looks.begun([1], 0)
    assert looks.choose(place(9, {1: (0, 0)}, class_ids={1: 1}), good) == []  # its look is under way
    looks.dropped([1], "too old")
    assert looks.skipped == {"too old": 1} and len(looks.choose(place(10, {1: (0, 0)}, class_ids={1: 1}), good)) == 1


def test_a_crop_that_is_not_worth_it_is_counted_and_tried_again(place):
    looks = StageLooks(stage(), judge)
    assert looks.choose(place(0, {1: (0, 0)}), lambda row: "small") == []
    assert looks.choose(place(0.05, {1: (0, 0)}), good) == []  # not at once
    assert len(looks.choose(place(0.3, {1: (0, 0)}), good)) == 1
    assert looks.skipped == {"small": 1}


def test_where_nothing_is_found_it_is_tried_less_and_less_often(place):
    looks, seen = StageLooks(stage(refresh_s=4.0), judge), []
    for step in range(100):
        if looked(looks, place(step * 0.2, {1: (0, 0)}), evidence=None):
            seen.append(round(step * 0.2, 1))
    gaps = np.diff(seen)
    assert (np.diff(gaps) > -0.25).all() and gaps.max() <= 4.2 and len(seen) <= 10
    assert looks.skipped["nothing found"] == len(seen) and looks.attributes() == {}


def test_who_is_long_gone_is_forgotten(place):
    looks = StageLooks(stage(), judge)
    for step in range(100):
        looked(looks, place(step * 10.0, {step: (0, 0)}))
    assert len(looks.attributes()) < 6
    assert looks.take([Answer(1, np.array([1.0, 0]), 1.0, 0.0)]) == set()


@pytest.mark.parametrize(("refresh_s", "apart"), [(5.0, 5.0), (None, 60.0)])
def test_whoever_shows_no_face_for_hours_is_looked_at_seldom_and_costs_nothing_else(place, refresh_s, apart):
    looks, seen = StageLooks(stage(refresh_s=refresh_s), judge), []
    for step in range(1100):
        if looked(looks, place(step * apart, {1: (0, 0)}), evidence=None):
            seen.append(step)
    assert seen == list(range(1100)) and looks.skipped == {"nothing found": 1100}
    assert looked(looks, place(1099 * apart + 1, {1: (0, 0)}), evidence=None) == []
