"""``edgevision predict``: what is in images."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgevision.cli.command import command
from edgevision.cli.options import FloatRange, model_argument, runtime_options, runtime_settings
from edgevision.cli.output import note, show, table, working

if TYPE_CHECKING:
    from edgevision.predict import ImagePrediction, Predictions


@command(
    "predict",
    "edgevision predict runs/resnet8-tflite-static_wi8_ai8 cat.png",
    "edgevision predict yolox street.jpg --score-threshold 0.5 --draw drawn",
    "cat photo.jpg | edgevision predict runs/resnet8-tflite-static_wi8_ai8 - --top 1 --json",
)
@model_argument()
@click.argument("images", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Classes to show for each image.")
@click.option(
    "--score-threshold",
    type=FloatRange(0, 1),
    help="Leave out objects with a lower score.  [default: the artifact's threshold]",
)
@click.option(
    "--draw", metavar="DIR", type=click.Path(path_type=Path), help="Write each image into DIR with the result on it."
)
@runtime_options()
def predict(
    model: Path,
    images: tuple[str, ...],
    top: int,
    score_threshold: float | None,
    draw: Path | None,
    runtime: str | None,
    device: str,
    threads: int | None,
    precision: str | None,
    chosen: tuple[tuple[str, str], ...],
    isolate: bool | None,
) -> None:
    """Say what MODEL sees in IMAGES: image files, folders of them, or - for an image on standard input.

    A classifier gives its likeliest classes, a detector the objects with their boxes in pixels, a segmentation the
    share of each class, an embedding model its vector (whole with --json).
    """
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
            score_threshold=score_threshold,
            draw=draw,
            progress=progress,
        )
    show(result.to_dict(), _text(result))
    for name, reason in result.skipped:
        note(f"edgevision: skipped {name}: {reason}")
    if result.skipped:
        click.get_current_context().exit(1)


def _text(result: Predictions) -> str:
    if any(entry.detections is not None for entry in result.images):
        return table(["image", "label", "score", "x1", "y1", "x2", "y2"], list(_objects(result)))
    if any(entry.segmentation is not None for entry in result.images):
        return table(["image", "label", "share"], list(_shares(result)))
    if any(entry.embedding is not None for entry in result.images):
        return table(["image", "values", "first"], [_vector(entry) for entry in result.images])
    rows = [
        [entry.image if rank == 0 else "", prediction.label, f"{prediction.score:.4f}"]
        for entry in result.images
        for rank, prediction in enumerate(entry.classes)
    ]
    return table(["image", "label", "score"], rows)


def _objects(result: Predictions) -> Iterator[list[object]]:
    """A row for each object, and one for an image without any."""
    for entry in result.images:
        found = [] if entry.detections is None else entry.detections.to_list(entry.labels)
        if not found:
            yield [entry.image, "nothing", *5 * [""]]
        for rank, one in enumerate(found):
            box = [f"{value:.1f}" for value in one["box"]]
            label = one["label"] if one["label"] is not None else f"class {one['index']}"
            yield [entry.image if rank == 0 else "", label, f"{one['score']:.4f}", *box]


def _shares(result: Predictions) -> Iterator[list[object]]:
    """A row for each class that an image has."""
    for entry in result.images:
        found = [] if entry.segmentation is None else entry.segmentation.to_list(entry.labels)
        for rank, one in enumerate(found):
            label = one["label"] if one["label"] is not None else f"class {one['index']}"
            yield [entry.image if rank == 0 else "", label, f"{one['share']:.4f}"]


def _vector(entry: ImagePrediction) -> list[object]:
    values = [] if entry.embedding is None else entry.embedding.tolist()
    return [entry.image, len(values), ", ".join(f"{value:.4f}" for value in values[:4]) + " …" * (len(values) > 4)]
