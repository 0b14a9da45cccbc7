"""The section of `proof.py` that compares generated firmware with TFLite Micro; see `firmware.py`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from firmware import compare, input_shape
from firmware_inputs import dataset_images, photographs, sounds
from firmware_models import detector, mobilenet_v2
from proof_parts import Section, says, table

from edgevision.graphs import read_graph

RANDOM, REAL = 1000, 200
DISTINCT = 30
"""So many different answers have to come: a model that always says the same shows nothing. VWW's are of two bytes."""
MLPERF = {
    "ResNet-8": ("resnet8_cifar10/pretrainedResnet_quant.tflite", "CIFAR-10", 54_996),
    "DS-CNN (keywords)": ("kws/kws_ref_model.tflite", "MFCC of synthetic sounds", 22_820),
    "MobileNet (VWW)": ("vww/vww_96_int8.tflite", "COCO photographs", 100_708),
    "autoencoder (AD)": ("ad/ad01_int8.tflite", "log-mel of synthetic sounds", 2_580),
}
"""Model -> its file, what its real inputs are, and the arena of TFLite Micro with CMSIS-NN on a Cortex-M7."""
MADE = {"MobileNetV2 0.35": mobilenet_v2, "detector like YOLO": detector}
INTERPRETER_BYTES = 64_000
"""The least code that TFLite Micro with CMSIS-NN had beside the model file, on a Cortex-M7."""


def section(out: Path) -> Section:
    """Every answer of six models against TFLite Micro's, and the memory of both."""
    rows, held = [], True
    for name, path, kind, known in models(out / "firmware"):
        found = compare(path, RANDOM, real_inputs(path, kind))
        there, arena, measured = found["tflite_micro"], found["arena_bytes"], found["measured"] or {}
        flash, bound = measured.get("flash_bytes"), path.stat().st_size + INTERPRETER_BYTES
        enough = found["inputs"] == {"random": RANDOM, "real": REAL} and found["answers"] >= DISTINCT
        small = arena <= min(known or there["total"], there["total"]) and (flash or 0) < bound
        held &= enough and small and not found["different"]
        rows.append((
            name, f"{found['different']} of {RANDOM:,} random + {REAL} {kind}", f"{found['answers']:,}", f"{arena:,}",
            "yes" if arena == found["bound_bytes"] else f"no: {found['bound_bytes']:,}",
            f"{known:,}" if known else "–", f"{there['total']:,} ({there['head']:,})",
            "not measured" if flash is None else f"{flash:,}", f"< {bound:,}",
            says(enough and small and not found["different"]),
        ))  # fmt: skip
    head = (
        "model", "inputs that differ", "distinct answers", "arena", "= liveness bound", "TFLite Micro's, M7, CMSIS-NN",
        "TFLite Micro's here (tensors and scratch)", "flash on Cortex-M7", "bound", "holds",
    )  # fmt: skip
    return table(head, rows), held


def models(folder: Path) -> Iterator[tuple[str, Path, str, int | None]]:
    """Yield name, file, what real inputs are, and a known arena of TFLite Micro."""
    data = Path(os.environ["EDGEVISION_DATA"]) / "models" / "mlperf_tiny"
    for name, (file, kind, arena) in MLPERF.items():
        yield name, data / file, kind, arena
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in MADE.items():
        path = folder / f"{make.__name__}.tflite"
        if not path.exists():
            path.write_bytes(make())
        yield name, path, "COCO photographs", None


def real_inputs(path: Path, kind: str, count: int = REAL) -> Iterator[np.ndarray]:
    """Yield so many inputs that are not random."""
    shape = input_shape(path)
    if kind == "CIFAR-10":
        return dataset_images("sample", shape, count)
    if kind == "COCO photographs":
        return photographs(shape, count)
    graph = read_graph(path)
    value = graph.values[graph.inputs[0]]
    return sounds("kws" if kind.startswith("MFCC") else "ad", value.scales[0], value.zero_points[0], count)


FIRMWARE: dict[str, Callable[[Path], Section]] = {"firmware": section}
