"""The command ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgevision.cli.command import command
from edgevision.cli.fine_tuning import epochs_progress
from edgevision.cli.options import Choice, out_option, overwrite_option, seed_option
from edgevision.cli.output import facts, show, working

ARCHITECTURES = ("cnn", "resnet8", "resnet20", "mobilenet_v1", "mobilenet_v2")


@command(
    "train",
    "edgevision train --data sample --architecture cnn --epochs 5 --out runs/cnn",
    "edgevision train --data cifar10/ --architecture resnet8 --epochs 120 --out runs/resnet8 --resume",
)
@click.option(
    "--data",
    required=True,
    metavar="LOCATION",
    help="Labelled images: a folder, zip or tar.gz; 'cifar10' (downloads); or 'sample', which comes with edgevision.",
)
@click.option("--architecture", type=Choice(ARCHITECTURES), default="resnet8", show_default=True, help="The network.")
@click.option("--width", type=float, default=1.0, show_default=True, help="Multiplier of the network's channels.")
@click.option(
    "--size",
    type=(int, int),
    metavar="H W",
    help="Height and width of the input, pixels. By default those of the first image.",
)
@click.option(
    "--resize",
    type=Choice(("stretch", "letterbox", "letterbox_top_left", "center_crop")),
    default="stretch",
    show_default=True,
    help="How an image is fitted to the input.",
)
@click.option(
    "--filter",
    "filter_",
    type=Choice(("bilinear", "area", "linear_fixed", "nearest")),
    default="bilinear",
    show_default=True,
    help="How it is resampled; firmware computes linear_fixed and nearest.",
)
@click.option(
    "--mean", type=float, default=128.0, show_default=True, help="Subtracted from each pixel value, 0 to 255."
)
@click.option("--std", type=float, default=64.0, show_default=True, help="Divided by, in pixel units.")
@click.option("--epochs", type=int, default=30, show_default=True, help="Passes over the images.")
@click.option("--batch-size", type=int, default=128, show_default=True, help="Images a step.")
@click.option(
    "--optimizer",
    type=Choice(("sgd", "adamw")),
    default="sgd",
    show_default=True,
    help="SGD is with Nesterov momentum 0.9.",
)
@click.option("--learning-rate", type=float, default=0.1, show_default=True, help="Highest rate, after warm-up.")
@click.option(
    "--schedule",
    type=Choice(("cosine", "step", "constant")),
    default="cosine",
    show_default=True,
    help="How the rate falls.",
)
@click.option("--warmup-epochs", type=float, default=1.0, show_default=True, help="Epochs over which the rate rises.")
@click.option(
    "--weight-decay", type=float, default=2e-3, show_default=True, help="Decoupled: times rate and weight, each step."
)
@click.option(
    "--augment",
    type=Choice(("none", "flip", "crop-flip")),
    default="crop-flip",
    show_default=True,
    help="Random changes of training images.",
)
@click.option(
    "--label-smoothing",
    type=float,
    default=0.0,
    show_default=True,
    help="Share of each target spread over all classes.",
)
@click.option(
    "--validation", type=float, default=0.0, show_default=True, help="Share of the training images to hold out."
)
@click.option("--patience", type=int, help="Stop after so many epochs without a better validation loss; keep the best.")
@click.option(
    "--pretrained",
    default="",
    metavar="WEIGHTS",
    help="Start the backbone from 'imagenet' (downloads) or a weights file (mobilenet_v2).",
)
@click.option(
    "--frozen-epochs", type=int, default=0, show_default=True, help="First epochs that train the classifier alone."
)
@click.option("--mixed-precision", is_flag=True, help="Compute in float16 on a GPU, bfloat16 on a CPU.")
@click.option("--distribute", is_flag=True, help="Train on all GPUs that are visible.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@seed_option
@out_option("runs/train")
@overwrite_option
def train(
    data: str,
    size: tuple[int, int] | None,
    resize: str,
    filter_: str,
    mean: float,
    std: float,
    distribute: bool,
    resume: bool,
    out: Path,
    overwrite: bool,
    **settings: Any,
) -> None:
    """Train a classifier, evaluate it on the test images, and write it as an artifact.

    The state after each epoch and TensorBoard's logs stand in OUT.training: a run that was killed goes on with
    --resume and gives the same weights. Where the images are not divided into train and test, all are trained on and
    nothing is evaluated.
    """
    from edgevision.data.locate import open_splits
    from edgevision.preprocessing import Preprocessing
    from edgevision.train.config import TrainingConfig
    from edgevision.train.run import train_artifact

    config = TrainingConfig(**settings)
    images, test = open_splits(data)
    height, width = size or images.image(0).shape[:2]
    preprocessing = Preprocessing(height, width, resize=resize, filter=filter_, mean=(mean,), std=(std,))
    with working(f"training {config.architecture}") as line:
        artifact = train_artifact(
            images, preprocessing, config, out, test=test, data_name=Path(data).name, resume=resume,
            overwrite=overwrite, distribute=distribute, progress=epochs_progress(line, config.epochs),
        )  # fmt: skip
    metrics = artifact.manifest.metrics.get("test")
    show(
        {"artifact": str(artifact.path), "metrics": metrics},
        facts({"artifact": artifact.path, "bytes": f"{artifact.bytes:,}", **_accuracy(metrics)}),
    )


def _accuracy(metrics: Any) -> dict[str, str]:
    if metrics is None:
        return {"test accuracy": "not evaluated: the images have no test part"}
    accuracy = metrics["accuracy"]
    interval = f"{accuracy['low']:.2%} to {accuracy['high']:.2%}"
    return {
        "test accuracy": f"{accuracy['value']:.2%} ({interval}, {metrics['count']:,} images)",
        "macro F1": f"{metrics['macro_f1']:.4f}",
        "calibration error": f"{metrics['ece']:.4f}",
    }
