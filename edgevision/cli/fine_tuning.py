"""Options and progress of the commands that train a model on a little after a change to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from edgevision.cli.options import Body, Choice, Decorator, FloatRange
from edgevision.cli.output import note

if TYPE_CHECKING:
    from edgevision.cli.progress import ProgressLine


def fine_tuning_options(*, epochs: int, learning_rate: float, least_epochs: int = 0) -> Decorator:
    """``--layers --epochs --batch-size --learning-rate --augment``, with a command's own defaults."""
    above_0, counted, passes = FloatRange(min=0, min_open=True), click.IntRange(min=1), click.IntRange(min=least_epochs)

    def decorate(function: Body) -> Body:
        for option in (
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


def epochs_progress(line: ProgressLine, epochs: int) -> Callable[[int, dict[str, float]], None]:
    """Return a callback ``(finished epochs, record)`` that moves the line and prints the epoch's record."""

    def progress(epoch: int, record: dict[str, float]) -> None:
        line(epoch, epochs)
        note(f"epoch {epoch}/{epochs}  " + "  ".join(f"{key} {value:.4g}" for key, value in record.items()))

    return progress
