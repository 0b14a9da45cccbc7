"""Against motmetrics, live, and against what TrackEval said of the same sequences (it would bring a second OpenCV)."""

import motmetrics
import numpy as np
import pytest

from edgevision.errors import ConfigError, InputError
from edgevision.metrics.tracking import IdentifiedBoxes, tracking_metrics
from edgevision.tasks.boxes import box_iou

TRACKEVAL_1_3_0 = {  # MOTA, MOTP, switches, fragmentations, mostly and partly tracked, IDF1, HOTA, DetA, AssA, LocA
    0: (0.700599, 0.749859, 12, 30, 5, 1, 0.540373, 0.430414, 0.584609, 0.318513, 0.792804),
    1: (0.605769, 0.746681, 8, 21, 3, 1, 0.429268, 0.366546, 0.52323, 0.258717, 0.792176),
    2: (0.63354, 0.737728, 10, 33, 4, 2, 0.545455, 0.427925, 0.55439, 0.331811, 0.781197),
    3: (0.626506, 0.74023, 19, 27, 4, 2, 0.595611, 0.459164, 0.559854, 0.379155, 0.785905),
    4: (0.540146, 0.742595, 14, 28, 2, 3, 0.521073, 0.387376, 0.508872, 0.296193, 0.787901),
    5: (0.644444, 0.74652, 12, 22, 3, 2, 0.646617, 0.474628, 0.5659, 0.399148, 0.791247),
}


def sequence(seed):
    """People who walk, are missed, found where nobody is, and renamed: (truth, predicted) of 30 frames."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 7))
    places, steps = rng.uniform(0, 200, (count, 2)), rng.normal(0, 4, (count, 2))
    names, fresh = list(range(100, 100 + count)), 200
    truth, predicted = [], []
    for _ in range(30):
        places = places + steps
        there = rng.random(count) < 0.9
        found = there & (rng.random(count) < 0.85)
        for person in np.flatnonzero(rng.random(count) < 0.05):
            names[person], fresh = fresh, fresh + 1
        if rng.random() < 0.1:
            names[0], names[1] = names[1], names[0]
        wrong = rng.uniform(0, 200, (int(rng.integers(0, 2)), 2))
        said = [name for name, yes in zip(names, found, strict=True) if yes] + [fresh] * len(wrong)
        fresh += len(wrong)
        middles = np.concatenate([(places + rng.normal(0, 4, (count, 2)))[found], wrong])
        truth.append(IdentifiedBoxes(np.flatnonzero(there), around(places[there])))
        predicted.append(IdentifiedBoxes(np.array(said, int), around(middles)))
    return truth, predicted


def around(middles):
    return np.concatenate([middles - 20, middles + 20], axis=1)


@pytest.mark.parametrize("seed", TRACKEVAL_1_3_0)
def test_figures_are_trackevals(seed):
    measured = tracking_metrics(*sequence(seed))
    clear, hota = measured.clear, measured.hota
    figures = (
        clear.mota, clear.motp, clear.switches, clear.fragmentations, clear.mostly_tracked, clear.partly_tracked,
        measured.identity.idf1, hota.hota, hota.det_a, hota.ass_a, hota.loc_a,
    )  # fmt: skip
    assert figures == pytest.approx(TRACKEVAL_1_3_0[seed], abs=1e-6)


@pytest.mark.parametrize("seed", range(6, 12))
def test_motmetrics_agrees(seed):
    truth, predicted = sequence(seed)
    count = motmetrics.MOTAccumulator(auto_id=True)
    for true, said in zip(truth, predicted, strict=True):
        distance = 1 - box_iou(true.boxes, said.boxes)
        count.update(true.ids, said.ids, np.where(distance <= 0.5, distance, np.nan))
    names = ["mota", "idf1", "idp", "idr", "num_switches", "num_misses", "num_false_positives"]
    theirs = motmetrics.metrics.create().compute(count, metrics=names, name="them").loc["them"]
    ours = tracking_metrics(truth, predicted)
    clear, identity = ours.clear, ours.identity
    figures = (
        clear.mota, identity.idf1, identity.idp, identity.idr, clear.switches, clear.misses, clear.false_positives
    )  # fmt: skip
    assert figures == pytest.approx(tuple(theirs[name] for name in names), abs=1e-9)


def test_the_truth_itself_is_perfect():
    truth, _ = sequence(0)
    measured = tracking_metrics(truth, truth)
    assert (measured.clear.mota, measured.identity.idf1, measured.clear.switches) == (1, 1, 0)
    assert (measured.hota.hota, measured.hota.loc_a) == pytest.approx((1, 1))


def test_one_exchange_of_names_costs_identity_but_hardly_mota():
    boxes = around(np.array([[0.0, 0], [100, 100]]))
    truth = [IdentifiedBoxes(np.array([1, 2]), boxes)] * 10
    exchanged = [IdentifiedBoxes(np.array([1, 2] if frame < 5 else [2, 1]), boxes) for frame in range(10)]
    measured = tracking_metrics(truth, exchanged)
    assert (measured.clear.switches, measured.clear.mota) == (2, pytest.approx(0.9))
    assert measured.identity.idf1 == pytest.approx(0.5)
    assert (measured.hota.det_a, measured.hota.ass_a) == pytest.approx((1, 1 / 3))


def test_nothing_there_and_nothing_said():
    nothing = IdentifiedBoxes(np.empty(0, int), np.empty((0, 4)))
    something = IdentifiedBoxes(np.array([1]), around(np.array([[0.0, 0]])))
    assert tracking_metrics([], []).clear.mota == 0
    assert tracking_metrics([nothing], [something]).clear.false_positives == 1
    measured = tracking_metrics([something], [nothing])
    assert (measured.clear.misses, measured.clear.mota, measured.identity.idf1, measured.hota.hota) == (1, 0, 0, 0)


def test_what_makes_no_sense_is_refused():
    box = around(np.array([[0.0, 0]]))
    with pytest.raises(InputError, match="twice"):
        IdentifiedBoxes(np.array([1, 1]), np.concatenate([box, box]))
    with pytest.raises(InputError, match=r"\[N\] and \[N, 4\]"):
        IdentifiedBoxes(np.array([1, 2]), box)
    frame = IdentifiedBoxes(np.array([1]), box)
    with pytest.raises(InputError, match="predicted frames"):
        tracking_metrics([frame], [])
    with pytest.raises(ConfigError, match="min_iou"):
        tracking_metrics([frame], [frame], min_iou=0)
