"""Measure again what takes long, and write the figures into docs/results.md.

    python benchmarks/proof.py [SECTION ...] [--out runs/proof] [--budget 60]

Each section runs the commands that docs/results.md shows and replaces the table between its markers,
``<!-- proof:SECTION -->`` and ``<!-- /proof:SECTION -->``. EDGEVISION_DATA names the folder with the complete
CIFAR-10 (``cifar10/``). No section begins once the budget, in minutes, is used up. Exit status 3 when a figure misses
its bound, which is written all the same, or when a section was left out for the budget.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from proof_compression import COMPRESSION
from proof_detection import DETECTION
from proof_devices import DEVICES
from proof_doctor import DOCTOR
from proof_faults import FAULTS
from proof_firmware import FIRMWARE
from proof_linux import LINUX
from proof_matrix import MATRIX
from proof_parts import BIN, ROOT, Section, edgevision, exported, run, says, table
from proof_search import SEARCHES
from proof_throughput import THROUGHPUT
from proof_tracking import TRACKING
from proof_trust import TRUST

RESULTS = ROOT / "docs" / "results.md"
HEAVY = ("tensorflow", "openvino", "cv2", "scipy")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", help="which to measure: " + ", ".join(SECTIONS) + " (default: all)")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "proof")
    parser.add_argument("--budget", type=float, default=60.0, help="minutes in all")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; allowed: {', '.join(SECTIONS)}")
    held, began = True, time.monotonic()
    for name in options.sections or SECTIONS:
        started = time.monotonic()
        if started - began > 60 * options.budget:
            print(f"{name}: LEFT OUT, the budget of {options.budget:g} minutes is used up", flush=True)
            held = False
            continue
        lines, holds = SECTIONS[name](options.out)
        write(name, lines)
        held &= holds
        print(f"{name}: {'holds' if holds else 'MISSED'}, {time.monotonic() - started:.0f} s", flush=True)
    return 0 if held else 3


def write(name: str, lines: Sequence[str]) -> None:
    """Replace what stands between a section's markers in docs/results.md."""
    begin, end = f"<!-- proof:{name} -->", f"<!-- /proof:{name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    text, count = pattern.subn(lambda _: "\n".join([begin, *lines, end]), RESULTS.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"docs/results.md has {count} places for {name}")
    RESULTS.write_text(text, encoding="utf-8")


def accuracy(out: Path) -> Section:
    """Top-1 on all 10,000 test images, on every runtime."""
    exported(out)
    data = Path(os.environ["EDGEVISION_DATA"]) / "cifar10"
    rows, floats, held = [], {}, True
    runs = [("float32", "tflite", 87.2), ("float32", "openvino", 87.2)]
    runs += [("static_wi8_ai8", "tflite", None), ("static_wi8_ai8", "openvino", None)]
    for scheme, form, floor in runs:
        artifact = out / f"resnet8-{form}-{scheme}"
        document = edgevision("evaluate", artifact, "--data", data, "--split", "test", "--runtime", form)
        share = document["classification"]["accuracy"]
        percent = 100 * share["value"]
        floats.setdefault(form, percent)
        bound = f"≥ {floor}" if floor else f"≥ {floats[form] - 0.5:.2f} (float − 0.5)"
        holds = percent >= (floor or floats[form] - 0.5)
        held &= holds
        package = f"{document['facts']['package']} {document['facts']['version']}"
        interval = f"{100 * share['low']:.2f}–{100 * share['high']:.2f}"
        size = f"{edgevision('inspect', artifact)['bytes']:,}"
        rows.append((artifact.name, size, package, f"{percent:.2f}", interval, bound, says(holds)))
    return table(("artifact", "bytes", "ran on", "top-1 %", "95% interval", "bound", "holds"), rows), held


def overhead(out: Path) -> Section:
    """`CompiledModel.infer` against the fastest vendor calls written by hand."""
    exported(out)
    script = ROOT / "benchmarks" / "infer_overhead.py"
    tflite, ir = (out / f"resnet8-{form}-static_wi8_ai8" for form in ("tflite", "openvino"))
    document = json.loads(run(sys.executable, script, tflite, ir, "--json"))
    rows = [
        (row["by_hand"], row["calls"], f"{row['ratio']:.3f}", "≤ 1.05", f"{row['control']:.4f}", says(row["held"]))
        for row in document["rows"]
    ]
    head = ("by hand", "calls a side", "infer / by hand", "bound", "by hand / by hand again", "holds")
    return table(head, rows), document["held"]


def startup(_: Path) -> Section:
    """What `import edgevision` loads, and what `--help` costs."""
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import edgevision"], capture_output=True, text=True, check=True
    ).stderr
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in listed.splitlines()}
    found = sorted(loaded & {*HEAVY, "numpy"})
    commands = {"help": [str(BIN / "edgevision"), "--help"], "bare": [sys.executable, "-c", "import numpy, click"]}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _round in range(31):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times[name].append(time.perf_counter() - began)
    ratio = statistics.median(times["help"][1:]) / statistics.median(times["bare"][1:])
    rows = [
        ("heavy modules that `import edgevision` loads", ", ".join(found) or "none", "none", says(not found)),
        ("`edgevision --help` / bare imports, medians of 30", f"{ratio:.2f}", "≤ 1.3", says(ratio <= 1.3)),
    ]
    return table(("what", "measured", "bound", "holds"), rows), not found and ratio <= 1.3


def soak(out: Path) -> Section:
    """Five minutes of inference without a pause, on each runtime."""
    exported(out)
    rows, held = [], True
    for form in ("tflite", "openvino"):
        artifact = out / f"resnet8-{form}-static_wi8_ai8"
        document = json.loads(run(sys.executable, ROOT / "benchmarks" / "soak.py", artifact, "--runtime", form))
        held &= document["held"]
        growth = f"{document['growth_bytes'] / 1024:.0f} KiB"
        rows.append((form, f"{document['inferences']:,}", document["changed"], growth, says(document["held"])))
    return table(("runtime", "inferences", "answers that changed", "memory growth (≤ 1 MiB)", "holds"), rows), held


def repetitions(out: Path) -> Section:
    """The demo with other seeds: what fine-tuning and calibration by other draws change."""
    found: dict[str, list[float]] = {}
    ratios = []
    for seed in range(SEEDS):
        document = edgevision("demo", "--seed", str(seed), "--out", out / f"demo-{seed}", "--overwrite")
        for entry in document["report"]["entries"]:
            share = next(run["accuracy"]["value"] for run in entry["runs"] if run["accuracy"])
            found.setdefault(entry["name"], []).append(100 * share)
            if entry["name"].endswith("tflite-static_wi8_ai8"):
                ratios.append(entry["bytes_ratio"])
    rows = [(name, f"{min(values):.1f}–{max(values):.1f}") for name, values in found.items()]
    rows.append(("int8 TFLite bytes of float TFLite's (≤ 32%)", f"{100 * min(ratios):.1f}–{100 * max(ratios):.1f}"))
    return table((f"artifact, {SEEDS} seeds", "top-1 % of the 1,000 shipped test images"), rows), max(ratios) <= 0.32


SEEDS = 3
SECTIONS: dict[str, Callable[[Path], Section]] = {
    "accuracy": accuracy,
    "overhead": overhead,
    "startup": startup,
    "soak": soak,
    "repetitions": repetitions,
    **COMPRESSION,
    **SEARCHES,
    **TRUST,
    **MATRIX,
    **DOCTOR,
    **DETECTION,
    **DEVICES,
    **FIRMWARE,
    **LINUX,
    **TRACKING,
    **FAULTS,
    **THROUGHPUT,
}

if __name__ == "__main__":
    sys.exit(main())
