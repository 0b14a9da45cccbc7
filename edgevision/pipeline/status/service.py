"""Word to systemd: ready, alive, stopping (sd_notify(3)); nothing where systemd did not start the process."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping


class Service:
    """The process as a unit of ``Type=notify``.

    With ``WatchdogSec=`` in the unit it says that it is alive, twice as often as asked, but only while everything goes
    on: systemd restarts it otherwise.
    """

    def __init__(self, alive: Callable[[], bool], environment: Mapping[str, str] | None = None) -> None:
        """Read what systemd asks for.

        Args:
            alive: Whether every stage goes on.
            environment: Instead of the process's.
        """
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.interval_s = int(microseconds) / 2e6 if microseconds.isdigit() and mine and self._address else None
        self._alive = alive
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def ready(self) -> None:
        """Say that it runs, and begin to say that it is alive."""
        self.say("READY=1")
        if self.interval_s is not None and self._thread is None:
            self._thread = threading.Thread(target=self._watchdog, name="watchdog", daemon=True)
            self._thread.start()

    def status(self, text: str) -> None:
        """Give ``systemctl status`` a line."""
        self.say("STATUS=" + text.replace("\n", " "))

    def reloading(self, monotonic_us: int) -> None:
        """Say that the configuration is read anew; `ready` follows."""
        self.say(f"RELOADING=1\nMONOTONIC_USEC={monotonic_us}")

    def stopping(self) -> None:
        """Say that it ends."""
        self._stopping.set()
        self.say("STOPPING=1")

    def say(self, message: str) -> None:
        """Send a message; an unreachable systemd is no reason to end."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(message.encode(), address)
        except OSError:
            return

    def _watchdog(self) -> None:
        while not self._stopping.wait(self.interval_s):
            if self._alive():
                self.say("WATCHDOG=1")
