"""What the commands that measure time have in common: where the model runs, and what is said of the machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.options import overwrite_option
from edgevision.errors import ConfigError

if TYPE_CHECKING:
    from edgevision.benchmark import BenchmarkReport, Comparison, Regression, SustainedReport


class Share(click.ParamType):  # type: ignore[type-arg]
    """A share, such as ``5%`` or ``0.05``."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the share as a number; a usage error for anything else."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(%?)", str(value).strip())
        if found is None:
            self.fail(f"got {value}; allowed: a share, such as 5% or 0.05", param, ctx)
        return float(found[1]) / (100 if found[2] else 1)


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


def file_options(function: Callable[..., None]) -> Callable[..., None]:
    """``--csv FILE --html FILE --overwrite``: the result as a table and as a page, beside what is printed."""
    for name, what in (("--html", "one page with the distributions"), ("--csv", "a table")):
        path = click.Path(path_type=Path)
        option = click.option(name, name[2:] + "_file", type=path, metavar="FILE", help=f"Write {what} too.")
        function = option(function)
    return overwrite_option(function)


@dataclass(frozen=True)
class ResultFiles:
    """Where a result goes beside the terminal.

    Attributes:
        csv: A file for the table, or None.
        html: A file for the page, or None.
        overwrite: Whether files that are there may be replaced.
    """

    csv: Path | None
    html: Path | None
    overwrite: bool

    def check(self) -> None:
        """Raise ConfigError or OutputError where a file could not be written, or a page not made, before the work."""
        from edgevision.files import check_file_place
        from edgevision.optional import require

        if self.csv is not None and self.html is not None and self.csv.resolve() == self.html.resolve():
            raise ConfigError("--csv and --html name one file", got=str(self.csv), next_step="name two")
        for path in filter(None, (self.csv, self.html)):
            check_file_place(path, self.overwrite)
        if self.html is not None:
            require("jinja2")
            require("matplotlib")

    def write(self, result: BenchmarkReport | Comparison | Regression | SustainedReport) -> None:
        """Write those that were asked for."""
        from edgevision.report.timing import timing_page, write_csv, write_html

        if self.csv is not None:
            write_csv(timing_page(result), self.csv, overwrite=self.overwrite)
        if self.html is not None:
            write_html(timing_page(result), self.html, overwrite=self.overwrite)
