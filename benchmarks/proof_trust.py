"""The sections of `proof.py` on results that one can trust: damaged files are answered."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from proof_parts import ROOT, Section, exported, run, says, table

COPIES = "300"


def corrupt(out: Path) -> Section:
    """Corrupted copies of int8 models through inspect, verify and benchmark; see `corrupt.py`."""
    exported(out)
    models = {
        "tflite": out / "resnet8-tflite-static_wi8_ai8" / "model.tflite",
        "openvino": out / "resnet8-openvino-static_wi8_ai8" / "model.xml",
    }
    found = json.loads(run(sys.executable, ROOT / "benchmarks" / "corrupt.py", *models.values(), "--count", COPIES))
    rows = []
    for form, model in models.items():
        result = found[str(model)]
        for command, ends in result["commands"].items():
            told = ", ".join(f"{count} × {end}" for end, count in sorted(ends.items()))
            rows.append((f"{form}: {command}", told, "all answered", says("unanswered" not in ends)))
        rows.append(
            (f"{form}: longest command", f"{result['longest_s']} s", "≤ 120 s", says(result["longest_s"] <= 120))
        )
    held = all(row[-1] == "yes" for row in rows)
    return table(["what", "measured", "bound", "holds"], rows), held


def remote(out: Path) -> Section:
    """verify and benchmark over SSH to the loopback interface, with connections that are cut; see `remote_cut.py`."""
    exported(out)
    artifact = out / "resnet8-tflite-static_wi8_ai8"
    found = json.loads(run(sys.executable, ROOT / "benchmarks" / "remote_cut.py", artifact))
    steps = {step["name"]: step for step in found["steps"]}
    total = found["wheelhouse_bytes"]
    half, again = (steps[name] for name in ("verify, cut while it sends", "verify, again"))
    bounds = {
        half["name"]: half["status"] == 1 and "was cut" in half["said"],
        again["name"]: again["status"] == 0 and half["sent_bytes"] + again["sent_bytes"] < 1.25 * total,
        "verify, a third time": steps["verify, a third time"]["sent_bytes"] < 1e6,
        "benchmark, cut while it measures": steps["benchmark, cut while it measures"]["status"] == 1,
        "benchmark, again": steps["benchmark, again"]["status"] == 0,
        "verify, and clean": steps["verify, and clean"]["status"] == 0 and not found["left_on_device"],
    }
    rows = []
    for name, step in steps.items():
        ended = "–" if step["ended_there_s"] is None else f"{step['ended_there_s']} s"
        sent = f"{step['sent_bytes'] / 1e6:.1f} of {total / 1e6:.1f}"
        rows.append((name, step["status"], f"{step['seconds']} s", sent, ended, says(bounds[name])))
    head = ("step", "exit status", "took", "MB sent, of the wheels'", "cut until nothing ran there", "as it should")
    verdict = f"verify says {found['verdict']}; benchmark has {found['samples']:,} samples, p50 {found['p50_ms']} ms."
    return [*table(head, rows), "", verdict], all(bounds.values())


TRUST: dict[str, Callable[[Path], Section]] = {"corrupt": corrupt, "remote": remote}
