"""``edgevision sensitivity``: which layers suffer when a model gets smaller, and what repairs the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.options import (
    Choice,
    FloatRange,
    data_options,
    model_argument,
    overwrite_option,
    refuse_options,
    seed_option,
)
from edgevision.cli.output import note, show, table, working
from edgevision.errors import ConfigError

QUANTIZING = ("to", "scheme", "granularity", "calibration_count")

if TYPE_CHECKING:
    from edgevision.compress.sensitivity_proof import Repair
    from edgevision.compress.sensitivity_report import LayerSensitivity, SensitivityReport
    from edgevision.data.dataset import ImageDataset


@command(
    "sensitivity",
    "edgevision sensitivity sample --data sample",
    "edgevision sensitivity runs/mine --data my-images/ --to openvino --repair runs/recipe.toml",
    "edgevision sensitivity runs/mine --data my-images/ --what prune --target-sparsity 0.7",
)
@model_argument()
@data_options(required=True)
@click.option(
    "--what", type=Choice(["quantize", "prune", "channels"]), default="quantize", show_default=True,
    help="What is tried on each layer: integers, zeros, or fewer channels.",
)  # fmt: skip
@click.option(
    "--to", type=Choice(["tflite", "openvino"]), default="tflite", show_default=True,
    help="quantize: format whose rounding counts.",
)  # fmt: skip
@click.option(
    "--scheme", type=Choice(["static_wi8_ai8", "static_wi8_ai16", "dynamic_wi8_afp32", "float16"]),
    default="static_wi8_ai8", show_default=True, help="quantize: bits of weights and activations.",
)  # fmt: skip
@click.option(
    "--granularity", type=Choice(["per_channel", "per_tensor"]), default="per_channel", show_default=True,
    help="quantize: scales of the weights.",
)  # fmt: skip
@click.option(
    "--target-sparsity", type=FloatRange(0, 1, min_open=True, max_open=True), default=0.5, show_default=True,
    help="prune, channels: share that goes.",
)  # fmt: skip
@click.option(
    "--layers", multiple=True, metavar="NAME",
    help="Layers to try, names or patterns; may be given several times.  [default: all]",
)  # fmt: skip
@click.option("--images", type=click.IntRange(min=1), default=500, show_default=True, help="Images to judge on.")
@click.option(
    "--calibration-count", type=click.IntRange(min=1), default=200, show_default=True, help="Calibration images."
)
@click.option(
    "--repair", "recipe", metavar="FILE", type=click.Path(path_type=Path),
    help="quantize: find the layers that have to be spared, prove it, and write the recipe (TOML).",
)  # fmt: skip
@click.option(
    "--keep", type=Choice(["float", "int16"]), default="float", show_default=True,
    help="--repair: what spared layers compute in; int16: 8-bit weights, 16-bit activations.",
)  # fmt: skip
@seed_option
@overwrite_option
def sensitivity(
    model: Path, data: str, split: str | None, recipe: Path | None, keep: str, overwrite: bool, **options: Any
) -> None:
    """Quantize or prune one layer of MODEL at a time, the others left in float, and rank the layers.

    MODEL is a Keras model, the artifact of one, or 'sample', the ResNet-8 that comes with edgevision.

    The first layer changes the most answers. SQNR is the signal-to-noise ratio in dB of the layer's own output and of
    the model's; lower is worse. Layers are judged on the images of --data that are for testing, and calibrated on
    those for training; images that are not divided, or those of one --split, are divided.
    """
    from edgevision.cli.models import open_source
    from edgevision.compress.sensitivity import sensitivity as rank_layers
    from edgevision.compress.sensitivity_proof import write_recipe
    from edgevision.compress.sensitivity_repair import repair
    from edgevision.files import check_file_place

    _check_options(options["what"], repairing=recipe is not None)
    if recipe is not None:
        if options["what"] != "quantize":
            raise ConfigError("--repair is for quantization", got=f"--what {options['what']}", allowed="quantize")
        check_file_place(recipe, overwrite)
    judged, calibration = _images(data, split)
    options["layers"] = options["layers"] or None
    with working("trying layers") as line:
        source = open_source(model)
        report = rank_layers(source, judged, calibration_data=calibration, progress=line, **options)
        repaired = None
        if recipe is not None:
            line.say("repairing")
            repaired = repair(source, judged, report, calibration_data=calibration, keep=keep, progress=line)
            if repaired.layers:
                write_recipe(repaired, recipe, overwrite=overwrite)
    show({"report": report.to_dict(), "repair": repaired and repaired.to_dict()}, _text(report, repaired))
    for layer, reason in report.skipped:
        note(f"edgevision: skipped {layer}: {reason}")
    if repaired is not None and not repaired.layers:
        note("edgevision: no recipe was written")


def _check_options(what: str, *, repairing: bool) -> None:
    """Raise ConfigError for an option that would not be heeded."""
    if what == "quantize":
        what_for = "is for zeros and channels"
        refuse_options(("target_sparsity",), what_for, got="--what quantize", allowed="prune, channels")
    else:
        refuse_options(QUANTIZING, "is for quantization", got=f"--what {what}", allowed="quantize")
    if not repairing:
        refuse_options(("keep", "overwrite"), "is for --repair")


def _images(data: str, split: str | None) -> tuple[ImageDataset, ImageDataset | None]:
    """Return the images to judge on, and those to calibrate with if they are others."""
    from edgevision.data.locate import open_dataset, open_splits

    if split is not None:
        return open_dataset(data, split), None
    train, test = open_splits(data)
    return (train, None) if test is None else (test, train)


def _text(report: SensitivityReport, repaired: Repair | None) -> str:
    headers = ["layer", "kind", "parameters", "MACs", "SQNR own", "at output", "same answer %", "points ±95%", "why"]
    rows = [_row(layer) for layer in report.layers]
    accuracy = f"{100 * (report.float_accuracy.value or 0):.1f}%"
    together = f"{report.together.points:+.1f} points, {_percent(report.together.agreement)}% the same answer"
    summary = f"{report.images} images; in float {accuracy} are right; all layers at once: {together}"
    return "\n\n".join([table(headers, rows), summary, *([] if repaired is None else [_repair_text(repaired)])])


def _row(layer: LayerSensitivity) -> list[object]:
    effect = layer.effect
    return [
        layer.layer,
        layer.kind,
        f"{layer.parameters:,}",
        "–" if layer.macs is None else f"{layer.macs:,}",
        _db(layer.sqnr_db),
        _db(layer.output_sqnr_db),
        _percent(effect.agreement),
        f"{effect.points:+.1f} ±{(effect.high - effect.low) / 2:.1f}",
        layer.why,
    ]


def _repair_text(repaired: Repair) -> str:
    kinds = {"as it is": repaired.before, "repaired": repaired.after}
    rows = [
        [name, f"{proof.bytes:,}", f"{proof.effect.points:+.1f}", _percent(proof.effect.agreement)]
        for name, proof in kinds.items()
        if proof is not None
    ]
    kind = f"{repaired.settings['to']} {repaired.settings['scheme']}"
    found = table([kind, "bytes", "points", "same answer %"], rows)
    return f"{found}\n\n{repaired.verdict}"


def _percent(proportion: Any) -> str:
    return f"{100 * (proportion.value or 0.0):.1f}"


def _db(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
