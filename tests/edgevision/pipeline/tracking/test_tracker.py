import dataclasses

import numpy as np
import pytest

from edgevision.errors import ConfigError, InputError
from edgevision.pipeline.tracking import CONFIRMED, LOST, TENTATIVE, Tracker, TrackerSettings


def see(tracker, time_s, *boxes, scores=None, class_ids=None):
    """Show the tracker some boxes, of score 0.9 and class 0 unless said otherwise."""
    count = len(boxes)
    array = np.array(boxes, np.float32).reshape(count, 4)
    return tracker.update(array, np.array(scores or [0.9] * count), np.array(class_ids or [0] * count, int), time_s)


def person(x, y=100.0):
    """A box 40 wide and 100 high whose middle is at x, y."""
    return [x - 20, y - 50, x + 20, y + 50]


def test_a_track_is_tentative_then_confirmed_then_lost_then_gone():
    tracker = Tracker(TrackerSettings(confirm_hits=3, lost_s=0.5))
    states = [see(tracker, 0.1 * frame, person(100)).states.tolist() for frame in range(4)]
    assert states == [[TENTATIVE], [TENTATIVE], [CONFIRMED], [CONFIRMED]]
    lost = see(tracker, 0.4)
    assert lost.states.tolist() == [LOST] and lost.detections.tolist() == [-1]
    assert lost.seen_s.tolist() == pytest.approx([0.3]) and lost.first_s.tolist() == [0]
    assert len(lost.confirmed) == 0
    back = see(tracker, 0.7, person(102))
    assert back.ids.tolist() == [1] and back.states.tolist() == [CONFIRMED]
    assert len(see(tracker, 1.1)) == 1
    assert len(see(tracker, 1.3)) == 0


def test_a_tentative_track_that_is_missed_is_gone():
    tracker = Tracker(TrackerSettings(confirm_hits=3))
    see(tracker, 0.0, person(100))
    assert len(see(tracker, 0.1)) == 0
    assert see(tracker, 0.2, person(100)).ids.tolist() == [2]


def test_ids_are_never_given_twice():
    tracker = Tracker(TrackerSettings(lost_s=0.1))
    seen = [tuple(see(tracker, float(frame), person(100)).ids.tolist()) for frame in range(5)]
    assert seen == [(1,), (2,), (3,), (4,), (5,)]


def test_two_who_cross_keep_their_names():
    for rate in (5, 10, 30):
        tracker = Tracker()
        for frame in range(4 * rate + 1):
            time = frame / rate
            tracks = see(tracker, time, person(100 + 60 * time, 100), person(340 - 60 * time, 130))
        right_going = tracks.ids[np.argmax(tracks.boxes[:, 0])]
        assert sorted(tracks.ids.tolist()) == [1, 2] and right_going == 1, rate
        assert tracks.velocities[tracks.ids == 1][0] == pytest.approx([60, 0], abs=6)


@pytest.mark.parametrize("rate", [5, 10, 25])
def test_who_is_hidden_behind_another_comes_out_with_the_same_name(rate):
    """One walks behind one who stands: while they overlap much, the detector finds the one in front alone."""
    tracker = Tracker()
    for frame in range(5 * rate + 1):
        time = frame / rate
        walker = 60 + 70 * time
        boxes = [person(235)] + ([person(walker, 96)] if abs(walker - 235) > 25 else [])
        tracks = see(tracker, time, *boxes)
    assert dict(zip(tracks.ids.tolist(), tracks.states.tolist(), strict=True)) == {1: CONFIRMED, 2: CONFIRMED}
    assert tracks.boxes[tracks.ids == 2][0, 0] > 350


def test_low_scores_prolong_a_track_and_begin_none():
    tracker = Tracker()
    for frame in range(3):
        see(tracker, 0.1 * frame, person(100))
    tracks = see(tracker, 0.3, person(101), person(500), scores=[0.3, 0.3])
    assert tracks.ids.tolist() == [1] and tracks.states.tolist() == [CONFIRMED]
    assert tracks.scores.tolist() == [0.3]
    assert see(tracker, 0.4, person(101), scores=[0.05]).states.tolist() == [LOST]


def test_a_low_score_does_not_take_the_detection_of_a_high_one():
    tracker = Tracker()
    for frame in range(3):
        see(tracker, 0.1 * frame, person(100))
    tracks = see(tracker, 0.3, person(100), person(104), scores=[0.4, 0.9])
    assert tracks.detections.tolist() == [1]


def test_other_classes_are_other_tracks_unless_told_otherwise():
    tracker = Tracker()
    for frame in range(3):
        see(tracker, 0.1 * frame, person(100), class_ids=[2])
    tracks = see(tracker, 0.3, person(100), class_ids=[7])
    assert sorted(zip(tracks.class_ids.tolist(), tracks.states.tolist(), strict=True)) == [(2, LOST), (7, TENTATIVE)]


def test_a_class_agnostic_track_has_the_class_that_most_speaks_for():
    tracker = Tracker(TrackerSettings(class_agnostic=True))
    classes = [2, 2, 7, 2, 2, 7]
    for frame, number in enumerate(classes):
        tracks = see(tracker, 0.1 * frame, person(100), class_ids=[number])
        assert tracks.class_ids.tolist() == [2]
    for frame in range(6, 12):
        tracks = see(tracker, 0.1 * frame, person(100), class_ids=[7])
    assert tracks.ids.tolist() == [1] and tracks.class_ids.tolist() == [7]


def test_small_and_fast_ones_are_followed_though_their_boxes_do_not_overlap():
    tracker = Tracker()
    for frame in range(8):
        x = 100 + 30.0 * frame  # 150 pixels a second, and the box is 24 wide
        tracks = see(tracker, 0.2 * frame, [x, 100, x + 24, 124])
    assert tracks.ids.tolist() == [1] and tracks.states.tolist() == [CONFIRMED]


def test_dropped_frames_change_no_name():
    tracker, rng = Tracker(), np.random.default_rng(0)
    times = np.cumsum(rng.choice([0.033, 0.066, 0.2, 0.5], 60))
    for time in times:
        x = 100 + 40 * time
        tracks = see(tracker, float(time), person(x), person(x + 90))
    assert tracks.ids.tolist() == [1, 2]


def test_after_a_gap_nothing_of_the_past_is_believed():
    tracker = Tracker(TrackerSettings(lost_s=1.0))
    for frame in range(3):
        see(tracker, 0.1 * frame, person(100))
    tracks = see(tracker, 60.0, person(100))
    assert tracks.ids.tolist() == [2] and tracks.states.tolist() == [TENTATIVE]


def test_what_it_gives_is_the_readers_own():
    tracker = Tracker()
    for frame in range(3):
        tracks = see(tracker, 0.1 * frame, person(100))
    for field in dataclasses.fields(tracks):
        if field.name != "time_s":
            getattr(tracks, field.name)[:] = 0
    assert see(tracker, 0.3, person(100)).ids.tolist() == [1]


def test_anchors_are_where_feet_are():
    assert see(Tracker(), 0.0, [10, 20, 30, 80]).anchors.tolist() == [[20, 80]]


def test_nothing_seen_yet_and_boxes_without_area():
    tracker = Tracker()
    assert len(see(tracker, 0.0)) == 0
    assert len(see(tracker, 0.1, [10, 10, 10, 50], [30, 30, 20, 50])) == 0


@pytest.mark.parametrize(
    ("boxes", "scores", "class_ids"),
    [
        (np.zeros((2, 4)), np.zeros(1), np.zeros(2, int)),
        (np.zeros((2, 5)), np.zeros(2), np.zeros(2, int)),
        (np.full((1, 4), np.nan), np.ones(1), np.zeros(1, int)),
        (np.ones((1, 4)), np.array([np.inf]), np.zeros(1, int)),
        (np.ones((1, 4)), np.ones(1), np.zeros(1)),
    ],
)
def test_detections_that_make_no_sense_are_refused(boxes, scores, class_ids):
    with pytest.raises(InputError, match="tracker"):
        Tracker().update(boxes, scores, class_ids, 0.0)


@pytest.mark.parametrize("second", [1.0, 0.5, float("nan"), float("inf")])
def test_time_that_does_not_advance_is_refused_and_changes_nothing(second):
    tracker = Tracker()
    see(tracker, 1.0, person(100))
    with pytest.raises(InputError, match="monotonic"):
        see(tracker, second, person(100))
    assert see(tracker, 1.1, person(100)).states.tolist() == [CONFIRMED]


@pytest.mark.parametrize(
    "wrong",
    [{"low_score": 0.7}, {"high_score": 1.5}, {"min_iou": 0}, {"confirm_hits": 0}, {"lost_s": -1}, {"lost_s": np.nan}],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError, match="tracker"):
        TrackerSettings(**wrong)
