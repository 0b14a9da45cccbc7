"""The section of docs/results.md about what happens to cameras, brokers, disks and models while `watch` runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proof_detection import LITE, NANO, adopted
from proof_parts import ROOT, Section, run, says, table

BOUND_S = 10.0


def faults(out: Path) -> Section:
    """Each fault of `faults.py`, and what a process of its own costs a model."""
    rows = json.loads(run(sys.executable, ROOT / "benchmarks" / "faults.py", "--json"))
    data = Path(os.environ["EDGEVISION_DATA"])
    models = [adopted(data, out, model) for model in (NANO, LITE)]
    costs = json.loads(run(sys.executable, ROOT / "benchmarks" / "isolation.py", *models, "--json"))
    head = (
        "fault", "works again after", "messages", "left in the spool", "lost", "doubled", "sent again, same id",
        "other camera, results a second", "passwords seen", "holds",
    )  # fmt: skip
    lines = [
        *table(head, [_row(row) for row in rows]),
        "",
        "What the log says, without times and levels:",
        "",
        *table(("fault", "when it begins", "when it is over"), [_said(row) for row in rows]),
        "",
        *table(
            ("model", "runtime", "here, ms", "process of its own, ms", "added, ms", "ratio", "here / here again",
             "killed: back after"),
            [_cost(row) for row in costs],
        ),
    ]  # fmt: skip
    return lines, all(not row["misses"] for row in rows)


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    before, meanwhile = row["steady_before"], row["steady_meanwhile"]
    rates = "shares the model" if row["fault"].startswith("model's") else f"{before} before, {meanwhile} meanwhile"
    return (
        row["fault"], f"{row['recovery_s']:.1f} s", f"{row['received']} of {row['expected']}", row["waiting"],
        row["lost"], row["doubled"], row["repeated"], rates, "; ".join(row["secrets"]) or "none",
        says(not row["misses"]),
    )  # fmt: skip


def _said(row: dict[str, Any]) -> tuple[str, str, str]:
    began, ended = (row[key].partition(" ")[2].replace("|", "\\|") for key in ("began_line", "ended_line"))
    return row["fault"], f"`{_short(began)}`", f"`{_short(ended)}`"


def _short(line: str) -> str:
    """A line without the folder and port of this run."""
    words = [f"…/{word.rsplit('/', 1)[1]}" if word.startswith("/tmp/") else word for word in line.split()]
    return " ".join(words)


def _cost(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["model"], row["runtime"], f"{row['here_ms']:.2f}", f"{row['apart_ms']:.2f}", f"{row['added_ms']:.2f}",
        f"{row['ratio']:.3f}", f"{row['control']:.3f}", f"{row['back_s']:.1f} s",
    )  # fmt: skip


FAULTS: dict[str, Callable[[Path], Section]] = {"faults": faults}
