"""The command ``edgevision``: which commands there are, and how any of them runs and ends.

A command is one file and one row here. ``--help`` and the import of this module load click and nothing else; a
command's file is loaded when the command is asked for.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import click

from edgevision.cli.failures import Terminated, report
from edgevision.cli.printable import accept_any_text
from edgevision.cli.quiet import Settings
from edgevision.cli.signals import Signals, leave_now

Rows = Mapping[str, Mapping[str, tuple[str, str]]]

COMMANDS: Rows = {
    "Make it small": {
        "train": ("edgevision.cli.train:train", "Train a classifier and evaluate it"),
        "prune": ("edgevision.cli.prune:prune", "Set the smallest weights to zero, or take whole channels out"),
        "cluster": ("edgevision.cli.cluster:cluster", "Let the weights of a layer share a few values"),
        "quantize": ("edgevision.cli.quantize:quantize", "Make the numbers smaller, after training or with more of it"),
        "convert": ("edgevision.cli.convert:convert", "Change the format"),
        "sensitivity": ("edgevision.cli.sensitivity:sensitivity", "Rank the layers by what compression does to them"),
        "compress": ("edgevision.cli.compress:compress", "Run a recipe, or search for one that meets limits"),
    },
    "Prove it": {
        "verify": ("edgevision.cli.verify:verify", "Check that an artifact answers as when it was sealed"),
        "benchmark": ("edgevision.cli.benchmark:benchmark", "Measure latency, load time and memory"),
        "compare": ("edgevision.cli.compare:compare", "Say which of several is faster, or that it is not known"),
        "evaluate": ("edgevision.cli.evaluate:evaluate", "Measure the accuracy on labelled images"),
        "doctor": ("edgevision.cli.doctor:doctor", "Find the preprocessing that a model wants, or check it"),
    },
    "Fit it to a device": {
        "devices": ("edgevision.cli.devices:devices", "Show the devices and runtimes of this machine"),
        "check": ("edgevision.cli.check:check", "Say whether models fit devices that need not be here"),
        "compile": ("edgevision.cli.compile:compile_", "Compile for an accelerator, by its vendor's compiler"),
        "inspect": ("edgevision.cli.inspect:inspect", "Show what an artifact or a model file is"),
        "adopt": ("edgevision.cli.adopt:adopt", "Make an artifact of a model file from elsewhere"),
        "firmware": ("edgevision.cli.firmware:firmware", "Write a model as code for a camera: C99, or C++ for Linux"),
    },
    "Run it": {
        "predict": ("edgevision.cli.predict:predict", "Say what is in images"),
        "gallery": ("edgevision.cli.gallery:gallery", "Enrol people by their faces, and say who is in images"),
        "watch": ("edgevision.cli.watch:watch", "Watch cameras: detections, tracks, rules, events"),
        "demo": ("edgevision.cli.demo:demo", "The whole way, on shipped images"),
    },
}
"""Section -> command -> (where it is, "module:attribute"; what it does, one line)."""


class Application(click.Group):
    """A group that loads its commands when they are asked for, and turns every error into a line and a status."""

    def __init__(self, rows: Rows, **settings: Any) -> None:
        """Make a group of the commands in ``rows``."""
        super().__init__(**settings)
        self.sections = rows
        self._rows = {name: row for section in rows.values() for name, row in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the rows."""
        return [*self._rows, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command by its name; None when there is none."""
        if cmd_name not in self._rows:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._rows[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that ``args`` begin with; an unknown one is a usage error that names the nearest."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            names = self.list_commands(ctx)
            nearest = get_close_matches(args[0], names, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"allowed: {', '.join(names)}"
            raise click.UsageError(f"no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands of ``--help`` by section, from the rows alone."""
        for section, rows in self.sections.items():
            if rows:
                with formatter.section(section):
                    formatter.write_dl([(name, text) for name, (_, text) in rows.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; leaves the process with its exit status, or returns it if not ``standalone_mode``.

        Without ``args``, those of the process are run, and the process counts as ours: see ``edgevision.cli.quiet``.
        """
        settings = extra.setdefault("obj", Settings(own_process=args is None))
        signals = None
        try:
            if settings.own_process:
                signals = Signals()
                accept_any_text()
            status = super().main(args, prog_name or self.name, complete_var, False, **extra) or 0
            if signals is not None:
                signals.settle(status)
        except BaseException as error:
            if signals is not None:
                signals.ignore()
            status = report(error, settings)
            if signals is not None:
                if isinstance(error, click.Abort | KeyboardInterrupt | Terminated):
                    leave_now(status)
                signals.settle(status)
        if standalone_mode:
            sys.exit(status)
        return status


def _show_versions(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from edgevision.cli.versions import versions

        click.echo(versions())
        ctx.exit()


main = Application(
    COMMANDS,
    name="edgevision",
    help="Make a vision model small, prove that it still works, and run it on the device.",
    epilog="edgevision COMMAND --help shows a command's options and an example.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_versions,
            help="Show the versions of edgevision and of what it runs on.",
        )
    ],
    no_args_is_help=True,
)
