"""Passwords and keys that appear nowhere: not in logs, errors, representations, documents or process arguments."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from edgevision.errors import ConfigError, reason_of
from edgevision.files import user_path

HIDDEN = "***"
MOST = 65536
"""Characters of a secret; a file like /dev/zero has no end."""
_FROM_ENVIRONMENT, _FROM_FILE = "env:", "file:"
_USER = re.compile(r"(?<=://)(?:[^/?#\s]*|[^/?#\s:@]*:(?!\d{1,5}[/?#])\S*)@")
"""User and password end at the last @ before the path. A password with a slash in it ends the address for whoever
connects, and is one nevertheless: what stands behind the colon is no port."""
_QUERY = re.compile(
    r"(?i)([?&;/_](?:[\w.-]*(?:passw|passphrase|loginpas|pwd|secret|token|key|auth|sig|credential)[\w.-]*"
    r"|[\w.-]*ps?wd?|user|username|usr|u|loginuse|login|pass|pin|p)=)[^&;#\s]*"
)
"""Parameters, after a question mark or, as some cameras have them, in the path."""


_read: set[str] = set()
"""Names of environment variables that secrets were read from."""


class Secret:
    """A text that is shown as ``***``, whatever is done to show it; `reveal` alone gives it.

    It is read from where it is kept, so that it stands neither in a configuration nor among a process's arguments.

    >>> password = Secret("hunter2")
    >>> f"{password} {password!r} {[password]}", password.reveal()
    ('*** Secret(***) [Secret(***)]', 'hunter2')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not value:
            raise ConfigError("secret: an empty text is none")
        self._value = value

    @classmethod
    def read(cls, place: str, base: Path | None = None) -> Secret:
        """Read a secret from ``env:NAME``, or ``file:PATH`` without its last line end.

        Args:
            place: Where it is kept.
            base: Folder that a relative path is relative to; None: the current one.

        Raises:
            ConfigError: Another kind of place, or nothing is there. The message has no part of a secret.
        """
        if place.startswith(_FROM_ENVIRONMENT):
            name = place.removeprefix(_FROM_ENVIRONMENT)
            value = os.environ.get(name, "")
            if not value:
                raise ConfigError(f"secret: no environment variable {name}, or an empty one")
            _read.add(name)
            return cls(value)
        if place.startswith(_FROM_FILE):
            path = (base or Path()) / user_path(place.removeprefix(_FROM_FILE))
            try:
                with path.open(encoding="utf-8", newline="") as file:
                    value = file.read(MOST + 1)
            except (OSError, UnicodeDecodeError) as exc:
                raise ConfigError(f"secret: {path} cannot be read: {reason_of(exc)}") from exc
            value = value.removesuffix("\n").removesuffix("\r")
            if not value:
                raise ConfigError(f"secret: {path} is empty")
            if len(value) > MOST:
                raise ConfigError(f"secret: {path} is too long for one", allowed=f"{MOST} characters at most")
            return cls(value)
        raise ConfigError("secret: where it is kept", got=HIDDEN, allowed=("env:NAME", "file:PATH"))

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, _: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def environment() -> dict[str, str]:
    """Return this process's environment for another one, without what secrets were read from."""
    return {name: value for name, value in os.environ.items() if name not in _read}


def without_credentials(text: str) -> str:
    """Return a text with the user names, passwords, tokens and keys of the URLs in it hidden.

    >>> without_credentials("cannot open rtsp://admin:p%40ss@10.0.0.7/live?token=abc&ch=1")
    'cannot open rtsp://***@10.0.0.7/live?token=***&ch=1'
    """
    return _QUERY.sub(rf"\g<1>{HIDDEN}", _USER.sub(f"{HIDDEN}@", text))


def scrub(text: str, secrets: Iterable[Secret] = ()) -> str:
    """Return a text of someone else's without secrets, plain or encoded, and without URLs' credentials."""
    for secret in secrets:
        value = secret.reveal()
        for form in {value, quote(value), quote(value, safe=""), repr(value)[1:-1]}:
            text = text.replace(form, HIDDEN)
    return without_credentials(text)
