"""What the commands that measure time have in common: where the model runs, and what is said of the machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgevision.benchmark.noise import Noise


class Cores(click.ParamType):  # type: ignore[type-arg]
    """Numbers of cores, such as ``0,2-3``."""

    name = "cores"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what stands for the value in the help."""
        return "CPUS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers, each once and in order; a usage error for anything else."""
        if isinstance(value, tuple):
            return value
        cores: set[int] = set()
        for part in str(value).split(","):
            found = re.fullmatch("([0-9]{1,4})(?:-([0-9]{1,4}))?", part.strip())
            if found is None or int(found[2] or found[1]) < int(found[1]):
                self.fail(f"got {value}; allowed: numbers of cores, such as 0,2-3", param, ctx)
            cores.update(range(int(found[1]), int(found[2] or found[1]) + 1))
        return tuple(sorted(cores))


pin_option = click.option("--pin", type=Cores(), help="Cores that everything runs on. By default all that it may use.")
batch_option = click.option(
    "--batch",
    type=click.IntRange(min=1),
    help="Images of one inference, where the model leaves that open. By default 1.",
)


def machine_text(noise: Noise | None, energy: str) -> str:
    """Return what is said of the machine below a table of times."""
    return f"noise: {noise}\nenergy: {energy}"
