"""Real people on PETS09-S2L1: as good as the figures of docs/results.md, and with other settings than ours."""

import numpy as np
import pytest

from edgevision.data.mot import NOTHING, read_mot
from edgevision.metrics.tracking import IdentifiedBoxes, tracking_metrics
from edgevision.pipeline.tracking import Tracker, TrackerSettings

# ByteTrack and SORT of the package trackers 2.6.1 on these frames; the best of the two for each.
MOTA, IDF1, SWITCHES = 0.5638, 0.6645, 6


@pytest.fixture(scope="module")
def pets09(shared_data):
    video = shared_data / "video"
    return read_mot(video / "vtest_det_mot15.txt"), read_mot(video / "vtest_gt_frames1-69.txt")


@pytest.mark.parametrize("rate", [7, 10, 25])
@pytest.mark.parametrize("changed", [{}, {"confirm_hits": 3}, {"lost_s": 2.0}, {"min_iou": 0.2}])
def test_it_is_better_than_bytetrack_and_sort_of_the_package_trackers(pets09, rate, changed):
    detected, true = pets09
    tracker = Tracker(TrackerSettings(**changed))
    truth, predicted = [], []
    for number in range(1, 70):
        found = detected.get(number, NOTHING)
        tracks = tracker.update(found.boxes, found.scores, np.zeros(len(found.scores), int), number / rate).confirmed
        truth.append(IdentifiedBoxes(true[number].ids, true[number].boxes))
        predicted.append(IdentifiedBoxes(tracks.ids, tracks.boxes))
    measured = tracking_metrics(truth, predicted)
    assert measured.clear.mota >= MOTA + 0.05
    assert measured.identity.idf1 >= IDF1
    assert measured.clear.switches <= SWITCHES
