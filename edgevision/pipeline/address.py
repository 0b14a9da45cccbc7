"""Ports in addresses."""

from __future__ import annotations

import re
from urllib.parse import SplitResult

from edgevision.errors import ConfigError

HIGHEST_PORT = 65535


def check_port(what: str, port: int, least: int = 1) -> int:
    """Return a TCP port; raises ConfigError for what is none.

    >>> check_port("mqtt", 1883)
    1883
    """
    if not least <= port <= HIGHEST_PORT:
        raise ConfigError(f"{what}: port", got=port, allowed=f"{least} to {HIGHEST_PORT}")
    return port


def port_of(what: str, parts: SplitResult) -> int | None:
    """Return the port in an address, None where there is none in it; raises ConfigError as `check_port`."""
    try:
        port = parts.port
    except ValueError:
        number = re.search(r":(\d+)$", parts.netloc)  # anything else may be half a password
        if number is None:
            raise ConfigError(f"{what}: port", got="no number", allowed=f"1 to {HIGHEST_PORT}") from None
        return check_port(what, int(number[1][:20]))
    return None if port is None else check_port(what, port)
