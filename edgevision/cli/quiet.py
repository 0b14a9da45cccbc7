"""Keeping other libraries' chatter off the user's screen, in the command line's own process only.

TensorFlow, absl, oneDNN and the TFLite runtimes write to file descriptor 2 from C++; others log, warn, or print
progress bars to stdout, where ``--json`` must be alone. So a command runs with descriptors 1 and 2 leading nowhere
and ``sys.stdout`` and ``sys.stderr`` writing to duplicates of the real ones; while the library works
(``quiet_libraries``), Python's own output of others is dropped as well. ``--debug`` turns all of this off.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from edgevision.cli.progress import ProgressLine


@dataclass
class Settings:
    """What holds for one run of the command line.

    Attributes:
        own_process: whether the process is ours, so that its file descriptors and signals may be changed.
        debug: whether tracebacks and libraries' messages are shown.
        as_json: whether the result is one JSON document on stdout.
        line: the progress line while the library works; remarks are printed above it.
    """

    own_process: bool = False
    debug: bool = False
    as_json: bool = False
    line: ProgressLine | None = None


def quiet_process() -> None:
    """Let file descriptors 1 and 2 lead nowhere; sys.stdout and sys.stderr go on writing to where they led."""
    try:
        streams = [_duplicate(sys.stdout, 1), _duplicate(sys.stderr, 2)]
    except OSError:  # one of them is closed: there is no screen to keep clean
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stdout, sys.stderr = streams
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    import faulthandler

    faulthandler.enable(file=sys.stderr)  # what a crash in C++ would have said on descriptor 2


def _duplicate(stream: TextIO, descriptor: int) -> TextIO:
    stream.flush()
    copy = os.dup(descriptor)
    return open(copy, "w", encoding=stream.encoding, errors=stream.errors, buffering=1)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Within the block, drop warnings, log records, and what is printed through sys.stdout and sys.stderr."""
    import logging
    import warnings
    from contextlib import redirect_stderr, redirect_stdout

    level = logging.root.manager.disable
    with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            with redirect_stdout(nowhere), redirect_stderr(nowhere):
                yield
        finally:
            logging.disable(level)
