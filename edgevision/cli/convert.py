"""``edgevision convert``: a model in another format, its numbers as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.engine import ENGINES, engine_options, engine_settings
from edgevision.cli.options import Body, Choice, Decorator, model_argument, out_option, overwrite_option, seed_option
from edgevision.cli.output import note, show, table, working

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevision.converters.base import Conversion
    from edgevision.data.dataset import Images

FORMATS = ("tflite", "openvino", "onnx", *ENGINES)


def to_option(formats: Sequence[str]) -> Decorator:
    """``--to FORMAT``, one of these, several times."""
    return click.option(
        "--to", multiple=True, type=Choice(formats), default=("tflite",), show_default=True,
        help="Format; may be given several times.",
    )  # fmt: skip


def export_options(function: Body) -> Body:
    """``--data LOCATION --golden KIND --out DIR --overwrite --seed N``, of convert and quantize."""
    options: list[Decorator] = [
        click.option(
            "--data", metavar="LOCATION", help="Images to calibrate on and to keep some of: as for evaluate --data."
        ),
        click.option(
            "--golden",
            type=Choice(["data", "synthetic", "none"]),
            help="Samples that travel with the artifact.  [default: data with --data, else synthetic]",
        ),
        seed_option,
        out_option("runs"),
        overwrite_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


def open_parts(data: str | None, golden: str | None) -> tuple[Images | None, Images | None, str]:
    """Return the images to learn from, those to take golden samples from, and what these are to be."""
    if data is None:
        return None, None, golden or "synthetic"
    from edgevision.data.locate import open_image_splits

    train, test = open_image_splits(data)
    return train, test or train, golden or "data"


@command(
    "convert",
    "edgevision convert sample --to tflite --to openvino --data sample",
    "edgevision convert model.keras --scheme float16 --golden none",
    "edgevision convert model.keras --scheme float16 --to tensorrt-plan --golden none",
)
@model_argument()
@click.option(
    "--scheme",
    type=Choice(["float32", "float16"]),
    default="float32",
    show_default=True,
    help="Numbers of the weights.",
)
@click.option("--sparse-encoding", is_flag=True, help="Store kernels with many zeros without them (TFLite, float32).")
@to_option(FORMATS)
@engine_options
@export_options
def convert(
    model: Path,
    scheme: str,
    sparse_encoding: bool,
    to: tuple[str, ...],
    data: str | None,
    golden: str | None,
    seed: int,
    out: Path,
    overwrite: bool,
    **engine: Any,
) -> None:
    """Convert MODEL and write OUT/NAME-FORMAT-SCHEME for each format.

    MODEL is a Keras model, a SavedModel, a float .tflite or .onnx file, the artifact of one, or 'sample', the ResNet-8
    that comes with edgevision. A SavedModel can run code, which happens in a process of its own.

    Each artifact has golden samples with the float model's answers, and is sealed on the runtimes here: verify
    compares with that. Models of quantization-aware training are converted by quantize.

    tensorrt builds an engine with the TensorRT that is here, for this machine's GPU; tensorrt-plan writes what a device
    that is elsewhere builds it from, with a script.
    """
    from edgevision.cli.models import open_any_source
    from edgevision.export import export, make_golden

    settings = engine_settings(to, engine)
    _, samples, policy = open_parts(data, golden)
    with working("converting"):
        source = open_any_source(model)
        conversions = export(
            source,
            out,
            to=to,
            scheme=scheme,
            sparse_encoding=sparse_encoding,
            golden=make_golden(source, samples, policy=policy, seed=seed),
            engine=settings,
            seed=seed,
            overwrite=overwrite,
        )
    show_conversions(conversions)


def show_conversions(conversions: tuple[Conversion, ...], **more: object) -> None:
    """Print which artifacts there are now, and on standard error what was skipped."""
    reports = [{"artifact": str(conversion.artifact.path), **conversion.report.to_dict()} for conversion in conversions]
    rows = [
        [
            conversion.artifact.path,
            f"{conversion.artifact.bytes:,}",
            f"{conversion.artifact.deflated_bytes:,}",
            ", ".join(sorted(conversion.artifact.manifest.runtimes)) or "–",
        ]
        for conversion in conversions
    ]
    show({"conversions": reports, **more}, table(["artifact", "bytes", "deflated", "sealed on"], rows))
    for conversion in conversions:
        for layer, reason in conversion.report.skipped:
            note(f"edgevision: {conversion.report.format}: skipped {layer}: {reason}")
