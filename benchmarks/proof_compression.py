"""The sections of `proof.py` on compression. A long training is left out where its model is there already."""

from __future__ import annotations

import os
import statistics
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proof_parts import Section, edgevision, exported, says, table

from edgevision.artifact import Artifact

FORMATS = ("tflite", "openvino")
TO_BOTH = ("--to", "tflite", "--to", "openvino")
HEAD = ("what", "measured", "bound", "holds")
Row = tuple[str, str, str, bool]
TRAINING = ("--batch-size", "128", "--augment", "crop-flip", "--teacher", "sample")
CHANNELS = (
    "--method", "channels", "--target-macs", "0.5", "--importance", "bn_scale", "--epochs", "150", "--optimizer", "sgd",
    "--learning-rate", "0.1", "--weight-decay", "0.0005",
)  # fmt: skip
SPARSE = ("--target-sparsity", "0.62", "--allocation", "layer_adaptive", "--epochs", "20", "--learning-rate", "0.002")
CLUSTERED = ("--clusters", "16", "--keep-sparsity", "--epochs", "5", "--learning-rate", "0.0005")
TRAINED = (
    "--method", "qat", "--keep-sparsity", "--keep-clusters", "--epochs", "5", "--learning-rate", "0.0003",
)  # fmt: skip
IMAGENET = ("--mean", "123.675,116.28,103.53", "--std", "58.395,57.12,57.375", "--activation", "logits")


def shared(*parts: str) -> Path:
    """A file below EDGEVISION_DATA."""
    return Path(os.environ["EDGEVISION_DATA"]).joinpath(*parts)


def top1(artifact: Path, runtime: str, data: Path | None = None) -> float:
    """Percent of the test images: the complete CIFAR-10's, or those of ``data``."""
    where = data or shared("cifar10")
    document = edgevision("evaluate", artifact, "--data", where, "--split", "test", "--runtime", runtime)
    return 100 * float(document["classification"]["accuracy"]["value"])


def once(made: Path, *command: str | Path) -> Path:
    """Run a command that makes ``made``, unless it is there."""
    if not made.exists():
        edgevision(*command)
    return made


def shown(rows: list[Row]) -> Section:
    return table(HEAD, [(*row[:3], says(row[3])) for row in rows]), all(row[3] for row in rows)


def accuracy_rows(small: dict[str, Path], whole: dict[str, Path], drop: float, floor: float) -> list[Row]:
    """Return a row a format: top-1 of the small artifact against float's less ``drop``, and against ``floor``."""
    rows = []
    for form in FORMATS:
        reference, reached = top1(whole[form], form), top1(small[form], form)
        least = max(floor, reference - drop)
        text = f"≥ {floor} and ≥ {reference - drop:.2f} (float − {drop})"
        rows.append((f"{form} int8, top-1 % of 10,000", f"{reached:.2f}", text, reached >= least))
    return rows


def ratios(small: dict[str, Path], whole: dict[str, Path], form: str) -> list[float]:
    """Return p50 of the small artifact over p50 of the whole one, in turns, three times."""
    found = []
    for seed in range(3):
        document = edgevision("benchmark", whole[form], small[form], "--seed", str(seed), "--min-duration", "5")
        first, second = (entry["latency"]["p50_ms"] for entry in document["entries"])
        found.append(second / first)
    return found


def channels(out: Path) -> Section:
    """ResNet-8 at half of its operations, fine-tuned with distillation, int8."""
    exported(out)
    data, model = ("--data", shared("cifar10")), out / "channels"
    once(model, "prune", "sample", *data, *CHANNELS, *TRAINING, "--out", model)
    int8 = {form: out / "channels-int8" / f"resnet8-{form}-static_wi8_ai8" for form in FORMATS}
    once(int8["openvino"], "quantize", model, "--data", "sample", *TO_BOTH, "--out", out / "channels-int8")
    steps = edgevision("inspect", model)["manifest"]["lineage"]
    before, after = next(step["parameters"]["macs"] for step in reversed(steps) if step["step"] == "prune")
    rows: list[Row] = [("operations", f"{after:,} of {before:,}: {after / before:.1%}", "≤ 50%", after <= before / 2)]
    rows += accuracy_rows(int8, {form: out / f"resnet8-{form}-float32" for form in FORMATS}, 1.5, 86.0)
    for form, bound in (("tflite", 0.8), ("openvino", 0.9)):
        found = ratios(int8, {form: out / f"resnet8-{form}-static_wi8_ai8"}, form)
        spread = f"{statistics.median(found):.3f} ({min(found):.3f}–{max(found):.3f})"
        rows.append((f"{form} int8, p50 / p50 unpruned", spread, f"≤ {bound:.2f}", statistics.median(found) <= bound))
    return shown(rows)


def collaborative(out: Path) -> Section:
    """ResNet-8 pruned, clustered, and trained for int8, zeros and clusters kept."""
    exported(out)
    data = ("--data", shared("cifar10"))
    sparse, clustered, folder = out / "sparse", out / "clustered", out / "collaborative"
    once(sparse, "prune", "sample", *data, *SPARSE, *TRAINING, "--out", sparse)
    once(clustered, "cluster", sparse, *data, *CLUSTERED, *TRAINING, "--out", clustered)
    int8 = {form: folder / f"resnet8-{form}-static_wi8_ai8" for form in FORMATS}
    once(int8["openvino"], "quantize", clustered, *data, *TRAINED, *TRAINING, *TO_BOTH, "--out", folder)
    whole = {form: out / f"resnet8-{form}-float32" for form in FORMATS}
    size = Artifact.open(int8["tflite"]).deflated_bytes
    share = size / Artifact.open(whole["tflite"]).bytes
    rows: list[Row] = [("int8 TFLite, deflated, of the float TFLite", f"{size:,}: {share:.1%}", "≤ 12%", share <= 0.12)]
    return shown([*rows, *accuracy_rows(int8, whole, 1.5, 85.7)])


def imagenet(out: Path) -> Section:
    """MobileNetV2, a Keras 3 file: static int8, and 30% of its operations less."""
    folder = out / "imagenet"
    images, labels = imagenet_images(folder)
    model = folder / "model"
    file = shared("models", "imagenet", "mobilenet_v2_torchvision.keras")
    known = ("--task", "classification", "--labels", labels, *IMAGENET)
    once(model, "adopt", file, *known, "--name", "mobilenet_v2", "--out", model)
    whole = {form: folder / f"mobilenet_v2-{form}-float32" for form in FORMATS}
    int8 = {form: folder / f"mobilenet_v2-{form}-static_wi8_ai8" for form in FORMATS}
    once(whole["openvino"], "convert", model, *TO_BOTH, "--out", folder)
    data = ("--data", images, "--calibration-count", "100")
    once(int8["openvino"], "quantize", model, *data, *TO_BOTH, "--out", folder)
    rows: list[Row] = []
    for form in FORMATS:
        reference, reached = top1(whole[form], form, images), top1(int8[form], form, images)
        text = f"{reached:.2f}, float {reference:.2f}"
        rows.append((f"{form} int8, top-1 % of 400", text, "≥ float − 2", reached >= reference - 2))
    small = folder / "smaller"
    document = _pruned(model, small)
    share = document["after"]["macs"] / document["before"]["macs"]
    rows.append(("operations after channel pruning", f"{share:.1%}", "≤ 70%", share <= 0.7))
    error = document["identity_error"]
    rows.append(("difference from the masked original", f"{error:.1g} of the outputs' range", "≤ 0.001", error <= 1e-3))
    once(small / "mobilenet_v2-openvino-static_wi8_ai8", "quantize", small / "model", *data, *TO_BOTH, "--out", small)
    for form in FORMATS:
        verdict = edgevision("verify", small / f"mobilenet_v2-{form}-static_wi8_ai8")["verdict"]
        rows.append((f"{form} int8 of it runs and is verified", verdict, "holds", verdict == "holds"))
    return shown(rows)


def _pruned(model: Path, folder: Path) -> dict[str, Any]:
    options = ("--method", "channels", "--target-macs", "0.7", "--epochs", "0", "--overwrite")
    return dict(edgevision("prune", model, *options, "--out", folder / "model")["report"])


def imagenet_images(folder: Path) -> tuple[Path, Path]:
    """Lay out the 500 photographs by class, every fifth for calibration, and write the names of the classes."""
    images, labels = folder / "images", folder / "labels.txt"
    folder.mkdir(parents=True, exist_ok=True)
    labels.write_text("\n".join(f"{index:04d}" for index in range(1000)), encoding="utf-8")
    with zipfile.ZipFile(shared("imagenet_sample500_224.zip")) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        for position, name in enumerate(names):
            file = images / ("train" if position % 5 == 0 else "test") / name[:4] / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(archive.read(name))
    return images, labels


COMPRESSION: dict[str, Callable[[Path], Section]] = {
    "channels": channels,
    "collaborative": collaborative,
    "imagenet": imagenet,
}
