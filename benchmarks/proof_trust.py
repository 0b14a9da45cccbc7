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


TRUST: dict[str, Callable[[Path], Section]] = {"corrupt": corrupt}
