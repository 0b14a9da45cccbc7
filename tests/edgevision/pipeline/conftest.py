"""Tracks as a tracker would give them, placed by hand; and a disk that is soon full."""

import os
import subprocess

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


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True) if os.geteuid() == 0 else None
    if done is None or done.returncode:
        pytest.skip("a small disk needs root and the right to mount: " + (done.stderr.strip() if done else "not root"))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="session")
def fill():
    """fill(path): write a file until there is no more room."""

    def fill(path):
        with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"x" * 512)

    return fill
