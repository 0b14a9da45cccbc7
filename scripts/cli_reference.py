"""Write docs/cli.md from the commands' own help, or with --check say whether it is up to date (exit 3 if not)."""

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from edgevision.cli import main

PAGE = Path(__file__).resolve().parents[1] / "docs/cli.md"
HEADER = """# The command line

Made from `--help` by `make cli-reference`; `make check` fails when the two differ.
"""


def sections(command: click.Command, context: click.Context, depth: int = 1) -> Iterator[str]:
    """The help of a command, then that of each command under it."""
    yield f"{'#' * min(depth + 1, 4)} {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from sections(child, context_of(child, context, name), depth + 1)


def context_of(command: click.Command, parent: click.Context | None, name: str) -> click.Context:
    """The context in which a command prints its help."""
    return command.context_class(command, parent, info_name=name, **command.context_settings)


def page() -> str:
    """The whole page."""
    context = context_of(main, None, "edgevision")
    context.terminal_width = 100  # whatever the terminal is
    return "\n".join([HEADER, *sections(main, context)])


def check(wanted: str) -> int:
    """0 where docs/cli.md is as wanted; otherwise 3, and the difference printed."""
    found = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if found == wanted:
        return 0
    difference = difflib.unified_diff(found.splitlines(), wanted.splitlines(), "docs/cli.md", "--help", lineterm="")
    print("\n".join(difference))
    print("docs/cli.md is out of date: make cli-reference", file=sys.stderr)
    return 3


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(check(page()))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
