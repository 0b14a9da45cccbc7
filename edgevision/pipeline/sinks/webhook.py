"""Events as HTTP requests, signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import SplitResult, unquote, urlsplit

from edgevision.errors import ConfigError, check_choice, reason_of
from edgevision.pipeline.address import port_of
from edgevision.pipeline.events.event import Event
from edgevision.pipeline.sinks.sink import RefusedError, UnreachableError, next_step_for
from edgevision.secret import HIDDEN, Secret, scrub

SIGNATURE = "X-Edgevision-Signature"
FOR_GOOD = (400, 413, 415, 422)
"""Statuses that are about this event, and will be the same tomorrow."""

_LONGEST_REASON = 200
_STEPS = 3  # to connect, to send, to wait for the answer


class WebhookSink:
    """Posts each event as JSON, and takes any status of 2xx for an answer that it has arrived.

    The header ``Idempotency-Key`` has the message id, so that a receiver can drop what it has already. With a secret,
    the header ``X-Edgevision-Signature`` is ``t=SECONDS,v1=HEX``: HMAC-SHA256 of ``SECONDS.BODY`` (RFC 2104), which
    `signature` computes for receivers too. Redirections are not followed.

    Args:
        url: http or https. User and password in it are sent as basic authentication.
        secret: Key of the signature.
        headers: More headers; a `Secret` as value for tokens.
        timeout_s: Seconds for each step of a request; all of it may take three times as long.
        ca_file: Certificates to trust instead of the system's, PEM.
        name: What the spool knows it by.

    Raises:
        ConfigError: Not such a URL, a header that is none, no positive time, or no certificates in the file.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: Secret | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        timeout_s: float = 10.0,
        ca_file: str | None = None,
        name: str = "webhook",
    ) -> None:
        self.name, self._secret, self._timeout_s = name, secret, timeout_s
        self._headers = _checked_headers(headers or {})
        self._url = _checked(url)
        if not timeout_s > 0:
            raise ConfigError("webhook: timeout_s", got=timeout_s, allowed="more than 0")
        self._context = _context(ca_file) if self._url.scheme == "https" else None
        self._authorization = _basic(self._url)
        self._host = self._url.hostname or ""
        self._port = self._url.port or (443 if self._url.scheme == "https" else 80)  # http.client would look in ::1
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self._place = f"{self._url.scheme}://{shown}{f':{self._url.port}' if self._url.port else ''}"
        self._target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")

    def __repr__(self) -> str:
        return f"WebhookSink({self._place}/{HIDDEN})"

    def send(self, event: Event) -> None:
        """Post an event; raises UnreachableError, or RefusedError for a status that says so."""
        body = event.to_json().encode()
        connection: http.client.HTTPConnection
        if self._context is not None:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=self._context
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        limit = threading.Timer(_STEPS * self._timeout_s, _cut, (connection,))  # an answer may come letter by letter
        limit.daemon = True
        limit.start()
        try:
            connection.request("POST", self._target, body, self._request_headers(event, body))
            response = connection.getresponse()
            response.read(_LONGEST_REASON)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            reason = scrub(reason_of(exc), self._secrets())
            raise UnreachableError(
                f"webhook {self._place}: no answer: {reason}", next_step=next_step_for(exc)
            ) from None
        finally:
            limit.cancel()
            connection.close()
        self._judge(response)

    def idle(self) -> None:
        """Nothing is to be done between requests."""

    def close(self) -> None:
        """Nothing is kept open between requests."""

    def _judge(self, response: http.client.HTTPResponse) -> None:
        if 200 <= response.status < 300:
            return
        what = f"webhook {self._place}: status {response.status}"
        if response.status in FOR_GOOD:
            raise RefusedError(what, next_step="the receiver does not take this event")
        moved = "redirections are not followed: name the final address" if 300 <= response.status < 400 else None
        raise UnreachableError(what, retry_after_s=_seconds(response.getheader("Retry-After")), next_step=moved)

    def _request_headers(self, event: Event, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": event.message_id, "User-Agent": "edgevision"}
        if self._authorization is not None:
            headers["Authorization"] = self._authorization.reveal()
        given = {key.lower() for key in self._headers}
        headers = {key: value for key, value in headers.items() if key.lower() not in given}
        for key, value in self._headers.items():
            headers[key] = value.reveal() if isinstance(value, Secret) else value
        if self._secret is not None:
            now = int(time.time())
            headers[SIGNATURE] = f"t={now},v1={signature(self._secret, now, body)}"
        return headers

    def _secrets(self) -> list[Secret]:
        found = [value for value in self._headers.values() if isinstance(value, Secret)]
        return found + [secret for secret in (self._secret, self._authorization) if secret is not None]


def signature(secret: Secret, seconds: int, body: bytes) -> str:
    """Return the signature (hex) of a body that was sent at a time, in whole seconds since 1970.

    >>> signature(Secret("key"), 0, b"{}")[:16]
    '7314351dd949aa7e'
    """
    return hmac.new(secret.reveal().encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigError("webhook: url: not a URL", allowed="https://host/path") from None
    check_choice("webhook: url: scheme", parts.scheme, ("https", "http"))
    if not parts.hostname:
        raise ConfigError("webhook: url: no host in it", allowed="https://host/path")
    port_of("webhook: url", parts)
    if any(ord(letter) <= 32 or ord(letter) >= 127 for letter in url):
        raise ConfigError("webhook: url: spaces or letters that have to be percent-encoded in it")
    return parts


def _checked_headers(headers: Mapping[str, str | Secret]) -> dict[str, str | Secret]:
    for key, value in headers.items():
        text = value.reveal() if isinstance(value, Secret) else value
        if not key.isascii() or not all(" " <= letter <= "~" for letter in key + text) or set(key) & set(": "):
            raise ConfigError(f"webhook: header {key!r}", allowed="printable ASCII letters, no line ends")
    return dict(headers)


def _basic(url: SplitResult) -> Secret | None:
    if url.username is None:
        return None
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return Secret("Basic " + base64.b64encode(pair.encode()).decode())


def _context(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(f"webhook: ca_file {ca_file}: {reason_of(exc)}") from exc


def _cut(connection: http.client.HTTPConnection) -> None:
    """End what a connection waits for."""
    with suppress(OSError, AttributeError):  # it is not open any more, or not yet
        connection.sock.shutdown(socket.SHUT_RDWR)


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:  # a date; our own waits will do
        return None
