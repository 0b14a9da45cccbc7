"""The section of `proof.py` that puts every model on every runtime; see `matrix.py`."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from proof_compression import IMAGENET, imagenet_images, once, shared
from proof_parts import ROOT, Section, edgevision, run, says, table

from edgevision.devices.cpu import cpu_facts

BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
TO_ALL = ("--to", "tflite", "--to", "openvino", "--to", "onnx")
FORMATS = ("tflite", "openvino", "onnx")


def matrix(out: Path) -> Section:
    """ResNet-8, MobileNetV2 and VWW, float and int8, on every runtime; and bfloat16, named by verify."""
    folder = out / "matrix"
    rows: list[tuple[object, ...]] = []
    told: list[str] = []
    for name, (model, data, split, count) in _models(folder).items():
        made = folder / name
        once(made / f"{name}-onnx-float32", "convert", model, *TO_ALL, "--data", data, "--out", made)
        calibration = ("--data", data, "--calibration-count", count)
        once(made / f"{name}-onnx-static_wi8_ai8", "quantize", model, *TO_ALL, *calibration, "--out", made)
        artifacts = [made / f"{name}-{form}-{scheme}" for scheme in ("float32", "static_wi8_ai8") for form in FORMATS]
        command = (sys.executable, ROOT / "benchmarks" / "matrix.py", *artifacts, "--data", data, "--split", split)
        found = json.loads(run(*command, "--float", artifacts[0]))
        rows += [_row(name, row) for row in found["rows"]]
        rows += [(name, row["scheme"], row["way"], f"none here: {row['why']}", *4 * ["–"]) for row in found["absent"]]
        told.append(f"{name}: {found['noise']['verdict']}")
    row, shown = _bfloat16(folder / "resnet8" / "resnet8-openvino-float32")
    rows.append(row)
    head = ["model", "scheme", "runtime", "top-1 %", "same top-1 as float", "SQNR dB", "p50 ms", "p99 ms"]
    return [*table(head, rows), "", f"While times were taken, the machine was: {'; '.join(told)}."], shown


def _row(name: str, row: dict[str, object]) -> tuple[object, ...]:
    same, sqnr, p99 = row["agreement"], row["sqnr_db"], row["p99_ms"]
    assert isinstance(same, dict)
    return (
        name, row["scheme"], row["way"], f"{100 * float(str(row['accuracy'])):.2f}",
        f"{same['successes']:,} of {same['count']:,}", "equal" if sqnr is None else f"{sqnr:.1f}",
        f"{row['p50_ms']:.3f}", "too few" if p99 is None else f"{p99:.3f}",
    )  # fmt: skip


def _bfloat16(artifact: Path) -> tuple[tuple[object, ...], bool]:
    """Return a row on `verify --precision bfloat16`, and whether it names bfloat16 as the cause."""
    named, told = False, "not shown: this processor has no bfloat16"
    if BFLOAT16 & set(cpu_facts().features):
        document = edgevision("verify", artifact, "--runtime", "openvino", "--precision", "bfloat16")
        (check,) = document["checks"]
        named = any("bfloat16" in cause for cause in check["causes"] or ())
        told = f"{document['verdict']}; {'; '.join(check['causes'] or ['no cause'])}: {says(named)}"
    return ("resnet8", "float32", "verify --precision bfloat16", told, *4 * ["–"]), named


def _models(folder: Path) -> dict[str, tuple[str | Path, Path, str, str]]:
    """Name -> what is converted, its images, which of them are run, and how many calibrate."""
    images, labels = imagenet_images(folder / "imagenet")
    mobilenet = folder / "mobilenet_v2"
    file = shared("models", "imagenet", "mobilenet_v2_torchvision.keras")
    known = ("--task", "classification", "--labels", labels, *IMAGENET)
    once(mobilenet, "adopt", file, *known, "--name", "mobilenet_v2", "--out", mobilenet)
    vww, people = folder / "vww", _vww_images(folder / "people")
    file = shared("models", "mlperf_tiny", "vww", "vww_96.h5")
    known = ("--task", "classification", "--mean", "0", "--std", "255", "--activation", "softmax")
    known += ("--labels", "no_person,person")
    once(vww, "adopt", file, *known, "--name", "vww", "--out", vww)
    return {
        "resnet8": ("sample", shared("cifar10"), "test", "500"),
        "mobilenet_v2": (mobilenet, images, "test", "100"),
        "vww": (vww, people, "test", "24"),
    }


def _vww_images(folder: Path) -> Path:
    """Lay out the 120 photographs by class, every fifth for calibration."""
    with zipfile.ZipFile(shared("vww96_coco_train.zip")) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        for position, name in enumerate(names):
            file = folder / ("train" if position % 5 == 0 else "test") / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(archive.read(name))
    return folder


MATRIX: dict[str, Callable[[Path], Section]] = {"matrix": matrix}
