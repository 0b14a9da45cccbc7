import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.rules import CountRule, Identities, ZoneRule
from edgevision.pipeline.tracking import CONFIRMED, LOST, TENTATIVE

SQUARE = [(100, 100), (300, 100), (300, 300), (100, 300)]
IN, OUT = (200, 200), (500, 200)


def phases(changes):
    return [(change.phase, change.track_id, change.time_s) for change in changes]


def test_who_stays_for_the_dwell_is_an_event_from_when_they_came(scene):
    rule = ZoneRule("yard", SQUARE, dwell_s=1.0, inertia_s=0.5)
    seen = [rule.update(scene(0.1 * step, {7: IN})) for step in range(15)]
    assert [step for step, changes in enumerate(seen) if changes] == [10]
    assert phases(seen[10]) == [("start", 7, 0.0)] and rule.present == 1
    assert seen[10][0].data == {"count": 1}
    gone = [change for step in range(15, 30) for change in rule.update(scene(0.1 * step, {7: OUT}))]
    assert phases(gone) == [("end", 7, pytest.approx(1.4))]
    assert gone[0].data == {"duration_s": pytest.approx(1.4), "count": 0} and rule.present == 0


@pytest.mark.parametrize(("inertia_s", "last_s", "first_s"), [(0.5, 2.9, 3.2), (5.0, 5.9, 6.2)])
def test_where_no_frame_comes_an_event_ends_when_the_next_frame_would_end_it(scene, inertia_s, last_s, first_s):
    rule = ZoneRule("yard", SQUARE, dwell_s=0.5, inertia_s=inertia_s)
    for step in range(11):
        rule.update(scene(0.1 * step, {7: IN}))
    assert rule.overdue(last_s) == [] and rule.present == 1
    assert phases(rule.overdue(first_s)) == [("end", 7, pytest.approx(1.0))]
    assert rule.overdue(first_s + 1) == [] == rule.update(scene(first_s + 2, {7: IN}))
    assert phases(rule.update(scene(first_s + 2.6, {7: IN}))) == [("start", 7, first_s + 2)]


def test_a_count_of_nobody_is_not_told_of_a_camera_without_frames(scene):
    rule = CountRule("empty", SQUARE, at_most=0, dwell_s=0.5)
    rule.update(scene(0.0, {7: IN}))
    assert rule.overdue(100.0) == []


def test_who_only_passes_is_none(scene):
    rule = ZoneRule("yard", SQUARE, dwell_s=1.0, inertia_s=0.5)
    for step in range(40):
        assert rule.update(scene(0.1 * step, {7: IN if 10 <= step < 18 else OUT})) == []


def test_a_flickering_detection_is_one_event(scene):
    rule = ZoneRule("yard", SQUARE, dwell_s=1.0, inertia_s=0.5)
    said = []
    for step in range(100):
        states = {7: CONFIRMED if step % 5 else LOST}
        said += rule.update(scene(0.1 * step, {7: IN} if step % 7 else {}, states=states))
    assert [change.phase for change in said] == ["start"]


def test_a_flickering_id_is_one_event_under_lasting_names(scene, place):
    """Ninety ids for one person who stands there: one name."""
    rule, names, said = ZoneRule("yard", SQUARE, dwell_s=1.0), Identities(), []
    for step in range(180):
        tracks = names.update(place(0.1 * step, {step // 2 + 1: (200 + step % 3, 200)}))
        said += rule.update(scene(0.1 * step, dict(zip(tracks.ids.tolist(), tracks.anchors.tolist(), strict=True))))
    assert [(change.phase, change.track_id) for change in said] == [("start", 1)]


def test_unconfirmed_ids_are_nobody(scene):
    rule = ZoneRule("yard", SQUARE, dwell_s=0.0)
    assert rule.update(scene(0.0, {1: IN, 2: IN}, states={1: TENTATIVE, 2: LOST})) == []
    assert phases(rule.update(scene(0.1, {1: IN, 2: IN}, states={1: TENTATIVE}))) == [("start", 2, 0.1)]


def test_a_box_that_trembles_on_the_edge_stays_in(scene):
    rule = ZoneRule("yard", SQUARE, dwell_s=0.0, inertia_s=0.0, margin_px=6)
    said = [c for step in range(40) for c in rule.update(scene(0.1 * step, {1: (300 + (-5 if step % 2 else 5), 200)}))]
    assert [change.phase for change in said] == ["start"]
    assert [change.phase for change in rule.update(scene(4.0, {1: (307, 200)}))] == ["end"]
    trembling = ZoneRule("yard", SQUARE, dwell_s=0.0, inertia_s=0.0)
    said = [c for step in range(40) for c in trembling.update(scene(0.1 * step, {1: (300 + (-5) ** (step % 2), 200)}))]
    assert len(said) > 20


def test_the_feet_are_what_counts(scene):
    rule = ZoneRule("yard", SQUARE, dwell_s=0.0)
    assert rule.update(scene(0.0, {1: (200, 310)})) == []  # the body is over the zone, the feet are below it


def test_only_the_classes_asked_for(scene):
    rule = ZoneRule("yard", SQUARE, dwell_s=0.0, classes=[2])
    (change,) = rule.update(scene(0.0, {1: IN, 2: IN}, class_ids={1: 0, 2: 2}))
    assert (change.track_id, change.class_id) == (2, 2)


def test_after_a_gap_it_is_another_event(scene):
    rule = ZoneRule("yard", SQUARE, dwell_s=0.0, inertia_s=0.5)
    rule.update(scene(0.0, {1: IN}))
    changes = rule.update(scene(60.0, {1: IN}))
    assert phases(changes) == [("end", 1, 0.0), ("start", 1, 60.0)]


def test_the_wall_clock_does_not_matter(scene):
    rule = ZoneRule("yard", SQUARE, dwell_s=1.0)
    said = []
    for step in range(12):
        said += rule.update(scene(0.1 * step, {1: IN}, wall_s=1e9 - 3600 * step))  # it is set back an hour each time
    assert [change.phase for change in said] == ["start"]


def test_loitering_is_a_long_dwell_that_short_absences_do_not_reset(scene):
    rule = ZoneRule("shop", SQUARE, dwell_s=30, inertia_s=5, kind="loitering")
    said = []
    for step in range(400):
        away = step % 100 > 80  # two seconds in ten
        said += rule.update(scene(0.1 * step, {3: OUT if away else IN}))
    assert [(change.kind, change.phase) for change in said] == [("loitering", "start")]
    assert said[0].time_s == 0.0


def test_closing_ends_what_is_open(scene):
    rule = ZoneRule("yard", SQUARE, dwell_s=0.0)
    rule.update(scene(0.0, {1: IN, 2: IN}))
    assert phases(rule.close(5.0)) == [("end", 1, 0.0), ("end", 2, 0.0)]
    assert rule.close(6.0) == [] and rule.present == 0


def test_a_count_starts_changes_and_ends(scene):
    rule = CountRule("queue", SQUARE, at_least=2, dwell_s=0.5, inertia_s=0.5)
    numbers = [1] * 5 + [2] * 10 + [3] * 5 + [1] * 3 + [2] * 5 + [1] * 10
    said = []
    for step, number in enumerate(numbers):
        said += rule.update(scene(0.1 * step, dict.fromkeys(range(number), IN)))
    assert [(change.phase, change.data.get("count")) for change in said] == [
        ("start", 2), ("update", 3), ("update", 2), ("end", None),
    ]  # fmt: skip
    assert said[0].time_s == pytest.approx(0.5)
    assert said[-1].data["duration_s"] == pytest.approx(2.2)


def test_nobody_there_can_be_the_event(scene):
    rule = CountRule("desk", SQUARE, at_most=0, dwell_s=2.0)
    said = [change for step in range(30) for change in rule.update(scene(0.1 * step, {}))]
    assert [(change.phase, change.data) for change in said] == [("start", {"count": 0})]


@pytest.mark.parametrize(
    "wrong",
    [
        {"dwell_s": -1},
        {"inertia_s": float("inf")},
        {"margin_px": -1},
        {"margin_px": float("nan")},
        {"kind": "lingering"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigError, match="yard"):
        ZoneRule("yard", SQUARE, **wrong)
    with pytest.raises(ConfigError, match="at_least"):
        CountRule("yard", SQUARE)
    for least, most in ((5, 2), (-1, None), (None, -1)):
        with pytest.raises(ConfigError, match="0 ≤ at_least ≤ at_most"):
            CountRule("yard", SQUARE, at_least=least, at_most=most)
