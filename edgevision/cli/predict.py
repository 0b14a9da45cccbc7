"""``edgevision predict``: labels and scores for images."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgevision.cli.command import command
from edgevision.cli.options import model_argument, runtime_options, runtime_settings
from edgevision.cli.output import note, show, table, working


@command(
    "predict",
    "edgevision predict runs/resnet8-tflite-static_wi8_ai8 cat.png",
    "cat photo.jpg | edgevision predict runs/resnet8-tflite-static_wi8_ai8 - --top 1 --json",
)
@model_argument()
@click.argument("images", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Classes to show for each image.")
@runtime_options()
def predict(
    model: Path,
    images: tuple[str, ...],
    top: int,
    runtime: str | None,
    device: str,
    threads: int | None,
    precision: str | None,
    chosen: tuple[tuple[str, str], ...],
    isolate: bool | None,
) -> None:
    """Classify IMAGES: image files, folders of them, or - for an image on standard input."""
    from edgevision.cli.models import open_to_run
    from edgevision.predict import predict as predict_images

    sources = [sys.stdin.buffer.read() if image == "-" else image for image in images]
    options = runtime_settings(threads, precision, chosen, [runtime] if runtime else [])
    artifact = open_to_run(model, [runtime] if runtime else [], device, options, isolate)
    with working("predicting") as progress:
        result = predict_images(
            artifact,
            sources,
            runtime=runtime,
            device=device,
            options=options,
            top_k=top,
            progress=progress,
        )
    rows = [
        [entry.image if rank == 0 else "", prediction.label, f"{prediction.score:.4f}"]
        for entry in result.images
        for rank, prediction in enumerate(entry.classes)
    ]
    show(result.to_dict(), table(["image", "label", "score"], rows))
    for name, reason in result.skipped:
        note(f"edgevision: skipped {name}: {reason}")
    if result.skipped:
        click.get_current_context().exit(1)
