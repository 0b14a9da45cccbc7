"""``edgevision prune``: the smallest weights become zero while the model is trained on a little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgevision.cli.command import command
from edgevision.cli.fine_tuning import distillation, epochs_progress, fine_tuning_options
from edgevision.cli.options import (
    Choice,
    FloatRange,
    Sizes,
    data_options,
    model_argument,
    out_option,
    overwrite_option,
    seed_option,
)
from edgevision.cli.output import facts, note, show, working


@command(
    "prune",
    "edgevision prune sample --data sample --target-sparsity 0.5 --out runs/pruned",
    "edgevision prune sample --data sample --pattern n_m --n-m 2:4 --teacher sample",
    "edgevision prune model.keras --data cifar10/ --target-sparsity 0.7 --layers 'stage3_*' --epochs 10",
)
@model_argument()
@data_options(required=True)
@click.option(
    "--target-sparsity",
    type=FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of each kernel that becomes zero.  [default: 0.5, or what --n-m says]",
)
@click.option(
    "--schedule",
    type=Choice(["polynomial", "constant"]),
    default="polynomial",
    show_default=True,
    help="From none to the target in steps, or all at once.",
)
@click.option(
    "--pattern",
    type=Choice(["unstructured", "block", "n_m"]),
    default="unstructured",
    show_default=True,
    help="Zeros anywhere, in whole blocks, or n of every m weights staying.",
)
@click.option("--block-size", type=Sizes("x"), help="Inputs x outputs of a block, for --pattern block.")
@click.option("--n-m", type=Sizes(":"), help="Of M weights along the input channels N stay, for --pattern n_m.")
@fine_tuning_options(epochs=2, learning_rate=3e-4, least_epochs=1)
@seed_option
@out_option("runs/pruned")
@overwrite_option
def prune(
    model: Path,
    data: str,
    split: str | None,
    layers: tuple[str, ...],
    epochs: int,
    teacher: Path | None,
    distillation_weight: float,
    temperature: float,
    out: Path,
    overwrite: bool,
    **settings: Any,
) -> None:
    """Prune MODEL by magnitude, and write it as a Keras artifact.

    MODEL is a Keras model, the artifact of one, or 'sample', the ResNet-8 that comes with edgevision.

    Its file stays as long as it was, and deflates better. Convert or quantize it next.
    """
    from edgevision.cli.models import open_source
    from edgevision.converters.keras_import import save_keras_artifact
    from edgevision.converters.pruning import prune as prune_model
    from edgevision.data.locate import open_dataset
    from edgevision.files import check_replaceable

    check_replaceable(out.expanduser().resolve(), overwrite)
    dataset = open_dataset(data, split, default="train")
    with working("pruning") as line:
        pruned, report = prune_model(
            open_source(model),
            dataset,
            layers=layers or None,
            epochs=epochs,
            distillation=distillation(teacher, distillation_weight, temperature),
            progress=epochs_progress(line, epochs),
            **settings,
        )
        artifact = save_keras_artifact(pruned, out, overwrite=overwrite)
    share = f"{report.measured_sparsity:.4f} of {report.parameters:,} weights in {len(report.layers)} layers"
    show(
        {"artifact": str(artifact.path), "report": report.to_dict()},
        facts(
            {
                "artifact": artifact.path,
                "sparsity": share,
                "pattern": report.pattern,
                "bytes": f"{artifact.bytes:,} ({artifact.deflated_bytes:,} deflated)",
            }
        ),
    )
    for layer, reason in report.skipped:
        note(f"edgevision: skipped {layer}: {reason}")
