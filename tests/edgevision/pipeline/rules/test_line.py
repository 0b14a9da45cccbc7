import numpy as np
import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.rules import Identities, LineRule
from edgevision.pipeline.tracking import CONFIRMED, LOST, Tracker

START, END = (200, 300), (200, 100)  # upwards: right of it is x > 200


def walk(rule, scene, way, states=None):
    """Show a way, a place every 0.1 s (None: not seen); return the directions of the crossings."""
    said = []
    for step, place in enumerate(way):
        state = LOST if place is None else CONFIRMED
        said += rule.update(scene(0.1 * step, {1: place or (0, 0)}, states={1: state}))
    return [change.data["direction"] for change in said]


def test_directions(scene):
    rule = LineRule("gate", START, END)
    there = [(x, 200) for x in range(150, 260, 10)]
    assert walk(rule, scene, there) == ["in"]
    assert walk(LineRule("gate", START, END), scene, there[::-1]) == ["out"]
    assert walk(LineRule("gate", END, START), scene, there) == ["out"]
    assert rule.counts == {"in": 1, "out": 0}


def test_only_the_direction_asked_for_is_told_but_both_are_counted(scene):
    rule = LineRule("gate", START, END, direction="out")
    there = [(x, 200) for x in range(150, 260, 10)]
    assert walk(rule, scene, [*there, *there[::-1]]) == ["out"]
    assert rule.counts == {"in": 1, "out": 1}


def test_who_sways_on_the_line_is_counted_once(scene):
    rng = np.random.default_rng(0)
    sway = [(200 + 4 * float(rng.uniform(-1, 1)), 200) for _ in range(500)]
    rule = LineRule("gate", START, END, margin_px=5)
    assert walk(rule, scene, [(150, 200), *sway, (250, 200)]) == ["in"]
    rule = LineRule("gate", START, END, margin_px=5)
    assert walk(rule, scene, [(150, 200), *sway, (150, 200)]) == []


def test_who_walks_round_its_end_has_not_crossed_it(scene):
    assert walk(LineRule("gate", START, END), scene, [(150, 200), (150, 350), (250, 350), (250, 200)]) == []
    assert walk(LineRule("gate", START, END), scene, [(150, 200), (150, 350), (250, 350), (250, 200), (150, 200)]) == [
        "out"
    ]


def test_a_stop_exactly_on_the_line(scene):
    assert walk(LineRule("gate", START, END), scene, [(150, 200), (200, 200), (200, 190), (250, 190)]) == ["in"]
    assert walk(LineRule("gate", START, END), scene, [(150, 200), (200, 200), (150, 190), (140, 190)]) == []
    assert walk(LineRule("gate", START, END, margin_px=0), scene, [(150, 200), (200, 200), (250, 190)]) == ["in"]


def test_who_is_first_seen_on_it_comes_from_nowhere(scene):
    assert walk(LineRule("gate", START, END), scene, [(200, 200), (203, 200), (250, 200)]) == []


def test_a_gap_on_the_way_loses_nobody(scene):
    assert walk(LineRule("gate", START, END), scene, [(150, 200), (180, 200), None, None, (220, 200)]) == ["in"]
    assert walk(LineRule("gate", START, END), scene, [(150, 200), *[None] * 150, (220, 200)]) == []


def test_ninety_ids_for_one_person_are_one_crossing(scene, place):
    rule, names = LineRule("gate", START, END), Identities()
    for step in range(90):
        tracks = names.update(place(0.1 * step, {step + 1: (110 + 2 * step, 200)}))
        rule.update(scene(0.1 * step, dict(zip(tracks.ids.tolist(), tracks.anchors.tolist(), strict=True))))
    assert rule.counts == {"in": 1, "out": 0}


@pytest.mark.parametrize("missed", [0.0, 0.1, 0.3])
def test_six_people_tracked_and_counted(missed):
    """Through the tracker: noise, misses and two directions; whoever passes is counted once."""
    from edgevision.pipeline.rules import Scene

    rng = np.random.default_rng(5)
    tracker, names, rule = Tracker(), Identities(), LineRule("gate", (400, 600), (400, 0))
    for frame in range(300):
        time = frame / 10
        x = np.array([0.0, -150, -300, 800, 950, 1100]) + np.array([50, 50, 50, -60, -60, -60]) * time
        feet = np.stack([x, np.array([150.0, 250, 350, 200, 300, 450])], axis=1) + rng.normal(0, 1.5, (6, 2))
        boxes = np.concatenate([feet - [20, 90], feet + np.array([20, 0])], axis=1)
        found = boxes[rng.random(6) >= missed]
        tracks = tracker.update(found, np.full(len(found), 0.9), np.zeros(len(found), int), time)
        rule.update(Scene(names.update(tracks), 0.0))
    assert rule.counts == {"in": 3, "out": 3}


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match=r"did you mean|allowed: both"):
        LineRule("gate", START, END, direction="inn")
    with pytest.raises(ConfigError, match="margin_px"):
        LineRule("gate", START, END, margin_px=-1)
    with pytest.raises(ConfigError, match="gate"):
        LineRule("gate", START, START)
