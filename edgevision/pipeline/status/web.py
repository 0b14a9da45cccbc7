"""A small web server: a page with live pictures, the state as JSON, metrics, and whether all is well."""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from edgevision.errors import ConfigError, EdgeVisionError
from edgevision.pipeline.status.metrics import CONTENT_TYPE, exposition
from edgevision.pipeline.status.preview import Preview
from edgevision.pipeline.status.troubles import has_ended, troubles

logger = logging.getLogger("edgevision.pipeline")
LOOK_S = 5.0
"""So long a stream waits for the next picture before it sends the last one again, and so sees who has gone away."""
BOUNDARY = b"--picture\r\n"
MOST_STREAMS = 8
FEWEST_CHARACTERS = 16
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'",
}


def check_token(host: str, token: str | None) -> None:
    """Raise ConfigError beyond the loopback interface without a token, and for one that is too short."""
    if token is None and not _is_loopback(host):
        raise ConfigError(
            "status page: open to others than this machine without a token", got=host, allowed="127.0.0.1, ::1",
            next_step="set a token, or listen at 127.0.0.1",
        )  # fmt: skip
    if token is not None and len(token) < FEWEST_CHARACTERS:
        raise ConfigError("status page: the token is too short", allowed=f"{FEWEST_CHARACTERS} characters or more")


class StatusServer:
    """Serves ``/`` (page), ``/state.json``, ``/metrics``, ``/healthz`` and ``/live/CAMERA.jpg`` and ``.mjpg``.

    On the loopback interface it is for everybody on the machine; elsewhere only for who has the token, in a header
    ``Authorization: Bearer TOKEN`` or as ``?token=TOKEN``. It speaks HTTP: across networks that are not trusted put it
    behind a proxy with TLS.
    """

    def __init__(
        self,
        state: Callable[[], Mapping[str, Any]],
        healthy: Callable[[], bool],
        preview: Preview,
        *,
        host: str = "127.0.0.1",
        port: int = 8080,
        token: str | None = None,
    ) -> None:
        """Bind to the address.

        Args:
            state: `edgevision.pipeline.running.Pipeline.state`.
            healthy: Whether every stage goes on.
            preview: Pictures of the cameras.
            host: Address to listen at.
            port: TCP port; 0 takes a free one, see `port`.
            token: At least 16 characters; required beyond the loopback interface.

        Raises:
            ConfigError: Beyond the loopback interface without a token, a token that is too short, or an address that is
                taken.
        """
        check_token(host, token)
        self._state, self._healthy, self._preview, self._token = state, healthy, preview, token
        self._host = host
        self._loopback = _is_loopback(host)
        self._streams = threading.Semaphore(MOST_STREAMS)
        outer = self

        class Handler(_Handler):
            server_of = outer

        try:
            self._server = _Server((host, port), Handler)
        except (OSError, OverflowError) as exc:
            raise ConfigError(
                f"status page: {host}, port {port} cannot be listened at: {exc}",
                next_step="name a host of this machine and a port that is free",
            ) from exc
        self._thread = threading.Thread(target=self._server.serve_forever, name="status page", daemon=True)

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The page's address."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/"

    def start(self) -> StatusServer:
        """Begin to answer; returns at once."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop answering."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    @property
    def refusal(self) -> str:
        """What is told who may not look."""
        if self._token is not None:
            return "a token is needed: ?token=TOKEN at the end of the address, or a header Authorization: Bearer TOKEN"
        return "only for this machine, by the name localhost or 127.0.0.1; for others set a token: [status] token"

    def admits(self, given: str | None, host: str) -> bool:
        """Whether a request may be answered: the right token, or on the loopback interface its own name.

        The name is looked at since a page of someone else could otherwise have a browser here ask (DNS rebinding).
        """
        if self._token is not None:
            return given is not None and hmac.compare_digest(given.encode(), self._token.encode())
        return _is_loopback(host)

    def answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Return status, type and content of what is no stream."""
        if path == "/":
            page = files("edgevision.pipeline.status").joinpath("page.html").read_bytes()
            return HTTPStatus.OK, "text/html; charset=utf-8", page
        if path == "/state.json":
            return HTTPStatus.OK, "application/json", json.dumps(_told(self._state())).encode()
        if path == "/healthz":
            good = self._healthy()
            status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
            return status, "text/plain", b"ok\n" if good else b"a stage does not go on\n"
        if path == "/metrics":
            try:
                return HTTPStatus.OK, CONTENT_TYPE, exposition(self._state())
            except EdgeVisionError as exc:
                return HTTPStatus.NOT_IMPLEMENTED, "text/plain", f"{exc}\n".encode()
        if path.startswith("/live/") and path.endswith(".jpg"):
            found = self._preview.jpeg(path[len("/live/") : -len(".jpg")])
            if found is not None:
                return HTTPStatus.OK, "image/jpeg", found[1]
        return HTTPStatus.NOT_FOUND, "text/plain", b"not here\n"

    def stream(self, camera: str, write: Callable[[bytes], object]) -> None:
        """Write a camera's pictures, each as it comes, until there is none of it or nobody reads.

        A browser shows a picture when the boundary after it is there, so that comes with the picture.
        """
        number = 0
        write(BOUNDARY)
        while found := self._preview.jpeg(camera, number, LOOK_S) or self._preview.jpeg(camera):
            number, picture = found
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            write(head.encode() + picture + b"\r\n" + BOUNDARY)

    @property
    def streams(self) -> threading.Semaphore:
        """How many more streams there may be."""
        return self._streams


class _Server(ThreadingHTTPServer):
    """Listens at addresses of IPv4 and IPv6. A request that fails costs no more than a line of the log."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what went wrong; who has gone away in the middle is no news."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            logger.warning("status page: a request failed: %s: %s", type(error).__name__, error)


class _Handler(BaseHTTPRequestHandler):
    """One request. The answers are `StatusServer`'s."""

    server_of: StatusServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "edgevision", ""
    timeout = 30

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        try:
            address = urlsplit(self.path)
        except ValueError:  # such as http://[/
            self._send(HTTPStatus.BAD_REQUEST, "text/plain", b"not an address\n")
            return
        path, asked = unquote(address.path), parse_qs(address.query)
        scheme, _, bearer = (self.headers.get("Authorization") or "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else next(iter(asked.get("token", [])), None)
        host = _name(self.headers.get("Host") or "")
        if not self.server_of.admits(given, host):
            self._send(HTTPStatus.UNAUTHORIZED, "text/plain", f"{self.server_of.refusal}\n".encode())
        elif path.startswith("/live/") and path.endswith(".mjpg"):
            self._stream(path[len("/live/") : -len(".mjpg")])
        else:
            self._send(*self.server_of.answer(path))

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _stream(self, camera: str) -> None:
        if not self.server_of.streams.acquire(blocking=False):
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"too many streams\n")
            return
        try:
            self.send_response(HTTPStatus.OK)
            kind = "multipart/x-mixed-replace; boundary=picture"
            for name, value in {**HEADERS, "Content-Type": kind, "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.close_connection = True
            if self.command != "HEAD":
                self.server_of.stream(camera, self.wfile.write)
        except OSError:  # whoever looked has gone
            self.close_connection = True
        finally:
            self.server_of.streams.release()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: addresses have tokens in them."""


def _told(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state with what is wrong in words, and of each camera whether it has ended."""
    cameras = {name: {**camera, "ended": has_ended(camera)} for name, camera in state["cameras"].items()}
    return {**state, "cameras": cameras, "troubles": troubles(state)}


def _name(host: str) -> str:
    """The name in a header ``Host``; '' where it makes no sense."""
    try:
        return urlsplit("//" + host).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
