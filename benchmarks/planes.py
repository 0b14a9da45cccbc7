"""What does it change that planes of YUV are resized before they are converted? Detections, and pixels. Prints JSON.

    python benchmarks/planes.py ARTIFACT coco128_train.zip VIDEOS [--runtime NAME]

VIDEOS is the folder with vtest.avi and the truth of its first 69 frames. The photographs are made frames of 4:2:0,
BT.601, limited range, as a camera would send them; the video's frames are the decoder's. Each goes to the model in two
ways: its planes resized and converted at the model's size, as `edgevision watch` does, and the picture converted whole
and then resized.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.data.detection import Objects
from edgevision.data.locate_boxes import open_detection_dataset
from edgevision.evaluate_detection import evaluate_detection
from edgevision.frame_pixels import frame_pixels
from edgevision.frames import Frame, encode_frame
from edgevision.pipeline.sources import source_for

LAST_FRAME = 69


class Seen:
    """Images with boxes as `evaluate_detection` takes them, each made what a model shall be given."""

    def __init__(self, labels: Sequence[str], pairs: Sequence[tuple[Any, Objects]], made: Callable[[Any], Any]) -> None:
        self.labels, self._pairs, self._made = labels, pairs, made

    def __len__(self) -> int:
        return len(self._pairs)

    def labelled(self, index: int) -> tuple[Any, Objects]:
        """What the model is given, and what is in it."""
        image, truth = self._pairs[index]
        return self._made(image), truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--runtime")
    options = parser.parse_args()
    artifact = Artifact.open(options.artifact)
    dataset = open_detection_dataset(options.photographs, None, default="test")
    photographs = [dataset.labelled(index) for index in range(len(dataset))]
    frames = [(encode_frame(image, "i420", full_range=False), truth) for image, truth in photographs]
    video = list(_video(options.videos))

    def map50(labels: Sequence[str], pairs: Sequence[tuple[Any, Objects]], made: Callable[[Any], Any]) -> float:
        seen: Any = Seen(labels, pairs, made)
        return evaluate_detection(artifact, seen, runtime=options.runtime).detection.map50

    print(
        json.dumps({
            "map50": {
                "photographs": map50(dataset.labels, photographs, lambda image: image),
                "whole": map50(dataset.labels, frames, Frame.to_rgb),
                "planes": map50(dataset.labels, frames, lambda frame: frame),
            },
            "person_ap50": {
                "whole": map50(["person"], video, Frame.to_rgb),
                "planes": map50(["person"], video, lambda frame: frame),
            },
            "pixels": _pixels(artifact, [frame for frame, _ in video]),
        })
    )  # fmt: skip


def _pixels(artifact: Artifact, frames: Sequence[Frame]) -> dict[str, float]:
    """By how many levels of 255 the model's pixels differ."""
    preprocessing = artifact.manifest.preprocessing
    assert preprocessing is not None
    found = []
    for frame in frames:
        planes, whole = frame_pixels(frame, preprocessing)[0], preprocessing.pixels(frame.to_rgb())[0]
        found.append(np.abs(planes.astype(np.int16) - whole).ravel())
    levels = np.concatenate(found)
    return {"mean": float(levels.mean()), "p99": float(np.quantile(levels, 0.99)), "max": float(levels.max())}


def _video(folder: Path) -> list[tuple[Frame, Objects]]:
    """The annotated frames, and the people in them; the truth is in MOT's form: left, top, width, height."""
    people: dict[int, list[list[float]]] = {}
    with open(folder / f"vtest_gt_frames1-{LAST_FRAME}.txt", encoding="utf-8") as file:
        for row in csv.reader(file):
            left, top, width, height = map(float, row[2:6])
            people.setdefault(int(row[0]), []).append([left, top, left + width, top + height])
    source = source_for(str(folder / "vtest.avi"))
    source.open()
    pairs = []
    for number in range(1, LAST_FRAME + 1):
        read = source.read()
        assert read is not None
        boxes = people.get(number, [])
        pairs.append((read[0], Objects.of(np.array(boxes), np.zeros(len(boxes)))))
    source.close()
    return pairs


if __name__ == "__main__":
    sys.exit(main())
