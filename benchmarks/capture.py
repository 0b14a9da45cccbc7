"""What capturing costs a frame: python benchmarks/capture.py FILM DETECTIONS

FILM is vtest.avi, DETECTIONS the public detections of MOT15 for it, whose scores are replaced by ones drawn at random:
a third of the frames have one in the band. The pipeline's thread chooses, another one writes; both are timed on every
frame, in one process, with limits that never stand in the way.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from edgevision.data.mot import NOTHING, read_mot
from edgevision.pipeline.capture import CaptureSettings, DriftSettings
from edgevision.pipeline.capture.choosing import Chooser, Memory
from edgevision.pipeline.capture.drift import DriftMonitor
from edgevision.pipeline.capture.folder import CaptureFolder
from edgevision.pipeline.lane import Result
from edgevision.pipeline.sources import CapturedFrame, source_for
from edgevision.tasks.detections import Detections


def main(film: str, detections: str) -> None:
    generator, boxes = np.random.default_rng(0), read_mot(detections)
    looks, writes, sizes = [], [], []
    with tempfile.TemporaryDirectory() as place:
        settings = CaptureSettings(Path(place, "captured"), max_per_hour=10**6, min_interval_s=0.0, min_free_bytes=0)
        folder = CaptureFolder(settings.folder, ["person"], crops=False, min_free_bytes=0)
        folder.prepare()
        chosen = []
        monitor = DriftMonitor(DriftSettings(baseline_s=40, interval_s=2))
        chooser = Chooser(settings, None, lambda one: chosen.append(one) is None, Memory(settings), monitor)
        source, number = source_for(film), 0
        source.open()
        while (read := source.read()) is not None:
            found = boxes.get(number + 1, NOTHING).boxes
            scores = np.where(generator.random(len(found)) < 0.06, 0.4, 0.9)
            frame = CapturedFrame("yard", number, number / 10, read[0])
            result = Result(frame, Detections(found, scores, np.zeros(len(found))), number / 10, False, "model")
            began = time.perf_counter()
            chooser.look(result)
            looks.append(time.perf_counter() - began)
            for one in chosen:
                began = time.perf_counter()
                (path,) = folder.write(one)
                writes.append(time.perf_counter() - began)
                sizes.append(path.stat().st_size)
            chosen.clear()
            number += 1
        source.close()
    for name, times in (("choosing", looks), ("writing", writes)):
        p50, p95 = np.quantile(times, (0.5, 0.95)) * 1e3
        print(f"{name}: {len(times)} frames, median {p50:.2f} ms, p95 {p95:.2f} ms")
    print(
        f"captured {dict(chooser.captured)}, passed over {dict(chooser.passed_over)}, {np.mean(sizes):,.0f} bytes each"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
