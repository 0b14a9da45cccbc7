"""Two people who meet, at many speeds, sizes and distances, one hidden behind the other for a while."""

import numpy as np
import pytest

from edgevision.pipeline.tracking import Tracker


def names_kept(seed, rate):
    """Whether each of the two has at the end the name of the beginning."""
    rng = np.random.default_rng(seed)
    meet_s, speeds = rng.uniform(2, 4), rng.uniform(30, 90, 2) * [1, -1]
    feet = np.array([300, 300 + rng.uniform(4, 25)])
    heights = 100 * rng.uniform(0.9, 1.1, 2)
    tracker, early = Tracker(), None
    for frame in range(6 * rate + 1):
        time = frame / rate
        middles = 300 + speeds * (time - meet_s)
        boxes = np.stack([middles - 0.2 * heights, feet - heights, middles + 0.2 * heights, feet], axis=1)
        found = boxes[np.array([not covered(*boxes), True]) & (rng.random(2) < 0.97)]
        noisy = found + rng.normal(0, 2, found.shape)
        tracks = tracker.update(noisy, rng.uniform(0.7, 1, len(found)), np.zeros(len(found), int), time)
        if frame == rate:
            early = named(tracks, middles)
    return np.array(early) == named(tracks, middles)


def covered(box, front):
    """Whether half of a box or more is behind another."""
    sides = np.minimum(box[2:], front[2:]) - np.maximum(box[:2], front[:2])
    return np.maximum(sides, 0).prod() >= 0.5 * (box[2:] - box[:2]).prod()


def named(tracks, middles):
    """The id of the track nearest to each place."""
    return [tracks.ids[np.abs(tracks.boxes[:, [0, 2]].mean(axis=1) - middle).argmin()] for middle in middles]


@pytest.mark.parametrize(("rate", "meetings"), [(5, 40), (10, 25), (25, 10)])
def test_they_keep_their_names(rate, meetings):
    kept = [names_kept(seed, rate) for seed in range(meetings)]
    assert np.mean(kept) >= 0.97
