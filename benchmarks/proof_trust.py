"""The sections of `proof.py` on results that one can trust: damaged files are answered."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from proof_parts import ROOT, Section, exported, run, says, table

COPIES = "300"
REPETITIONS = "200"
NAMES = {"itself": "itself", "slower": "itself, each inference a tenth longer"}


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


def comparing(out: Path) -> Section:
    """A model against itself, and against itself slowed down by a tenth; see `compare_repetitions.py`."""
    exported(out)
    model = out / "resnet8-tflite-static_wi8_ai8"
    command = (sys.executable, ROOT / "benchmarks" / "compare_repetitions.py", model, "--repetitions", REPETITIONS)
    found = json.loads(run(*command))["verdicts"]
    rows = []
    for name, allowed, counts in (
        ("itself", "≤ 5% claim a difference", ("faster", "slower")),
        ("slower", "≥ 90% say slower", ("slower",)),
    ):
        verdicts = found[name]
        share = sum(verdicts.get(verdict, 0) for verdict in counts) / sum(verdicts.values())
        told = ", ".join(f"{count} × {verdict}" for verdict, count in sorted(verdicts.items()))
        holds = share <= 0.05 if name == "itself" else share >= 0.9
        rows.append((NAMES[name], f"{told}: {share:.1%}", allowed, says(holds)))
    held = all(row[-1] == "yes" for row in rows)
    return table(["int8 ResNet-8 on LiteRT against", "measured", "bound", "holds"], rows), held


TRUST: dict[str, Callable[[Path], Section]] = {"corrupt": corrupt, "comparing": comparing}
