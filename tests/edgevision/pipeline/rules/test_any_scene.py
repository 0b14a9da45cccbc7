"""Whatever a detector and a clock may do: what holds for tracks, names and the changes that rules tell."""

import numpy as np
import pytest

from edgevision.pipeline.rules import (
    END,
    START,
    UPDATE,
    Attribute,
    Attributed,
    CountRule,
    Ground,
    Identities,
    KnownFaceRule,
    LineRule,
    Scene,
    SpeedRule,
    UnknownFaceRule,
    ZoneRule,
)
from edgevision.pipeline.tracking import Tracker, TrackerSettings

TRIANGLE = [(0, 0), (300, 0), (300, 300)]


def frames(rng, count=150):
    """Boxes of any size and place, some without an area, at times that creep, run and jump."""
    time_s = 0.0
    for _ in range(count):
        time_s += float(rng.choice([1e-6, 0.04, 0.5, 5.0], p=[0.1, 0.8, 0.08, 0.02]))
        found, scale = int(rng.integers(0, 12)), 10.0 ** rng.integers(-2, 6)
        corners = rng.uniform(-1, 1, (found, 2)) * scale
        boxes = np.concatenate([corners, corners + rng.uniform(-0.1, 1, (found, 2)) * scale], axis=1)
        yield time_s, boxes.astype(np.float32), rng.random(found).astype(np.float32), rng.integers(0, 3, found)


@pytest.mark.parametrize("seed", range(8))
def test_changes_are_in_order_and_what_starts_ends_once(seed):
    rng = np.random.default_rng(seed)
    lost_s, hits = float(rng.choice([0, 0.3, 2])), int(rng.integers(1, 4))
    tracker = Tracker(TrackerSettings(class_agnostic=bool(seed % 2), confirm_hits=hits, lost_s=lost_s))
    names, open_since = Identities(), {}
    rules = [
        ZoneRule("zone", TRIANGLE, margin_px=3),
        LineRule("line", (100, 0), (100, 500)),
        CountRule("count", TRIANGLE, at_least=2),
        SpeedRule("speed", Ground(np.array([[0.01, 0, 0], [0, 0.01, 0], [0, 0.001, 1]])), above_kmh=3),
        UnknownFaceRule("face"),
        KnownFaceRule("friend"),
        Attributed(ZoneRule("hers", TRIANGLE, dwell_s=0.2), "faces", ["Ada"]),
    ]

    def check(change, time_s):
        key = change.rule, change.key
        assert change.time_s <= time_s
        if change.phase == START:
            assert key not in open_since
            open_since[key] = change.time_s
        elif change.phase == UPDATE:
            assert key in open_since
        elif change.phase == END:
            assert change.time_s >= open_since.pop(key)

    for time_s, boxes, scores, classes in frames(rng):
        tracks = tracker.update(boxes, scores, classes, time_s)
        assert np.isfinite(tracks.boxes).all() and np.isfinite(tracks.velocities).all()
        assert (tracks.boxes[:, 2:] > tracks.boxes[:, :2]).all()
        named = names.update(tracks)
        for ids in (tracks.ids.tolist(), named.ids.tolist()):
            assert len(set(ids)) == len(ids)
        said = {"faces": Attribute([None, "Ada"][int(rng.integers(2))], rng.random(), int(rng.integers(1, 5)), time_s)}
        scene = Scene(named, rng.uniform(0, 2e9), dict.fromkeys(named.ids.tolist()[::2], said))
        for rule in rules:
            for change in rule.update(scene):
                check(change, time_s)
    for rule in rules:
        for change in rule.close(time_s):
            check(change, time_s)
    assert not open_since
