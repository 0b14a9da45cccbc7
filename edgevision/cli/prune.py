"""``edgevision prune``: the smallest weights become zero while the model is trained on a little."""

from __future__ import annotations

from pathlib import Path

import click

from edgevision.cli.command import command
from edgevision.cli.fine_tuning import distillation, epochs_progress, fine_tuning_options
from edgevision.cli.options import (
    Choice,
    FloatRange,
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
    "edgevision prune model.keras --data cifar10/ --target-sparsity 0.7 --layers 'stage3_*' --epochs 10",
)
@model_argument()
@data_options(required=True)
@click.option(
    "--target-sparsity",
    type=FloatRange(0, 1, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    help="Share of each kernel that becomes zero.",
)
@click.option(
    "--schedule",
    type=Choice(["polynomial", "constant"]),
    default="polynomial",
    show_default=True,
    help="From none to the target in steps, or all at once.",
)
@fine_tuning_options(epochs=2, learning_rate=3e-4, least_epochs=1)
@seed_option
@out_option("runs/pruned")
@overwrite_option
def prune(
    model: Path,
    data: str,
    split: str | None,
    target_sparsity: float,
    schedule: str,
    layers: tuple[str, ...],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    augment: str,
    teacher: Path | None,
    distillation_weight: float,
    temperature: float,
    seed: int,
    out: Path,
    overwrite: bool,
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
            target_sparsity=target_sparsity,
            schedule=schedule,
            layers=layers or None,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            augment=augment,
            seed=seed,
            distillation=distillation(teacher, distillation_weight, temperature),
            progress=epochs_progress(line, epochs),
        )
        artifact = save_keras_artifact(pruned, out, overwrite=overwrite)
    share = f"{report.measured_sparsity:.4f} of {report.parameters:,} weights in {len(report.layers)} layers"
    show(
        {"artifact": str(artifact.path), "report": report.to_dict()},
        facts(
            {
                "artifact": artifact.path,
                "sparsity": share,
                "bytes": f"{artifact.bytes:,} ({artifact.deflated_bytes:,} deflated)",
            }
        ),
    )
    for layer, reason in report.skipped:
        note(f"edgevision: skipped {layer}: {reason}")
