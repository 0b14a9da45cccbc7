"""``edgevision compress``: run one recipe, or search for one that meets limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgevision.cli.command import command
from edgevision.cli.compression import compression_progress, show_compressed, show_search
from edgevision.cli.options import (
    Choice,
    FloatRange,
    Threads,
    model_argument,
    out_option,
    overwrite_option,
    refuse_options,
    seed_option,
)
from edgevision.cli.output import note, working

COUNT = click.IntRange(min=1)
ABOVE_0 = FloatRange(min=0, min_open=True)
LIMITS = ("max_drop", "min_accuracy", "max_bytes", "max_latency_ms")
OF_A_SEARCH = (*LIMITS, "trials", "time_limit", "epochs", "jobs", "storage", "study")


@command(
    "compress",
    "edgevision compress sample --data sample --max-drop 1.5 --max-bytes 60000 --to tflite --out runs/small",
    "edgevision compress sample --data sample --recipe recipe.toml --out runs/recipe",
    "edgevision compress runs/mine --data my-images/ --max-latency-ms 2 --jobs 2 --storage postgresql://db/studies",
)
@model_argument()
@click.option(
    "--data", required=True, metavar="LOCATION",
    help="Labelled images: a folder, zip or tar.gz; 'cifar10'; or 'sample', which comes with edgevision.",
)  # fmt: skip
@click.option("--recipe", metavar="FILE", type=click.Path(path_type=Path), help="Run this recipe instead of a search.")
@click.option(
    "--max-drop", type=FloatRange(0, 100), help="Points of accuracy that may be lost against the float model."
)
@click.option(
    "--min-accuracy", type=FloatRange(1, 100, min_open=True), help="Percent of the images that must be right."
)
@click.option("--max-bytes", type=COUNT, help="Bytes of the model files (OpenVINO: both).")
@click.option("--max-latency-ms", type=ABOVE_0, help="Median latency of one inference on --device.")
@click.option(
    "--to", multiple=True, type=Choice(["tflite", "openvino"]), default=("tflite", "openvino"), show_default=True,
    help="Format; may be given several times.",
)  # fmt: skip
@click.option("--device", default="cpu", show_default=True, help="Where candidates are measured.")
@click.option("--threads", type=Threads(), default=1, show_default=True, help="Threads that the runtime may use.")
@click.option(
    "--trials", type=COUNT, default=40, show_default=True, help="Candidates to finish, with earlier runs' ones."
)
@click.option("--time-limit", type=ABOVE_0, metavar="MINUTES", help="No candidate begins after so many minutes.")
@click.option("--epochs", type=COUNT, help="Of the longest fine-tuning.  [default: to fit the number of images]")
@click.option("--jobs", type=COUNT, default=1, show_default=True, help="Processes that work side by side.")
@click.option(
    "--storage", metavar="URL", help="Database of a study that several machines share.  [default: OUT/study.db]"
)
@click.option("--study", default="compress", show_default=True, help="The study's name in its database.")
@seed_option
@out_option("runs/compress")
@overwrite_option
def compress(model: Path, data: str, recipe: Path | None, out: Path, **options: Any) -> None:
    """Make MODEL meet limits: search for a recipe, and write the best artifact with its recipe and ledger to OUT/best.

    MODEL is a Keras model, the artifact of one, or 'sample', the ResNet-8 that comes with edgevision.

    Candidates are measured: bytes, accuracy on images that nothing was trained on, latency here. The table shows
    those that no other beats. Without one that meets every limit the exit status is 3. The same command again goes
    on where it was, also after it was killed.

    With --recipe, that recipe alone is run, and OUT gets its artifacts, the recipe, and a ledger of what each step did.
    Until then OUT.steps keeps the models between steps, and the same command goes on with them.
    """
    if recipe is None:
        _search(model, data, out, options)
        return
    refuse_options(OF_A_SEARCH, "is for a search", got="--recipe")
    _run(model, data, recipe, out, {name: value for name, value in options.items() if name not in OF_A_SEARCH})


def _run(model: Path, data: str, recipe: Path, out: Path, options: dict[str, Any]) -> None:
    from edgevision.cli.models import open_source
    from edgevision.compress import CompressionRecipe, apply_recipe
    from edgevision.compress.images import open_images

    document = CompressionRecipe.read(recipe)
    train, test = open_images(data, options["seed"])
    with working("compressing") as line:
        source = open_source(model)
        done = apply_recipe(source, document, train, test, out, progress=compression_progress(line), **options)
    show_compressed(done)


def _search(model: Path, data: str, out: Path, options: dict[str, Any]) -> None:
    from edgevision.cli.models import model_place
    from edgevision.compress import search
    from edgevision.compress.identity import SEARCH_FILE

    try:
        with working("searching") as line:
            result = search(model_place(model), data, out, progress=compression_progress(line), **options)
    except (KeyboardInterrupt, SystemExit):
        if Path(out, SEARCH_FILE).exists():
            note("edgevision: the search is kept; the same command goes on with it")
        raise
    show_search(result)
