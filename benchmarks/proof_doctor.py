"""The section of `proof.py` on the doctor: what it recovers of eight bare model files, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proof_compression import IMAGENET, TO_BOTH, imagenet_images, once, shared
from proof_parts import Section, edgevision, says, table

UNSEEN = "cannot be seen in these images"


@dataclass(frozen=True)
class Known:
    """A bare model file, its images, and how it was trained.

    Attributes:
        name: What the table calls it.
        file: The model file.
        data: Labelled images.
        options: More options of ``edgevision doctor``.
        normalizations: What the doctor may call the normalization that it was trained with.
        filters: Resize filters that it may name; empty where images have the size of the input.
    """

    name: str
    file: Path
    data: Path
    options: tuple[str | Path, ...]
    normalizations: tuple[str, ...]
    filters: tuple[str, ...] = ()


def doctor(out: Path) -> Section:
    """What the doctor finds is what the model was trained with, and what images cannot show it does not claim."""
    rows, held = [], True
    for known in _files(out / "doctor"):
        found = edgevision("doctor", known.file, "--data", known.data, *known.options)
        fields = {field["name"]: field for field in found["fields"]}
        right = found["verdict"] == "recovered" and fields["color"]["identified"] and found["spec"]["color"] == "RGB"
        right &= _named(fields["normalization"], known.normalizations)
        right &= _geometry(fields, known.filters)
        held &= right
        share = 100 * found["accuracy"]["value"]
        told = (_told(fields[name]) for name in ("normalization", "color", "resize", "filter"))
        rows.append((known.name, f"{found['images']:,}", f"{share:.1f}", *told, says(right)))
    return table(["bare file", "images", "top-1 %", "normalization", "color", "resize", "filter", "right"], rows), held


def _named(field: dict[str, Any], names: tuple[str, ...]) -> bool:
    return not {field["value"], *field["unseen"]}.isdisjoint(names)


def _geometry(fields: dict[str, Any], filters: tuple[str, ...]) -> bool:
    """Whether nothing is claimed that the images cannot show, and nothing wrong."""
    if not filters:
        return not fields["resize"]["identified"] and not fields["filter"]["identified"]
    return not fields["filter"]["identified"] or _named(fields["filter"], filters)


def _told(field: dict[str, Any]) -> str:
    """What the doctor says of a field, with its largest corrected p value of a rival."""
    ps = [rival["loss"]["p"] for rival in field["rivals"] if not rival["same_input"]]
    if not ps:
        return UNSEEN
    if field["identified"]:
        return f"{field['value']} (p ≤ {max(ps):.1g})"
    return f"{field['value']}, or {' or '.join(field['close'])}"


def _files(folder: Path) -> list[Known]:
    images, labels = imagenet_images(folder / "imagenet")
    mobilenet = folder / "mobilenet_v2"
    file = shared("models", "imagenet", "mobilenet_v2_torchvision.keras")
    known = ("--task", "classification", "--labels", labels, *IMAGENET)
    once(mobilenet, "adopt", file, *known, "--name", "mobilenet_v2", "--out", mobilenet)
    exports = {scheme: folder / f"mobilenet_v2-tflite-{scheme}" for scheme in ("float32", "static_wi8_ai8")}
    once(exports["float32"], "convert", mobilenet, "--data", images, *TO_BOTH, "--out", folder)
    calibration = ("--data", images, "--calibration-count", "100")
    once(exports["static_wi8_ai8"], "quantize", mobilenet, *calibration, *TO_BOTH, "--out", folder)
    bare = {scheme: folder / f"mobilenet_v2-{scheme}.tflite" for scheme in exports}
    for scheme, path in bare.items():
        path.write_bytes((exports[scheme] / "model.tflite").read_bytes())
    torch = ("--labels", labels, "--split", "test")
    tiny, coral = shared("models", "mlperf_tiny"), shared("models", "coral")
    people = shared("vww96_coco_train.zip")
    background = folder / "labels-1001.txt"
    background.write_text("background\n" + labels.read_text(encoding="utf-8"), encoding="utf-8")
    named = ("--labels", background)
    cifar = ("--split", "test", "--count", "2000")
    resnet8, vww = tiny / "resnet8_cifar10", tiny / "vww"
    person = ("--labels", "no_person,person")
    stored = "pixels as the input stores them"
    return [
        Known("ResNet-8, float", resnet8 / "pretrainedResnet.tflite", shared("cifar10"), cifar, ("0 to 255",)),
        Known(
            "ResNet-8, int8", resnet8 / "pretrainedResnet_quant.tflite", shared("cifar10"), cifar, ("0 to 255", stored)
        ),
        Known("VWW, float", vww / "vww_96_float.tflite", people, person, ("0 to 1",)),
        Known("VWW, int8", vww / "vww_96_int8.tflite", people, person, ("0 to 1", stored)),
        Known(
            "Coral MobileNet v1 0.25 128, uint8", coral / "mobilenet_v1_0.25_128_quant.tflite", images, named,
            ("-1 to 1 by 128", stored), ("bilinear", "linear_fixed", "area"),
        ),
        Known(
            "Coral MobileNet v2 224, uint8", coral / "mobilenet_v2_1.0_224_quant.tflite", images, named,
            ("-1 to 1 by 128", stored),
        ),
        Known(
            "MobileNet v2 of torchvision, float", bare["float32"], images, torch, ("ImageNet mean and std",)
        ),
        Known(
            "MobileNet v2 of torchvision, int8", bare["static_wi8_ai8"], images, torch, ("ImageNet mean and std",)
        ),
    ]  # fmt: skip


DOCTOR: dict[str, Callable[[Path], Section]] = {"doctor": doctor}
