"""See vehicles and people from a vehicle, in time or not at all.

python examples/driving.py DETECTOR.onnx FILM [FOLDER [SECONDS [IMAGE …]]]

DETECTOR.onnx is a YOLOX model with COCO's classes. What is printed of the film is the state that the page and the
metrics of `edgevision watch` publish too: how many frames came, how many were looked at, how many of these came too
late, and which share was not begun. Of each IMAGE it is printed what is in it. traffic_signs.py makes a classifier for
what is read on signs.
"""

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

from edgevision.adopt import adopt, read_labels
from edgevision.pipeline.watching import Watch
from edgevision.predict import predict

CONFIG = Path(__file__).with_suffix(".toml")


def main(model: Path, film: Path, folder: Path, seconds: float, images: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    labels = read_labels("coco")
    detector = adopt(model, folder / "detector", decoder="yolox", labels=labels, layout="NCHW", overwrite=True)
    for name, objects in found_in(detector, images):
        print(f"{name}: {objects}")
    shutil.copy(CONFIG, folder)
    shutil.copy(film, folder / "film")
    events = folder / "events.jsonl"
    events.write_bytes(b"")
    with Watch(folder / CONFIG.name) as watch:
        watch.join(seconds)
        state = watch.state()["cameras"]["front"]
    for line in events.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        age = "" if "age_ms" not in event["data"] else f", {event['data']['age_ms']:.0f} ms old"
        print(f"{event['time']} {event['rule']}: {event['phase']}{age}{', late' if 'late' in event['data'] else ''}")
    age = state["stages"]["age"]
    print(f"{state['received']} frames, {state['results']} looked at, {state['late']} of these late")
    print(f"drop ratio {state['drop_ratio']:.3f}, age of a result {age['p50_ms']:.0f} ms, 95% {age['p95_ms']:.0f} ms")


def found_in(detector, images):
    for entry in predict(detector, images).images if images else ():
        counts = Counter(entry.labels[index] for index in entry.detections.classes)
        yield Path(entry.image).name, ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    given = dict(enumerate(sys.argv[1:]))
    folder, seconds = Path(given.get(2, "runs/driving")), float(given.get(3, 10))
    main(Path(given[0]), Path(given[1]), folder, seconds, sys.argv[5:])
