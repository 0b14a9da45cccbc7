"""Our tracker beside ByteTrack and SORT of the package `trackers`: agreement with the truth, and milliseconds.

    python benchmarks/tracking.py VIDEO_FOLDER [--json]

It needs a Python that has both (`make proof ARGS=tracking` makes one). All three get the same detections; times are
taken in turns, frame by frame, in one process and in random order.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import supervision
from trackers import ByteTrackTracker, SORTTracker

from edgevision.data.mot import NOTHING, MotFrame, read_mot
from edgevision.metrics.tracking import IdentifiedBoxes, tracking_metrics
from edgevision.pipeline.tracking import Tracker, TrackerSettings

RATE = 10.0  # frames a second of vtest.avi
Update = Callable[[MotFrame, float], IdentifiedBoxes]
SETTINGS = (
    {"confirm_hits": 1}, {"confirm_hits": 3}, {"min_iou": 0.2}, {"min_iou": 0.3}, {"lost_s": 0.5}, {"lost_s": 2.0},
    {"high_score": 0.5}, {"high_score": 0.7},
)  # fmt: skip


def ours(settings: dict[str, float] | None = None) -> Update:
    tracker = Tracker(TrackerSettings(**(settings or {})))

    def update(frame: MotFrame, now: float) -> IdentifiedBoxes:
        seen = tracker.update(frame.boxes, frame.scores, np.zeros(len(frame.scores), np.int64), now).confirmed
        return IdentifiedBoxes(seen.ids, seen.boxes)

    return update


def theirs(kind: type) -> Update:
    tracker = kind(frame_rate=RATE)

    def update(frame: MotFrame, _: float) -> IdentifiedBoxes:
        classes = np.zeros(len(frame.scores), np.int64)
        found = supervision.Detections(xyxy=frame.boxes, confidence=frame.scores, class_id=classes)
        seen = tracker.update(found)
        known = seen.tracker_id != -1
        return IdentifiedBoxes(seen.tracker_id[known], seen.xyxy[known])

    return update


TRACKERS: dict[str, Callable[[], Update]] = {
    "edgevision": ours,
    "trackers, ByteTrack": lambda: theirs(ByteTrackTracker),
    "trackers, SORT": lambda: theirs(SORTTracker),
}


def crowd(people: int, frames: int = 400, seed: int = 0) -> Iterator[tuple[IdentifiedBoxes, MotFrame]]:
    """People who walk about on 1920 × 1080: not found: who is hidden by 60% or more, and one in 20 of the others."""
    rng = np.random.default_rng(seed)
    size = np.array([1920.0, 1080.0])
    places, steps = rng.uniform(0, size, (people, 2)), rng.normal(0, 60, (people, 2)) / RATE
    sides = rng.uniform([30, 80], [60, 160], (people, 2))
    for _ in range(frames):
        steps = np.where((places < 0) & (steps < 0) | (places > size) & (steps > 0), -steps, steps)
        steps = steps + rng.normal(0, 6, (people, 2)) / RATE
        places = places + steps
        boxes = np.concatenate([places - sides / 2, places + sides / 2], axis=1)
        found = (hidden(boxes) < 0.6) & (rng.random(people) < 0.95)
        noisy = boxes[found] + rng.normal(0, 2, (int(found.sum()), 4))
        count = len(noisy)
        scores = np.where(rng.random(count) < 0.9, rng.uniform(0.7, 1, count), rng.uniform(0.2, 0.6, count))
        yield IdentifiedBoxes(np.arange(people), boxes), MotFrame(np.full(count, -1), noisy, scores)


def hidden(boxes: np.ndarray) -> np.ndarray:
    """Share of each box that the one that hides it most covers; who stands lower in the picture is in front."""
    sides = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    shared = np.maximum(sides, 0).prod(axis=2) * (boxes[:, None, 3] < boxes[None, :, 3])
    covered: np.ndarray = (shared / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)[:, None]).max(axis=1)
    return covered


def agreement(
    update: Update, frames: Sequence[tuple[IdentifiedBoxes, MotFrame]], rate: float = RATE
) -> dict[str, float]:
    said = [update(found, number / rate) for number, (_, found) in enumerate(frames, 1)]
    measured = tracking_metrics([true for true, _ in frames], said)
    clear = measured.clear
    return {
        "mota": clear.mota, "idf1": measured.identity.idf1, "hota": measured.hota.hota, "switches": clear.switches,
        "fragmentations": clear.fragmentations,
    }  # fmt: skip


def times(frames: Sequence[MotFrame], rounds: int = 3) -> dict[str, dict[str, float]]:
    """Milliseconds a frame of each tracker, median and 95th percentile."""
    rng = np.random.default_rng(0)
    taken: dict[str, list[float]] = {name: [] for name in TRACKERS}
    for _ in range(rounds):
        updates = {name: make() for name, make in TRACKERS.items()}
        for number, frame in enumerate(frames, 1):
            for name in rng.permutation(list(updates)).tolist():
                began = time.perf_counter()
                updates[name](frame, number / RATE)
                taken[name].append(1000 * (time.perf_counter() - began))
    return {
        name: {"p50_ms": float(np.median(row)), "p95_ms": float(np.percentile(row, 95))} for name, row in taken.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with vtest_det_mot15.txt and vtest_gt_frames1-69.txt")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    detected = read_mot(options.folder / "vtest_det_mot15.txt")
    true = read_mot(options.folder / "vtest_gt_frames1-69.txt")
    pets = [(IdentifiedBoxes(frame.ids, frame.boxes), detected.get(number, NOTHING)) for number, frame in true.items()]
    people = list(crowd(50))
    document = {
        "pets09": {name: agreement(make(), pets) for name, make in TRACKERS.items()},
        "other_settings": [
            {"rate": rate, "settings": settings, **agreement(ours(settings), pets, rate)}
            for rate in (7.0, 10.0, 25.0)
            for settings in ({}, *SETTINGS)
        ],
        "crowd": {name: agreement(make(), people) for name, make in TRACKERS.items()},
        "times": {
            "PETS09-S2L1, 795 frames": times([detected.get(number, NOTHING) for number in range(1, 796)]),
            "50 people, synthetic": times([found for _, found in people]),
            "200 people, synthetic": times([found for _, found in crowd(200, frames=100)]),
        },
    }
    print(json.dumps(document, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
