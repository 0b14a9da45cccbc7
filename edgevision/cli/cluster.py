"""``edgevision cluster``: the weights of a layer share a few values, learned while the model is trained on a little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgevision.cli.command import command
from edgevision.cli.fine_tuning import check_fine_tuning, distillation, epochs_progress, fine_tuning_options
from edgevision.cli.options import Choice, data_options, model_argument, out_option, overwrite_option, seed_option
from edgevision.cli.output import facts, note, show, working


@command(
    "cluster",
    "edgevision cluster sample --data sample --clusters 16 --out runs/clustered",
    "edgevision cluster runs/pruned --data sample --centroids linear --keep-sparsity --teacher sample",
)
@model_argument()
@data_options(required=True)
@click.option(
    "--clusters",
    type=click.IntRange(2, 256),
    default=16,
    show_default=True,
    help="Values of each kernel; zero is one of them with --keep-sparsity.",
)
@click.option(
    "--centroids",
    type=Choice(["kmeans++", "linear", "density", "random"]),
    default="kmeans++",
    show_default=True,
    help="How the values are first chosen; linear deflates best.",
)
@click.option("--per-channel", is_flag=True, help="Give each output channel of a convolution values of its own.")
@click.option("--keep-sparsity", is_flag=True, help="Keep the zeros of a pruned model.")
@fine_tuning_options(epochs=2, learning_rate=1e-4)
@seed_option
@out_option("runs/clustered")
@overwrite_option
def cluster(
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
    """Cluster the weights of MODEL, and write it as a Keras artifact.

    MODEL is a Keras model, the artifact of one, or 'sample', the ResNet-8 that comes with edgevision.

    Its file stays as long as it was, and deflates better. Quantize it next, with --method qat --keep-clusters.
    """
    from edgevision.cli.models import open_source
    from edgevision.converters.clustering import cluster as cluster_model
    from edgevision.converters.keras_import import save_keras_artifact
    from edgevision.data.locate import open_dataset
    from edgevision.files import check_place

    check_fine_tuning(epochs, teacher)
    check_place(out, overwrite)
    dataset = open_dataset(data, split, default="train")
    with working("clustering") as line:
        clustered, report = cluster_model(
            open_source(model),
            dataset,
            layers=layers or None,
            epochs=epochs,
            distillation=distillation(teacher, distillation_weight, temperature),
            progress=epochs_progress(line, epochs),
            **settings,
        )
        artifact = save_keras_artifact(clustered, out, overwrite=overwrite)
    most = max(layer.values for layer in report.layers)
    where = "each channel" if report.per_channel else "each"
    show(
        {"artifact": str(artifact.path), "report": report.to_dict()},
        facts(
            {
                "artifact": artifact.path,
                "clusters": f"at most {most} values in {where} of {len(report.layers)} layers",
                "zeros": f"{report.zeros:,}",
                "bytes": f"{artifact.bytes:,} ({artifact.deflated_bytes:,} deflated)",
            }
        ),
    )
    for layer, reason in report.skipped:
        note(f"edgevision: skipped {layer}: {reason}")
