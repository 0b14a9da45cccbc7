"""Tracks as a tracker would give them, placed by hand."""

import numpy as np
import pytest

from edgevision.pipeline.rules import Scene
from edgevision.pipeline.tracking import CONFIRMED, Tracks

WALL_S = 1_795_000_000.0  # some day in 2026


@pytest.fixture(scope="session")
def place():
    """place(time_s, {id: (x, y)}, states={id: state}, class_ids={id: class}, velocities={id: (x, y)}) -> Tracks.

    x and y are the anchor: the middle of the lower edge of a box 40 wide and 100 high.
    """

    def place(time_s, anchors, states=None, class_ids=None, velocities=None):
        count = len(anchors)
        feet = np.array(list(anchors.values()), float).reshape(count, 2)
        return Tracks(
            time_s=time_s,
            ids=np.array(list(anchors), np.int64),
            boxes=np.concatenate([feet - [20, 100], feet + np.array([20, 0])], axis=1),
            velocities=np.array([(velocities or {}).get(key, (0, 0)) for key in anchors], float).reshape(count, 2),
            scores=np.full(count, 0.9),
            class_ids=np.array([(class_ids or {}).get(key, 0) for key in anchors], np.int64),
            states=np.array([(states or {}).get(key, CONFIRMED) for key in anchors], np.int8),
            first_s=np.zeros(count),
            seen_s=np.full(count, time_s),
            detections=np.arange(count),
        )

    return place


@pytest.fixture(scope="session")
def scene(place):
    """scene(time_s, {id: (x, y)}, wall_s=…, identified=…, …) -> Scene; its wall clock follows time_s unless told."""

    def scene(time_s, anchors, *, wall_s=None, identified=None, **more):
        wall = WALL_S + time_s if wall_s is None else wall_s
        return Scene(place(time_s, anchors, **more), wall, identified or {})

    return scene
