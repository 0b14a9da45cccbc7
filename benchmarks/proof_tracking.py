"""The section of docs/results.md about the tracker."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proof_compression import shared
from proof_parts import ROOT, Section, run, says, table

OTHERS = ("trackers, ByteTrack", "trackers, SORT")
OURS = "edgevision"
MOST_MS = 0.5
"""The bound for 50 objects."""


def tracking(out: Path) -> Section:
    """Our tracker and the package `trackers` on the same detections, in one process."""
    python = beside(out / "trackers-venv")
    script = ROOT / "benchmarks" / "tracking.py"
    document = json.loads(run(python, script, shared("video"), "--json"))
    pets, people = document["pets09"], document["crowd"]
    best = {
        "mota": max(pets[name]["mota"] for name in OTHERS), "idf1": max(pets[name]["idf1"] for name in OTHERS),
        "switches": min(pets[name]["switches"] for name in OTHERS),
    }  # fmt: skip
    ours = pets[OURS]
    agrees = ours["mota"] >= best["mota"] and ours["idf1"] >= best["idf1"] and ours["switches"] <= best["switches"]
    times = document["times"]
    faster = all(row[OURS]["p50_ms"] < min(row[name]["p50_ms"] for name in OTHERS) for row in times.values())
    quick = next(row for name, row in times.items() if name.startswith("50 "))[OURS]["p50_ms"]
    lines = [
        *_agreement("PETS09-S2L1, frames 1–69", pets),
        "",
        *_agreement("synthetic crowd of 50, 400 frames", people),
        "",
        *table(
            ("median ms a frame", *(name for name in (OURS, *OTHERS))),
            [(name, *(f"{row[who]['p50_ms']:.3f}" for who in (OURS, *OTHERS))) for name, row in times.items()],
        ),
        "",
        *table(
            ("what", "measured", "bound", "holds"),
            [
                ("MOTA, IDF1, switches on PETS09-S2L1", _three(ours), f"best of both: {_three(best)}", says(agrees)),
                ("ms a frame with 50 objects, median", f"{quick:.3f}", f"≤ {MOST_MS}", says(quick <= MOST_MS)),
                ("faster than both, in every scene", says(faster), "yes", says(faster)),
            ],
        ),
        "",
        _span(document["other_settings"]),
    ]  # fmt: skip
    return lines, agrees and faster and quick <= MOST_MS


def beside(folder: Path) -> Path:
    """The Python of an environment with the package `trackers` and this edgevision; made where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        run(sys.executable, "-m", "venv", folder)
        run(python, "-m", "pip", "install", "-q", "trackers")
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", ROOT)
    return python


def _agreement(scene: str, rows: dict[str, dict[str, Any]]) -> list[str]:
    cells = [
        (name, f"{row['mota']:.4f}", f"{row['idf1']:.4f}", f"{row['hota']:.4f}", row["switches"], row["fragmentations"])
        for name, row in rows.items()
    ]
    return table((scene, "MOTA", "IDF1", "HOTA", "id switches", "fragmentations"), cells)


def _three(row: dict[str, Any]) -> str:
    return f"{row['mota']:.4f}, {row['idf1']:.4f}, {row['switches']}"


def _span(rows: list[dict[str, Any]]) -> str:
    ends = {name: (min(row[name] for row in rows), max(row[name] for row in rows)) for name in ("mota", "idf1")}
    switches = [row["switches"] for row in rows]
    return (
        f"With {len(rows)} other settings and frame rates on PETS09-S2L1: MOTA {ends['mota'][0]:.4f} to "
        f"{ends['mota'][1]:.4f}, IDF1 {ends['idf1'][0]:.4f} to {ends['idf1'][1]:.4f}, "
        f"{min(switches)} to {max(switches)} switches."
    )


TRACKING: dict[str, Callable[[Path], Section]] = {"tracking": tracking}
