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
    from edgevision.inspecting import Contents
    from edgevision.preprocessing import Preprocessing
    from edgevision.tensors import TensorSpec


@command("inspect", "edgevision inspect runs/resnet8-tflite-static_wi8_ai8", "edgevision inspect model.tflite --json")
@model_argument()
def inspect(model: Path) -> None:
    """Show what is known about MODEL: its tensors, preprocessing, labels, how it was made, what was measured.

    MODEL is an artifact, whose files are checked against their hashes, or a bare model file. Of a file that was
    compiled for an Edge TPU or an Ethos-U it shows what is inside, and which operators are left to the processor.
    """
    from edgevision.cli.models import open_model
    from edgevision.inspecting import inspect_contents

    with working("reading"):
        artifact = open_model(model)
        contents = inspect_contents(artifact)
    document = {"manifest": artifact.manifest.to_dict(), "bytes": artifact.bytes}
    text = describe(artifact)
    if contents is not None:
        document["compiled"] = contents.to_dict()
        text += f"\n\n{describe_contents(contents)}"
    show(document, text)


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


def describe_contents(contents: Contents) -> str:
    """Return what is inside of a compiled model, as text."""
    report = contents.mapping
    known: dict[str, Any] = {"accelerator": report.accelerator, "mapping": report.by, **report.facts}
    rows = [part.to_dict() for part in contents.parts]
    names = [name for name in rows[0] if name not in ("compiler", "runtime_version")]
    shown = [[_cell(row[name]) for name in names] for row in rows]
    left = [f"on the processor: {p.kind} {p.index} ({p.name}): {p.reason}" for p in report.on_cpu]
    return "\n".join([
        facts({name.replace("_", " "): _cell(value) for name, value in known.items()}),
        "", table([name.replace("_", " ") for name in names], shown), "",
        *(left or ["nothing is left to the processor"]),
    ])  # fmt: skip


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and value < 1 << 48 else str(value)


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
