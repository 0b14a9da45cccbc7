"""Where a source is, and the same without the passwords in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from edgevision.secret import HIDDEN, Secret, scrub

_WHO = re.compile(r"://(\S+)@")
_PROPERTY = re.compile(
    r"(?i)\b((?:[\w-]+-)?(?:user-id|user-pw|proxy-id|proxy-pw|password|passphrase|token|key)=(?:\(\w+\))?)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^&\s\"']+)"
)
"""A GStreamer element's property, which may say its type and have quotes, or a parameter."""
FEWEST = 3
"""Shorter secrets are not looked for in texts: too much else is called the same."""


@dataclass(frozen=True)
class Location:
    """The address of a source. Its text, in messages and logs, is without user and password.

    Attributes:
        address: As it was given, for whoever connects; not in `repr`.
        secret: What is in it and shall not be shown, wherever it stands; None where only its usual places are known.
    """

    address: str = field(repr=False)
    secret: Secret | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """The address as others may see it."""
        return self._hidden(self.address)

    @property
    def scheme(self) -> str:
        """What stands before "://", in lower case; '' where nothing does."""
        found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", self.address)
        return found[1].lower() if found else ""

    def clean(self, text: str) -> str:
        """Return a text, such as a library's error, in which the address and its secrets do not occur."""
        text = self._hidden(text.replace(self.address, self.shown))
        for secret in self._secrets():
            text = text.replace(secret, HIDDEN)
        return text

    def __str__(self) -> str:
        return self.shown

    def _hidden(self, text: str) -> str:
        known = scrub(text, [] if self.secret is None else [self.secret])
        return _PROPERTY.sub(lambda match: f"{match[1]}{HIDDEN}", known)

    def _secrets(self) -> list[str]:
        """Users, passwords and tokens, as they stand in the address and decoded, the longest first."""
        found = [match["value"].strip("\"'") for match in _PROPERTY.finditer(self.address)]
        if self.shown != self.address and (match := _WHO.search(self.address)) is not None:
            found += [match[1], *match[1].split(":", 1)]
        both = {form for one in found for form in (one, unquote(one))}
        return sorted((form for form in both if len(form) >= FEWEST), key=len, reverse=True)
