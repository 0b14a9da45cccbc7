"""What the sections of `proof.py` share: running commands, writing tables."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

Section = tuple[list[str], bool]
"""The lines of a table, and whether every bound in it holds."""


def edgevision(*arguments: str | Path) -> Any:
    """Run a command of edgevision and return its JSON document."""
    return json.loads(run(BIN / "edgevision", *arguments, "--json"))


def run(*command: str | Path) -> str:
    """Run a command in the checkout and return what it printed; a failure ends the proof."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(map(str, command))}\nexit status {done.returncode}\n{done.stderr}")
    return done.stdout


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    return [f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)]


def says(holds: bool) -> str:
    return "yes" if holds else "**no**"


def exported(out: Path) -> None:
    """Make the artifacts that several sections measure, where they are not there yet."""
    if not (out / "resnet8-openvino-float32").exists():
        edgevision("convert", "sample", "--to", "tflite", "--to", "openvino", "--data", "sample", "--out", out)
    if not (out / "resnet8-openvino-static_wi8_ai8").exists():
        edgevision("quantize", "sample", "--to", "tflite", "--to", "openvino", "--data", "sample", "--out", out)
