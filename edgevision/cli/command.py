"""What every command has: an example in its help, ``--json``, ``--debug``, and a quiet process."""

from __future__ import annotations

import functools
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
        _settle_process(ctx)
        return super().invoke(ctx)


class CommandGroup(Command, click.Group):
    """A command that does something by itself, and has commands below it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it, or the command below it; whichever runs makes the process quiet, once it knows of ``--debug``."""
        return click.Group.invoke(self, ctx)


def command(name: str, *examples: str) -> Callable[[Callable[..., None]], Command]:
    """Make a function the command ``name``; its docstring is the help, and ``examples`` are shown in it."""

    def decorate(function: Callable[..., None]) -> Command:
        return click.command(name, cls=Command, examples=examples)(function)

    return decorate


def command_group(name: str, *examples: str) -> Callable[[Callable[..., None]], CommandGroup]:
    """Make a function the command ``name``, as `command` does; it does not run where a command below it does."""

    def decorate(function: Callable[..., None]) -> CommandGroup:
        @functools.wraps(function)
        def body(**given: Any) -> None:
            context = click.get_current_context()
            if context.invoked_subcommand is None:
                _settle_process(context)
                function(**given)

        return click.command(name, cls=CommandGroup, examples=examples, invoke_without_command=True)(body)

    return decorate


def _settle_process(ctx: click.Context) -> None:
    settings = ctx.ensure_object(Settings)
    if settings.own_process:
        os.environ.setdefault(*ONEDNN)
        if not settings.debug:
            quiet_process()


def _flag(option: str, setting: str, text: str) -> click.Option:
    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            setattr(ctx.ensure_object(Settings), setting, True)

    return click.Option([option], is_flag=True, expose_value=False, is_eager=True, callback=remember, help=text)
