"""The sections of `proof.py` on results that one can trust: damaged files are answered."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from proof_parts import ROOT, Section, edgevision, exported, run, says, table

COPIES = "300"
REPETITIONS = "200"
NAMES = {"itself": "itself", "slower": "itself, each inference a tenth longer"}

BESIDE = {
    "offline": ("int8 ResNet-8, IR: throughput, benchmark_app -hint throughput", "/s", 0.95),
    "single_small": ("int8 ResNet-8, IR: p50, benchmark_app -api sync", "ms", 1.05),
    "caller_small": ("the same, benchmark_app's from one call to the next", "ms", 1.05),
    "single_large": ("int8 MobileNetV2, IR: p50, benchmark_app -api sync", "ms", 1.05),
    "single_litert": ("int8 MobileNetV2, TFLite: p50, litert-benchmark", "ms", 1.05),
    "image_to_class": ("int8 ResNet-8, IR: image to class, Model API", "µs", 0.5),
}
"""Key of `against_vendors.py` -> what is compared, in what, and the bound of the ratio."""


def corrupt(out: Path) -> Section:
    """Corrupted copies of models of each format through inspect, verify and benchmark; see `corrupt.py`."""
    exported(out)
    models = {
        "tflite": out / "resnet8-tflite-static_wi8_ai8" / "model.tflite",
        "openvino": out / "resnet8-openvino-static_wi8_ai8" / "model.xml",
        "onnx": out / "corrupt" / "resnet8-onnx-static_wi8_ai8" / "model.onnx",
        "keras": ROOT / "benchmarks" / "half_resnet8" / "model.keras",
    }
    if not models["onnx"].exists():
        edgevision("quantize", "sample", "--to", "onnx", "--data", "sample", "--out", out / "corrupt")
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


def vendors(out: Path) -> Section:
    """The runtime layer beside the vendors' own tools; see `against_vendors.py`. Needs what `matrix` made."""
    exported(out)
    folder = out / "matrix" / "mobilenet_v2"
    large = {form: folder / f"mobilenet_v2-{form}-static_wi8_ai8" for form in ("openvino", "tflite")}
    command = (sys.executable, ROOT / "benchmarks" / "against_vendors.py", "--ir",
               out / "resnet8-openvino-static_wi8_ai8", "--mobilenet-ir", large["openvino"],
               "--mobilenet", large["tflite"])  # fmt: skip
    found = json.loads(run(*command))
    rows = []
    for name, (what, unit, bound) in BESIDE.items():
        pair = found[name]
        holds = pair["ratio"] >= bound if name == "offline" else pair["ratio"] <= bound
        told = f"{pair['ours']:,.3f} to {pair['theirs']:,.3f} {unit}: {pair['ratio']:.3f}"
        rows.append((what, told, f"{'≥' if name == 'offline' else '≤'} {bound}", says(holds)))
    alike = found["image_to_class"]["same_class"]
    rows.append(("the same: calls with the class of Model API", f"{alike:.1%}", "all", says(alike == 1)))
    held = all(row[-1] == "yes" for row in rows)
    return table(["edgevision to the vendor's tool", "measured", "bound", "holds"], rows), held


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


TRUST: dict[str, Callable[[Path], Section]] = {
    "corrupt": corrupt,
    "comparing": comparing,
    "vendors": vendors,
    "remote": remote,
}
