"""Say when people are in a zone of a film, and count who crosses a line.

python examples/people_in_zone.py DETECTOR.onnx FILM [FOLDER]

DETECTOR.onnx is a YOLOX model with COCO's classes. What the program does, by hand:

    edgevision adopt DETECTOR.onnx --out detector --task detection --decoder yolox --labels coco --layout NCHW
    edgevision watch people_in_zone.toml
"""

import json
import shutil
import sys
from pathlib import Path

from edgevision.adopt import adopt, read_labels
from edgevision.pipeline.watching import Watch

CONFIG = Path(__file__).with_suffix(".toml")


def main(model: Path, film: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    adopt(model, folder / "detector", decoder="yolox", labels=read_labels("coco"), layout="NCHW", overwrite=True)
    shutil.copy(CONFIG, folder)
    shutil.copy(film, folder / "film")
    events = folder / "events.jsonl"
    events.write_bytes(b"")
    with Watch(folder / CONFIG.name) as watch:
        watch.join()
    for line in events.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        said = event["data"].get("direction") or event["phase"]
        print(f"{event['time']} {event['rule']}: {event['label']} {event['track_id']} {said}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3] if len(sys.argv) > 3 else "runs/people"))
