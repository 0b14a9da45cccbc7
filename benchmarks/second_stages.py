"""Are results later when a second stage looks at the people? YOLOX-nano on vtest.avi as a live camera. Prints JSON.

    EDGEVISION_DATA=… python benchmarks/second_stages.py [--seconds 8] [--turns 6] [--refresh 0.5]

The film comes at 25 frames a second, over and over; whoever is tracked is looked at by a MobileNetV1 0.25 of 128 pixels
(uint8, of Coral's zoo) when they appear, and again every so many seconds, which is ten times as often as by default.
With and without it in turns, in one process. Ages are from the decoded frame to its objects.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.adopt import adopt
from edgevision.frames import Frame
from edgevision.pipeline.config import ModelConfig
from edgevision.pipeline.image_stage import DetectorStage
from edgevision.pipeline.lane import Result
from edgevision.pipeline.rules import Identities
from edgevision.pipeline.running import Camera, Pipeline
from edgevision.pipeline.second import CameraLooks, Looker, SecondStage, load_second
from edgevision.pipeline.sources import IteratorSource
from edgevision.pipeline.sources.video import frame_of
from edgevision.pipeline.tracking import Tracker


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--refresh", type=float, default=0.5)
    options = parser.parse_args()
    data = Path(os.environ["EDGEVISION_DATA"])
    frames = decoded(data / "video" / "vtest.avi", 300)
    with tempfile.TemporaryDirectory() as folder:
        adopt(
            data / "models/detection/yolox_nano_coco.onnx", Path(folder) / "yolox", decoder="yolox", layout="NCHW",
            labels=[str(number) for number in range(80)],
        )  # fmt: skip
        adopt(
            data / "models/coral/mobilenet_v1_0.25_128_quant.tflite", Path(folder) / "mobilenet", task="classification",
            labels=[str(number) for number in range(1001)], preprocessing={}, activation="softmax",
        )  # fmt: skip
        stage = SecondStage("what", "classify", Path(folder) / "mobilenet", refresh_s=options.refresh, min_px=16)
        turns = []
        for turn in range(2 * options.turns):
            turns.append(measured(Path(folder) / "yolox", frames, stage if turn % 2 else None, options.seconds))
    print(json.dumps({"without": summary(turns[::2]), "with": summary(turns[1::2]), "turns": turns}, indent=1))
    return 0


def decoded(path: Path, count: int) -> list[Frame]:
    """The first frames of a film, as its decoder gives them."""
    import av

    with av.open(str(path)) as container:
        return [frame_of(picture) for _, picture in zip(range(count), container.decode(video=0), strict=False)]


def live(frames: list[Frame], fps: float = 25.0) -> Iterator[Frame]:
    """Frames at their pace, for ever."""
    began, number = time.monotonic(), 0
    while True:
        number += 1
        time.sleep(max(0.0, began + number / fps - time.monotonic()))
        yield frames[number % len(frames)]


def measured(model: Path, frames: list[Frame], stage: SecondStage | None, seconds: float) -> dict[str, Any]:
    """Ages of results over so many seconds, after two seconds of getting warm."""
    ages: list[float] = []
    looker = Looker({} if stage is None else {stage.name: load_second(stage)})
    looks = None if stage is None else CameraLooks([stage], looker)
    tracker, names = Tracker(), Identities()

    def take(result: Result) -> None:
        assert result.age_ms is not None
        ages.append(result.age_ms)
        found = result.detections
        tracks = tracker.update(found.boxes, found.scores, found.classes, result.frame.captured_s)
        seen = names.update(tracks)
        if looks is not None:
            looks.update(result.frame, seen)

    looker.start()
    camera = Camera("film", lambda: IteratorSource(lambda: live(frames), live=True))
    stage_one = DetectorStage(ModelConfig(model, runtime="openvino"))
    with Pipeline("yolox", stage_one, [camera], lambda camera: take) as pipeline:
        time.sleep(2)
        ages.clear()
        time.sleep(seconds)
        kept, handle = list(ages), pipeline.state()["cameras"]["film"]["stages"]["handle"]["p50_ms"]
    state = {} if looks is None or stage is None else {**looks.state()[stage.name], **looker.state()[stage.name]}
    looker.close()
    return {
        "results": len(kept),
        "age_p50_ms": float(np.quantile(kept, 0.5)),
        "age_p95_ms": float(np.quantile(kept, 0.95)),
        "handle_p50_ms": handle,
        "second_stage": state,
    }


def summary(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over turns, with the lowest and highest turn: a busy machine differs more from turn to turn."""
    ages = [turn["age_p50_ms"] for turn in turns]
    return {
        "results": sum(turn["results"] for turn in turns),
        "age_p50_ms": statistics.median(ages),
        "age_p50_ms_of_turns": [min(ages), max(ages)],
        "age_p95_ms": statistics.median(turn["age_p95_ms"] for turn in turns),
        "handle_p50_ms": statistics.median(turn["handle_p50_ms"] for turn in turns),
        "looks": sum(turn["second_stage"].get("looks", 0) for turn in turns),
    }


if __name__ == "__main__":
    sys.exit(main())
