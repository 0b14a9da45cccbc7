"""What a command shows: its result on stdout, as text or as one JSON document; everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from edgevision.cli.printable import json_for, printable
from edgevision.cli.progress import ProgressLine
from edgevision.cli.quiet import Settings, quiet_libraries

JSON_SCHEMA = 1
CHECK_FAILED = 3
"""Exit status of a command whose check did not hold."""


def settings() -> Settings:
    """Return what holds for the command that is running."""
    return click.get_current_context().ensure_object(Settings)


def show(document: Mapping[str, Any], text: str) -> None:
    """Print the result: ``text``, or with ``--json`` the document with its schema number and command."""
    if settings().as_json:
        from edgevision.documents import pretty_json

        command = click.get_current_context().info_name
        text = pretty_json({"schema": JSON_SCHEMA, "command": command, **document})
        click.echo(json_for(text, getattr(sys.stdout, "encoding", None)), nl=False)
    else:
        click.echo("\n".join(map(printable, text.split("\n"))))


def note(text: str) -> None:
    """Print a remark that is not part of the result, also while the library works."""
    line, text = settings().line, printable(text)
    if line is None:
        click.echo(text, err=True)
    else:
        line.note(text)


def check_failed(text: str) -> None:
    """End the command with exit status 3, saying which check did not hold."""
    note(f"edgevision: check failed: {text}")
    click.get_current_context().exit(CHECK_FAILED)


@contextmanager
def working(what: str) -> Iterator[ProgressLine]:
    """Run a library call: with a progress line on a terminal, and without the chatter of other libraries.

    The value is a progress callback, ``progress(done, total)``.
    """
    line = ProgressLine(what, sys.stderr)
    current = settings()
    with ExitStack() as stack:
        if not current.debug:
            stack.enter_context(line)
            stack.enter_context(quiet_libraries())
        current.line = line
        try:
            yield line
        finally:
            current.line = None


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows of cells as text; numbers to the right, everything else to the left.

    >>> print(table(["label", "score"], [["cat", "0.91"], ["dog", "0.07"]]))
    label  score
    cat     0.91
    dog     0.07
    """
    cells = [[printable(str(cell)) for cell in row] for row in (headers, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    right = [bool(rows) and all(_is_number(row[column]) for row in cells[1:]) for column in range(len(headers))]
    lines = [
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def _is_number(cell: str) -> bool:
    first = cell.split(" ")[0].rstrip("%×")
    return first in ("", "–") or first.replace(".", "", 1).replace(",", "").lstrip("+-").isdigit()


def facts(pairs: Mapping[str, object]) -> str:
    """Return names and values as text, one a line, aligned; values that are None are left out.

    >>> print(facts({"format": "tflite", "task": None, "bytes": 9}))
    format  tflite
    bytes   9
    """
    known = {name: value for name, value in pairs.items() if value is not None}
    width = max((len(name) for name in known), default=0)
    return "\n".join(f"{name.ljust(width)}  {printable(str(value))}" for name, value in known.items())
