"""What every command has: an example in its help, ``--json``, ``--debug``, and a quiet process."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from edgevision.cli.quiet import Settings, quiet_process

ONEDNN = ("TF_ENABLE_ONEDNN_OPTS", "1")
"""TensorFlow uses oneDNN unasked on CPUs with AVX-512 VNNI only; training on others takes twice the time without it."""


class Command(click.Command):
    """A command of edgevision.

    Attributes:
        examples: command lines that work, shown in its help.
    """

    def __init__(self, *args: Any, examples: tuple[str, ...], **settings: Any) -> None:
        """Make a command with its examples."""
        super().__init__(*args, **settings)
        self.examples = examples
        self.params += [
            _flag("--json", "as_json", "Print the result as one JSON document on stdout."),
            _flag("--debug", "debug", "Show tracebacks and the messages of other libraries."),
        ]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then the epilog."""
        with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
            for example in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        super().format_epilog(ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a process that is ours trains fast, and is quiet unless ``--debug`` was asked for."""
        settings = ctx.ensure_object(Settings)
        if settings.own_process:
            os.environ.setdefault(*ONEDNN)
            if not settings.debug:
                quiet_process()
        return super().invoke(ctx)


def command(name: str, *examples: str) -> Callable[[Callable[..., None]], Command]:
    """Make a function the command ``name``; its docstring is the help, and ``examples`` are shown in it."""

    def decorate(function: Callable[..., None]) -> Command:
        return click.command(name, cls=Command, examples=examples)(function)

    return decorate


def _flag(option: str, setting: str, text: str) -> click.Option:
    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            setattr(ctx.ensure_object(Settings), setting, True)

    return click.Option([option], is_flag=True, expose_value=False, is_eager=True, callback=remember, help=text)
