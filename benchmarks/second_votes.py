"""Do several looks at a track say more than one? Traffic signs, each seen four times on the way. Prints JSON.

    EDGEVISION_DATA=… python benchmarks/second_votes.py [--epochs 12]

GTSRB's crops come from tracks: one sign, seen from nearer and nearer. A ResNet-8 is trained by ``edgevision train`` on
two tracks of three, and is the second stage for the others: once each look by itself, once as `watch` takes their mean,
weighted by the quality of the crop.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgevision.pipeline.second import SecondStage, load_second
from edgevision.pipeline.second.crops import sharpness
from edgevision.pipeline.second.looks import Answer, StageLooks
from edgevision.pipeline.tracking import CONFIRMED, Tracks

SIDE, COLUMNS = 48, 50


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    crops, labels, tracks, names = signs(Path(os.environ["EDGEVISION_DATA"]) / "gtsrb48_train.zip")
    groups = np.unique(np.stack([labels, tracks], axis=1), axis=0, return_inverse=True)[1].ravel()
    held = groups % 3 == 0
    with tempfile.TemporaryDirectory() as folder:
        for place in np.flatnonzero(~held):
            target = Path(folder) / "data" / names[labels[place]]
            target.mkdir(parents=True, exist_ok=True)
            Image.fromarray(crops[place]).save(target / f"{place:05d}.png")
        model = trained(Path(folder), options.epochs)
        print(json.dumps(measured(model, crops, labels, groups, np.flatnonzero(held), names), indent=1))
    return 0


def signs(path: Path) -> tuple[Any, Any, Any, list[str]]:
    """Crops (N, 48, 48, 3), class and track of each, and the names of the classes."""
    with zipfile.ZipFile(path) as archive:
        labels, tracks = (np.load(io.BytesIO(archive.read(f"{name}.npy"))) for name in ("labels", "tracks"))
        sheets = sorted(name for name in archive.namelist() if name.endswith(".webp"))
        tiles = []
        for name in sheets:
            sheet = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))
            rows = sheet.shape[0] // SIDE
            grid = sheet.reshape(rows, SIDE, COLUMNS, SIDE, 3).transpose(0, 2, 1, 3, 4)
            tiles.append(grid.reshape(-1, SIDE, SIDE, 3))
        names = archive.read("classes.txt").decode().split()
    return np.concatenate(tiles)[: len(labels)], labels.astype(int), tracks.astype(int), names


def trained(folder: Path, epochs: int) -> Path:
    """Train; return the artifact."""
    command = [sys.executable, "-m", "edgevision", "train", "--data", folder / "data", "--out", folder / "signs"]
    command += ["--size", "32", "32", "--augment", "none", "--epochs", epochs, "--batch-size", 64]
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)
    return next(path.parent for path in sorted((folder / "signs").rglob("manifest.json")))


def measured(model: Path, crops: Any, labels: Any, groups: Any, held: Any, names: list[str]) -> dict[str, Any]:
    """Accuracy of one look, of the last one, and of the mean of all."""
    stage = SecondStage("sign", "classify", model, threshold=0.0, looks=8)
    second = load_second(stage)
    order = [second.judge(np.eye(len(names))[place])[0] for place in range(len(names))]
    looks, alone, last = StageLooks(stage, second.judge), [], {}
    for place in held:
        (evidence,) = second.look([crops[place]])
        group, grey = int(groups[place]), crops[place][..., 1]
        looks.choose(one_track(group, float(place)), lambda row: "not asked")
        assert evidence is not None
        looks.take([Answer(group, evidence, sharpness(grey), float(place))])
        last[group] = order[int(evidence.argmax())] == names[labels[place]]
        alone.append(last[group])
        truth = names[labels[place]]
        last[group] = (last[group], looks.attributes()[group].label == truth)
    second.close()
    return {
        "crops": len(alone),
        "tracks": len(last),
        "one_look": float(np.mean(alone)),
        "last_look": float(np.mean([one for one, _ in last.values()])),
        "mean_of_looks": float(np.mean([mean for _, mean in last.values()])),
    }


def one_track(number: int, time_s: float) -> Tracks:
    """A track that is seen."""
    one, none = np.ones(1), np.zeros((1, 2))
    return Tracks(
        time_s, np.array([number]), np.array([[0.0, 0, SIDE, SIDE]]), none, one, np.zeros(1, int),
        np.array([CONFIRMED], np.int8), one, one, np.zeros(1, int),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
