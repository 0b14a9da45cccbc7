"""``edgevision prune``: the smallest weights become zero, or whole channels go, with some training after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.fine_tuning import check_fine_tuning, distillation, epochs_progress, fine_tuning_options
from edgevision.cli.options import (
    Choice,
    FloatRange,
    Sizes,
    data_options,
    model_argument,
    out_option,
    overwrite_option,
    refuse_options,
    seed_option,
)
from edgevision.cli.output import facts, note, show, working
from edgevision.cli.prune_channels import CHANNEL_OPTIONS, channel_options, check_channel_options, run_channels
from edgevision.errors import ConfigError

if TYPE_CHECKING:
    from edgevision.benchmark.sparsity import SparsityProfit
    from edgevision.cli.progress import ProgressLine
    from edgevision.converters.distillation import Distillation
    from edgevision.converters.keras_import import SourceModel
    from edgevision.data.dataset import ImageDataset

MAGNITUDE_OPTIONS = ("target_sparsity", "schedule", "allocation", "pattern", "block_size", "n_m")
TRAINING = ("epochs", "batch_size", "learning_rate", "augment", "optimizer", "weight_decay", "seed")


@command(
    "prune",
    "edgevision prune sample --data sample --target-sparsity 0.5 --out runs/pruned",
    "edgevision prune sample --data sample --method channels --target-macs 0.5 --teacher sample --out runs/half",
    "edgevision prune sample --data sample --pattern n_m --n-m 2:4 --teacher sample",
    "edgevision prune runs/resnet8 --data cifar10/ --target-sparsity 0.7 --layers 'stage2_*' --epochs 10",
)
@model_argument()
@data_options()
@click.option(
    "--method",
    type=Choice(["magnitude", "channels"]),
    default="magnitude",
    show_default=True,
    help="Single weights become zero, or whole channels go and the model shrinks.",
)
@click.option(
    "--target-sparsity",
    type=FloatRange(0, 1, min_open=True, max_open=True),
    help="magnitude: share of each kernel that becomes zero.  [default: 0.5, or what --n-m says]",
)
@click.option(
    "--schedule",
    type=Choice(["polynomial", "constant"]),
    default="polynomial",
    show_default=True,
    help="magnitude: from none to the target in steps, or all at once.",
)
@click.option(
    "--allocation",
    type=Choice(["uniform", "layer_adaptive"]),
    default="uniform",
    show_default=True,
    help="magnitude: the same share of zeros in every layer, or more in large ones.",
)
@click.option(
    "--pattern",
    type=Choice(["unstructured", "block", "n_m"]),
    default="unstructured",
    show_default=True,
    help="magnitude: zeros anywhere, in whole blocks, or n of every m weights staying.",
)
@click.option("--block-size", type=Sizes("x"), help="Inputs x outputs of a block, for --pattern block.")
@click.option("--n-m", type=Sizes(":"), help="Of M weights along the input channels N stay, for --pattern n_m.")
@click.option("--measure", is_flag=True, help="magnitude: say which runtime here is faster because of the zeros.")
@channel_options
@fine_tuning_options(epochs=2, learning_rate=3e-4)
@seed_option
@out_option("runs/pruned")
@overwrite_option
def prune(
    model: Path,
    data: str | None,
    split: str | None,
    method: str,
    measure: bool,
    layers: tuple[str, ...],
    teacher: Path | None,
    distillation_weight: float,
    temperature: float,
    out: Path,
    overwrite: bool,
    **given: Any,
) -> None:
    """Prune MODEL, fine-tune what is left, and write it as a Keras artifact.

    MODEL is a Keras model, the artifact of one, or 'sample', the ResNet-8 that comes with edgevision.

    With --method magnitude its file stays as long as it was, and deflates better. With --method channels it gets
    smaller and faster: name one target. Convert or quantize it next.
    """
    from edgevision.data.locate import open_dataset
    from edgevision.files import check_place

    _check_options(method, data, teacher, given)
    check_place(out, overwrite)
    if data is None and (method == "magnitude" or given["epochs"]):
        raise ConfigError("fine-tuning needs labelled images", next_step="name them: --data")
    images = None if data is None else open_dataset(data, split, default="train")
    training = {"layers": layers or None, **{name: given[name] for name in TRAINING}}
    taught = distillation(teacher, distillation_weight, temperature)
    if method == "channels":
        run_channels(model, images, out, given=given, training=training, distillation=taught, overwrite=overwrite)
    elif images is not None:
        settings = {name: given[name] for name in MAGNITUDE_OPTIONS}
        _run_magnitude(model, images, out, {**settings, **training}, taught, measure, overwrite)


def _check_options(method: str, data: str | None, teacher: Path | None, given: dict[str, Any]) -> None:
    """Raise ConfigError for an option that this method does not have, or would not heed."""
    why = "is not for this method"
    if method == "channels":
        refuse_options((*MAGNITUDE_OPTIONS, "measure"), why, got=method, allowed="magnitude")
        check_channel_options(given)
    else:
        refuse_options(CHANNEL_OPTIONS, why, got=method, allowed="channels")
        if given["epochs"] < 1:
            raise ConfigError("--epochs of --method magnitude", got=given["epochs"], allowed="1 or more")
        if given["pattern"] == "n_m" and given["schedule"] == "polynomial":
            refuse_options(("schedule",), "is constant with --pattern n_m", got="polynomial")
    check_fine_tuning(given["epochs"], teacher)
    if data is None:
        refuse_options(("split",), "changes nothing without --data")


def _run_magnitude(
    model: Path,
    images: ImageDataset,
    out: Path,
    settings: dict[str, Any],
    taught: Distillation | None,
    measure: bool,
    overwrite: bool,
) -> None:
    from edgevision.cli.models import open_source
    from edgevision.converters.keras_import import save_keras_artifact
    from edgevision.converters.pruning import prune as prune_model

    with working("pruning") as line:
        pruned, report = prune_model(
            open_source(model),
            images,
            distillation=taught,
            progress=epochs_progress(line, settings["epochs"]),
            **settings,
        )
        artifact = save_keras_artifact(pruned, out, overwrite=overwrite)
        profit = _profit(pruned, report.pattern, images, settings["seed"], line) if measure else None
    share = f"{report.measured_sparsity:.4f} of {report.parameters:,} weights in {len(report.layers)} layers"
    show(
        {"artifact": str(artifact.path), "report": report.to_dict(), "profit": profit and profit.to_dict()},
        facts(
            {
                "artifact": artifact.path,
                "sparsity": share,
                "pattern": report.pattern,
                "bytes": f"{artifact.bytes:,} ({artifact.deflated_bytes:,} deflated)",
                "profit": profit and profit.verdict,
            }
        ),
    )
    for entry in profit.runtimes if profit else ():
        note(f"edgevision: {entry}")
    for layer, reason in report.skipped:
        note(f"edgevision: skipped {layer}: {reason}")


def _profit(pruned: SourceModel, pattern: str, images: ImageDataset, seed: int, line: ProgressLine) -> SparsityProfit:
    from edgevision.benchmark.sparsity import sparsity_profit

    line.say("measuring")
    return sparsity_profit(pruned, pattern=pattern, calibration_data=images, seed=seed, progress=line)
