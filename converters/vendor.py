"""Other people's converters: their chatter is kept off the user's screen, their exceptions become ours."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from typing import IO, Any

from edgevision.errors import ConversionError, EdgeVisionError

LOG_LINES = 40
"""How many of the last lines of a vendor's log are kept with the error that it led to."""

_ONE_AT_A_TIME = threading.RLock()
"""The descriptors are the process's: two threads that redirected them in turns would restore each other's log."""


@contextlib.contextmanager
def vendor_step(
    what: str, *, error: type[EdgeVisionError] = ConversionError, next_step: str | None = None
) -> Iterator[None]:
    """Run a vendor's code silently; whatever it raises becomes an error of ours.

    Standard output and error of the whole process are redirected while the block runs, because C++ code writes to
    the descriptors themselves. The last lines of what was written are a note on the error's cause. A second thread
    waits until the first one's block is done. KeyboardInterrupt, SystemExit, MemoryError and edgevision's own errors
    pass through. Logging is afterwards as it was (`kept_logging`).

    Args:
        what: The step, as the error names it ("TFLite conversion of resnet8").
        error: The class of the error.
        next_step: What the reader can do about it.

    Raises:
        EdgeVisionError: Of class ``error``, when the block raised something that is not edgevision's; the message
            names operators that the vendor listed as unsupported.
    """
    with _ONE_AT_A_TIME, _log_file() as log:
        try:
            with _redirected(log), kept_logging(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (EdgeVisionError, MemoryError):
            raise
        except Exception as exc:
            _note(exc, _tail(log))
            raise error(f"{what} failed: {telling_line(exc)}", next_step=next_step) from exc


@contextlib.contextmanager
def kept_logging() -> Iterator[None]:
    """Let a vendor's code configure logging within the block, and have the program's configuration back afterwards.

    OpenVINO's converter leaves the root logger at ERROR when it fails; the migrations of Optuna's databases take the
    root logger's handlers away and switch off every logger that exists.
    """
    root = logging.root
    level, filters, handlers = root.level, root.filters[:], root.handlers[:]
    loggers = [logger for logger in list(root.manager.loggerDict.values()) if isinstance(logger, logging.Logger)]
    disabled = [logger.disabled for logger in loggers]
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters, root.handlers = filters, handlers
        for logger, was in zip(loggers, disabled, strict=True):
            logger.disabled = was


def _log_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError:  # no space for what will not be read
        return open(os.devnull, "r+b")


@contextlib.contextmanager
def _redirected(log: IO[bytes]) -> Iterator[None]:
    """Point the descriptors 1 and 2, and Python's two streams, at ``log``."""
    _flush()
    saved = {}
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):  # one that is closed shows nothing
            saved[descriptor] = os.dup(descriptor)
    text = open(os.dup(log.fileno()), "w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115
    streams = _Stream("stdout", text), _Stream("stderr", text)
    try:
        for descriptor in saved:
            os.dup2(log.fileno(), descriptor)
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            yield
    finally:
        for stream in streams:
            stream.give_back()
        with contextlib.suppress(OSError):
            text.close()
        _flush()
        for descriptor, copy in saved.items():
            os.dup2(copy, descriptor)
            os.close(copy)


class _Stream:
    """Stands for ``sys.stdout`` or ``sys.stderr``: the log while a step runs, afterwards what that stream is by then.

    Log handlers that a vendor creates within the step keep it; a stream that was closed would make each of their later
    messages an error.
    """

    def __init__(self, name: str, log: IO[str]) -> None:
        self._name = name
        self._log: IO[str] | None = log

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._target(), attribute)

    def close(self) -> None:
        """Do nothing: a handler that closes its stream at exit must not close the process's."""

    def give_back(self) -> None:
        self._log = None

    def _target(self) -> Any:
        if self._log is not None:
            return self._log
        stream = getattr(sys, self._name)
        if stream is None or stream is self:
            stream = getattr(sys, f"__{self._name}__")
        return io.StringIO() if stream is None else stream


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()


def _tail(log: IO[bytes]) -> str:
    with contextlib.suppress(OSError):
        log.seek(0)
        return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:])
    return ""


def _note(exc: BaseException, text: str) -> None:
    """Attach ``text`` as `BaseException.add_note` does (which Python 3.10 lacks)."""
    if text:
        exc.__dict__["__notes__"] = [*getattr(exc, "__notes__", ()), text]


_OPERATORS = r"^[\s-]*(?:(?:Flex|Custom|TF Select) ops|No conversion rule found for operations): ([^\n]+)"
"""How TensorFlow's converter and OpenVINO's list what they cannot convert."""


def telling_line(exc: BaseException) -> str:
    """Return the line of a vendor's exception that says something, at most 200 characters of it."""
    text = str(exc)
    operators = re.findall(_OPERATORS, text, re.M)
    if operators:
        return f"operators that the format does not have: {', '.join(found.strip() for found in operators)}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|not support|unsupport|cannot|can't|invalid", line, re.I)]
    raised = [line for line in lines if re.match(r"\w+(Error|Exception): ", line)]  # the end of a trace in a message
    line = (raised or telling or lines or [type(exc).__name__])[0]
    line = re.sub(r"(?<![\w.:/-])(?:/[\w.+-]+)+/", "", line)  # folders; not the slashes inside a layer's name
    return line if len(line) <= 200 else line[:199] + "…"
