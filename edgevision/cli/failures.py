"""How a command ends when it does not end well: one or two lines on stderr, and an exit status that means something.

0 done · 1 failure · 2 usage · 3 a check did not hold · 129 hung up · 130 interrupted · 143 terminated
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from contextlib import suppress

import click

from edgevision.cli.printable import printable
from edgevision.cli.quiet import Settings
from edgevision.errors import EdgeVisionError

FAILURE, USAGE, INTERRUPTED = 1, 2, 130


class Terminated(SystemExit):
    """SIGTERM or SIGHUP came; the status is 128 and its number."""


def report(error: BaseException, settings: Settings) -> int:
    """Print what ``error`` means to the user and return the exit status.

    Raises:
        SystemExit: ``error`` itself, when it is one and no signal came.
    """
    if isinstance(error, Terminated):
        with suppress(OSError):  # whoever hung up reads no more
            click.echo("edgevision: terminated; nothing was half-written", err=True)
        return int(str(error.code))
    if isinstance(error, SystemExit):
        raise error
    if settings.debug and not isinstance(error, click.exceptions.NoArgsIsHelpError):
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return USAGE
    if isinstance(error, OSError) and settings.own_process:
        _abandon_unwritable_stdout()
    message, status = _describe(error)
    click.echo(f"edgevision: {printable(message)}", err=True)
    return status


def _abandon_unwritable_stdout() -> None:
    """Let a standard output that cannot be written lead nowhere, so that Python's own flush at the end is silent."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _describe(error: BaseException) -> tuple[str, int]:
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "interrupted; nothing was half-written", INTERRUPTED
    if isinstance(error, click.UsageError):
        return f"error: {_usage(error)}", USAGE
    if isinstance(error, click.ClickException):
        return f"error: {error.format_message()}", error.exit_code
    if isinstance(error, EdgeVisionError):
        return f"error: {error}", error.exit_code
    if isinstance(error, MemoryError):
        return "error: not enough memory; try fewer images at once, or a smaller model", FAILURE
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"error: {place}{error.strerror}", FAILURE
    text = next(iter(str(error).splitlines()), "")
    return f"error: {type(error).__name__}: {text}; this is a bug; --debug shows the traceback", FAILURE


def _usage(error: click.UsageError) -> str:
    text = re.sub(r"\. \(?Did you mean (.*\?)\)?$", r"; did you mean \1", error.format_message().rstrip("."))
    text = text[:1].lower() + text[1:]
    help_command = f"{error.ctx.command_path} --help" if error.ctx else "edgevision --help"
    return f"{text} See {help_command}" if text.endswith("?") else f"{text}; see {help_command}"
