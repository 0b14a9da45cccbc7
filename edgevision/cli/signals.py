"""Signals to a process of ours: while a command runs they end it; once its outcome is known they change it no more."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from edgevision.cli.failures import Terminated


class Signals:
    """SIGINT, SIGTERM and SIGHUP, as far as whoever started us (``nohup``) did not have them ignored.

    Python itself gives them back to the system before it has torn everything down, which takes libraries long: one that
    came then would end the process without a word, and with another status than the command's.
    """

    def __init__(self) -> None:
        """Let them raise `Terminated` and KeyboardInterrupt, so that whatever was being written is cleaned up."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
        for number in self._heard:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _terminated)
        atexit.register(self.ignore)

    def ignore(self) -> None:
        """Let them do nothing."""
        self._set(signal.SIG_IGN)

    def settle(self, status: int) -> None:
        """Let them end the process at once with the status that the command has come to."""
        self._set(lambda signum, frame: leave_now(status))

    def _set(self, handler: Callable[[int, Any], Any] | signal.Handlers) -> None:
        for number in self._heard:
            signal.signal(number, handler)


def leave_now(status: int) -> NoReturn:
    """End the process at once: threads of a library that were interrupted may crash it while it is torn down."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, RuntimeError):
            stream.flush()
    os._exit(status)


def _terminated(signum: int, frame: object) -> None:
    raise Terminated(128 + signum)
