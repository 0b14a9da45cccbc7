"""The section of docs/results.md about what a frame costs beside the model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from proof_compression import shared
from proof_detection import LITE, adopted, quantized
from proof_parts import ROOT, Section, run, says, table

MOST_MS = 4.0
"""The bound for a frame beside its inference."""
STAGES = ("read", "prepare", "decode", "handle", "infer")
LOST = 0.01
"""So much of an average precision may change by the order of resizing and converting."""


def throughput(out: Path) -> Section:
    """A recording from file to MQTT broker, and what resizing planes first changes."""
    coco = shared("coco128_train.zip")
    models = {
        "YOLOX-nano, IR, int8": quantized(coco.parent, out),
        "SSD FPNLite, TFLite": adopted(coco.parent, out, LITE),
    }
    script, video = ROOT / "benchmarks" / "throughput.py", shared("video") / "vtest.avi"
    found = {name: json.loads(run(sys.executable, script, model, video, "--json")) for name, model in models.items()}
    head = ("median ms a frame", *STAGES, "all but infer", "model's end to decoding")
    lines = table(head, [line for name, row in found.items() for line in _stages(name, row)])
    rows = [row for name, document in found.items() for row in _bounds(name, document)]
    script = ROOT / "benchmarks" / "planes.py"
    order = {name: json.loads(run(sys.executable, script, model, coco, video.parent)) for name, model in models.items()}
    lines += ["", *table(ORDER, [_order(name, row) for name, row in order.items()])]
    rows += [_unchanged(name, document) for name, document in order.items()]
    return [*lines, "", *table(("what", "measured", "bound", "holds"), rows)], all("**no**" not in row for row in rows)


def _stages(name: str, row: dict[str, Any]) -> list[Sequence[object]]:
    busy, turn = row["processor_p50_ms"], row["in_turn_p50_ms"]
    wall = [f"{row['wall_p50_ms'][stage]:.2f}" for stage in STAGES]
    return [
        (f"{name}: in the pipeline, wall", *wall, "–", f"{row['handed_over_p50_ms']:.2f}"),
        (f"{name}: in the pipeline, processor", *(f"{busy[stage]:.2f}" for stage in STAGES[:-1]), "–",
         f"{row['overhead_p50_ms']:.2f}", "–"),
        (f"{name}: one after the other", *(f"{turn[stage]:.2f}" for stage in STAGES[:-1]), "–",
         f"{turn['all']:.2f}", "–"),
    ]  # fmt: skip


def _bounds(name: str, row: dict[str, Any]) -> list[Sequence[object]]:
    beyond = row["wall_beyond_the_model_ms"]
    ratio, share = row["wall_ms_per_frame"] / row["sum_of_stages_ms"], row["share_within_inferences"]["read"]
    arrived = f"{row['arrived']} of {row['events']}, {row['arrived_twice']} twice"
    complete = row["arrived"] == row["events"] and not row["arrived_twice"]
    bound = f"≤ {MOST_MS:g}"
    return [
        (f"{name}: ms a frame beyond its inference, wall, mean", f"{beyond:.2f}", bound, says(beyond <= MOST_MS)),
        (f"{name}: wall time / sum of the stages", f"{row['wall_ms_per_frame']:.2f} / {row['sum_of_stages_ms']:.2f}"
         f" = {ratio:.2f}", "< 1", says(ratio < 1)),
        (f"{name}: share of decoding the video within an inference", f"{share:.2f}", "≥ 0.5", says(share >= 0.5)),
        (f"{name}: events at the broker", arrived, "all, once", says(complete)),
    ]  # fmt: skip


ORDER = (
    "converted at the model's size, or whole", "mAP50, photographs as they are", "as frames, whole", "planes",
    "person AP50, vtest, whole", "planes", "pixels differ by: mean, 99%, most",
)  # fmt: skip


def _order(name: str, row: dict[str, Any]) -> Sequence[object]:
    scores, people, pixels = row["map50"], row["person_ap50"], row["pixels"]
    figures = (scores["photographs"], scores["whole"], scores["planes"], people["whole"], people["planes"])
    levels = f"{pixels['mean']:.2f}, {pixels['p99']:.0f}, {pixels['max']:.0f}"
    return (name, *(f"{figure:.4f}" for figure in figures), levels)


def _unchanged(name: str, row: dict[str, Any]) -> Sequence[object]:
    lost = max(row[kind]["whole"] - row[kind]["planes"] for kind in ("map50", "person_ap50"))
    return (f"{name}: average precision lost by converting last", f"{lost:.4f}", f"≤ {LOST}", says(lost <= LOST))


THROUGHPUT: dict[str, Callable[[Path], Section]] = {"throughput": throughput}
