"""Text for a terminal or a pipe of any encoding: nothing in a file's name breaks a line or moves the cursor."""

from __future__ import annotations

import io
import json
import os
import sys


def printable(text: str) -> str:
    """Return ``text`` with line breaks, control characters and undecodable bytes written as escapes.

    >>> print(printable("new\\nline\\x1b[31m"))
    new\\nline\\x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def json_for(text: str, encoding: str | None) -> str:
    """Return a JSON text, with JSON's own escapes for characters that ``encoding`` does not have."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)
    return text


def accept_any_text() -> None:
    """Let sys.stdout and sys.stderr write escapes for characters that their encoding does not have.

    One that was closed by whoever started us leads nowhere from here on.
    """
    # In this order each takes the lowest free descriptor, its own: no file that is opened later becomes the screen.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")
