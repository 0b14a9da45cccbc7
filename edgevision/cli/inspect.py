"""``edgevision inspect``: what an artifact, or a bare model file, is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgevision.cli.command import command
from edgevision.cli.options import model_argument
from edgevision.cli.output import facts, show, table, working

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.preprocessing import Preprocessing
    from edgevision.tensors import TensorSpec


@command("inspect", "edgevision inspect runs/resnet8-tflite-static_wi8_ai8", "edgevision inspect model.tflite --json")
@model_argument()
def inspect(model: Path) -> None:
    """Show what is known about MODEL: its tensors, preprocessing, labels, how it was made, what was measured.

    MODEL is an artifact, whose files are checked against their hashes, or a bare model file.
    """
    from edgevision.cli.models import open_model

    with working("reading"):
        artifact = open_model(model)
    show({"manifest": artifact.manifest.to_dict(), "bytes": artifact.bytes}, describe(artifact))


def describe(artifact: Artifact) -> str:
    """Return what is known about an artifact, as text."""
    manifest = artifact.manifest
    labels = manifest.labels
    known: dict[str, Any] = {
        "name": manifest.name,
        "format": manifest.format,
        "scheme": manifest.scheme,
        "task": manifest.task or "unknown",
        "labels": "unknown"
        if labels is None
        else f"{len(labels)}: {', '.join(labels[:10])}{' …' * (len(labels) > 10)}",
        "bytes": f"{artifact.bytes:,} ({artifact.deflated_bytes:,} deflated)",
        "preprocessing": "unknown"
        if manifest.preprocessing is None
        else describe_preprocessing(manifest.preprocessing),
        "scores": manifest.decoding.get("activation") if manifest.task in (None, "classification") else None,
        "decoding": None if manifest.task in (None, "classification") else _decoding(manifest.decoding),
        "source": manifest.source_sha256 and f"sha256 {manifest.source_sha256[:12]}…",
        "made by": " ▸ ".join(step.step for step in manifest.lineage) or None,
        "golden": manifest.golden and f"{len(manifest.golden['samples'])} samples",
        "sealed on": ", ".join(sorted(manifest.runtimes)) or None,
    }
    tensors = [("input", spec) for spec in manifest.inputs] + [("output", spec) for spec in manifest.outputs]
    if not tensors:
        return facts(known)
    rows = [_tensor_row(side, spec) for side, spec in tensors]
    return f"{facts(known)}\n\n{table(['tensor', 'name', 'dtype', 'shape', 'layout', 'scale', 'zero point'], rows)}"


def _decoding(decoding: Mapping[str, Any]) -> str | None:
    """Return a decoding with its parameters in one line; None where there is none."""
    parts = [decoding["decoder"]] if "decoder" in decoding else []
    return ", ".join([*parts, *(f"{key} {value}" for key, value in decoding.items() if key != "decoder")]) or None


def describe_preprocessing(preprocessing: Preprocessing) -> str:
    """Return a preprocessing in one line."""
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (preprocessing.mean, preprocessing.std))
    size = f"{preprocessing.width}×{preprocessing.height} {preprocessing.color}"
    return f"{size}, {preprocessing.resize} ({preprocessing.filter}), mean {mean}, std {std}"


def _tensor_row(side: str, spec: TensorSpec) -> list[str]:
    shape = "×".join("?" if size is None else str(size) for size in spec.shape)
    quant = spec.quant
    scale = "" if quant is None else f"{quant.scale[0]:g}" if len(quant.scale) == 1 else f"{len(quant.scale)} scales"
    zero_point = "" if quant is None else str(quant.zero_point[0])
    return [side, spec.name, spec.dtype, shape, spec.layout or "unknown", scale, zero_point]
