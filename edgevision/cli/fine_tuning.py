"""Options and progress of the commands that train a model on a little after a change to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgevision.cli.options import Body, Choice, Decorator, FloatRange, refuse_options
from edgevision.cli.output import note

if TYPE_CHECKING:
    from edgevision.cli.progress import ProgressLine
    from edgevision.converters.distillation import Distillation

TEACHING = ("teacher", "distillation_weight", "temperature")
OPTIMIZING = ("learning_rate", "augment", "optimizer", "weight_decay")
FINE_TUNING = ("layers", "epochs", "batch_size", *OPTIMIZING, *TEACHING)
"""Parameters of the options that `fine_tuning_options` adds."""

_TEACHING = (
    click.option(
        "--temperature",
        type=FloatRange(min=0, min_open=True),
        default=4.0,
        show_default=True,
        help="Softens the answers of the teacher, and of the model that learns from it.",
    ),
    click.option(
        "--distillation-weight",
        type=FloatRange(0, 1, min_open=True),
        default=0.9,
        show_default=True,
        help="Share of the teacher in what is learned; the rest is the labels.",
    ),
    click.option(
        "--teacher",
        type=click.Path(path_type=Path),
        metavar="MODEL",
        help="Learn from this model's answers too: usually the one from before any compression.",
    ),
)


def fine_tuning_options(*, epochs: int, learning_rate: float, least_epochs: int = 0) -> Decorator:
    """The options of a training after a change, and of a teacher, with a command's own defaults."""
    above_0, counted, passes = FloatRange(min=0, min_open=True), click.IntRange(min=1), click.IntRange(min=least_epochs)

    def decorate(function: Body) -> Body:
        for option in (
            *_TEACHING,
            click.option(
                "--weight-decay",
                type=FloatRange(0, 1, max_open=True),
                default=0.0,
                show_default=True,
                help="Share of each weight that a step at rate 1 takes away.",
            ),
            click.option(
                "--optimizer",
                type=Choice(("adam", "sgd")),
                default="adam",
                show_default=True,
                help="What changes the weights; sgd wants a rate of 0.01 to 0.1.",
            ),
            click.option(
                "--augment",
                type=Choice(("none", "flip", "crop-flip")),
                default="flip",
                show_default=True,
                help="Random changes of training images.",
            ),
            click.option(
                "--learning-rate", type=above_0, default=learning_rate, show_default=True, help="Highest rate."
            ),
            click.option("--batch-size", type=counted, default=32, show_default=True, help="Images a step."),
            click.option("--epochs", type=passes, default=epochs, show_default=True, help="Passes over the images."),
            click.option(
                "--layers",
                multiple=True,
                metavar="NAME",
                help="Layers to change, names or patterns; may be given several times.  [default: all that can be]",
            ),
        ):
            function = option(function)
        return function

    return decorate


def check_fine_tuning(epochs: int, teacher: Path | None) -> None:
    """Raise ConfigError for options of a training, or of a teacher, that there is not."""
    if epochs == 0:
        refuse_options((*OPTIMIZING, *TEACHING), "changes nothing with --epochs 0")
    if teacher is None:
        refuse_options(TEACHING, "changes nothing without --teacher")


def distillation(teacher: Path | None, weight: float, temperature: float) -> Distillation | None:
    """Load the teacher that was asked for, if any; raises as `edgevision.converters.keras_import.load_source`."""
    if teacher is None:
        return None
    from edgevision.cli.models import open_source
    from edgevision.converters.distillation import Distillation

    return Distillation(open_source(teacher), weight, temperature)


def epochs_progress(line: ProgressLine, epochs: int) -> Callable[[int, dict[str, float]], None]:
    """Return a callback ``(finished epochs, record)`` that moves the line and prints the epoch's record."""

    def progress(epoch: int, record: dict[str, float]) -> None:
        line(epoch, epochs)
        note(f"epoch {epoch}/{epochs}  " + "  ".join(f"{key} {value:.4g}" for key, value in record.items()))

    return progress
