"""Where events go."""

from __future__ import annotations

import socket
import ssl
from typing import Any, Protocol

from edgevision.errors import RemoteError
from edgevision.pipeline.events.event import Event


class Sink(Protocol):
    """A place that takes events, one after the other; it belongs to one thread."""

    @property
    def name(self) -> str:
        """What the spool knows it by."""

    def send(self, event: Event) -> None:
        """Return when the other side has the event; a message id that it has already changes nothing.

        Raises:
            EdgeVisionError: It does not have it, or nobody can tell. It will be asked again.
            RefusedError: It does not want it, and never will.
        """

    def idle(self) -> None:
        """Do what is to be done now and then while there is nothing to send, such as to connect again.

        Raises:
            EdgeVisionError: The sink cannot be reached.
        """

    def close(self) -> None:
        """Let go of connections and files; idempotent."""


def next_step_for(error: BaseException) -> str | None:
    """Return what to look at when a connection failed so; None where the error says all that is known."""
    steps: dict[type[BaseException], str] = {
        ssl.SSLCertVerificationError: "check ca_file, and the name in its certificate",
        socket.gaierror: "check the name of the host",
        ConnectionRefusedError: "check that it runs, and the port",
        TimeoutError: "check that it runs, and that the network lets it through",
    }
    return next((step for kind, step in steps.items() if isinstance(error, kind)), None)


class UnreachableError(RemoteError):
    """A sink could not be reached, or did not say that it has an event.

    Attributes:
        retry_after_s: Seconds that it asked to be left alone for, or None.
    """

    def __init__(self, what: str, *, retry_after_s: float | None = None, **details: Any) -> None:
        super().__init__(what, **details)
        self.retry_after_s = retry_after_s


class RefusedError(RemoteError):
    """A sink that was reached does not take this event, now or later."""
