"""See vehicles and people from a vehicle, in time or not at all.

python examples/driving.py DETECTOR.onnx FILM [FOLDER [SECONDS]]

DETECTOR.onnx is a YOLOX model with COCO's classes. What is printed at the end is the state that the page and the
metrics of `edgevision watch` publish too: how many frames came, how many were looked at, how many of these came too
late, and which share was not begun.
traffic_signs.py makes a classifier for what is read on signs.
"""

import json
import shutil
import sys
from pathlib import Path

from edgevision.adopt import adopt, read_labels
from edgevision.pipeline.watching import Watch

CONFIG = Path(__file__).with_suffix(".toml")


def main(model: Path, film: Path, folder: Path, seconds: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    adopt(model, folder / "detector", decoder="yolox", labels=read_labels("coco"), layout="NCHW", overwrite=True)
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


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]), Path(given[1]), Path(given[2] if len(given) > 2 else "runs/driving"),
         float(given[3]) if len(given) > 3 else 10.0)  # fmt: skip
