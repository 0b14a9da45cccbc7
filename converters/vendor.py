"""Other people's converters: their chatter is kept off the user's screen, their exceptions become ours."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO

from edgevision.errors import ConversionError, EdgeVisionError

LOG_LINES = 40
"""How many of the last lines of a vendor's log are kept with the error that it led to."""


@contextlib.contextmanager
def vendor_step(what: str) -> Iterator[None]:
    """Run a vendor's code silently; whatever it raises becomes a `ConversionError`.

    Standard output and error of the whole process are redirected while the block runs, because C++ code writes to
    the descriptors themselves. The last lines of what was written are a note on the error's cause.

    Args:
        what: The step, as the error names it ("TFLite conversion of resnet8").

    Raises:
        ConversionError: The block raised something that is not edgevision's; the message names operators that the
            vendor listed as unsupported.
    """
    with tempfile.TemporaryFile() as log:
        try:
            with _redirected(log), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (EdgeVisionError, MemoryError):
            raise
        except Exception as exc:
            _note(exc, _tail(log))
            raise ConversionError(f"{what} failed: {_reason(exc)}") from exc


@contextlib.contextmanager
def _redirected(log: IO[bytes]) -> Iterator[None]:
    """Point the descriptors 1 and 2, and Python's two streams, at ``log``."""
    _flush()
    saved = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    text = open(os.dup(log.fileno()), "w", encoding="utf-8", errors="replace")  # noqa: SIM115
    try:
        for descriptor in saved:
            os.dup2(log.fileno(), descriptor)
        with text, contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            yield
    finally:
        _flush()
        for descriptor, copy in saved.items():
            os.dup2(copy, descriptor)
            os.close(copy)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:])


def _note(exc: BaseException, text: str) -> None:
    """Attach ``text`` as `BaseException.add_note` does (which Python 3.10 lacks)."""
    if text:
        exc.__dict__["__notes__"] = [*getattr(exc, "__notes__", ()), text]


def _reason(exc: BaseException) -> str:
    """The line of a vendor's exception that says something, at most 200 characters of it."""
    text = str(exc)
    found = re.search(r"(?:(?:Flex|Custom|Select TF) ops|No conversion rule found for operations): ([^\n]+)", text)
    if found:
        return f"operators that the format does not have: {found.group(1).strip()}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|not support|unsupport|cannot|can't|invalid", line, re.I)]
    line = (telling or lines or [type(exc).__name__])[0]
    line = re.sub(r"(?:/[\w.+-]+)+/", "", line)
    return line if len(line) <= 200 else line[:199] + "…"
