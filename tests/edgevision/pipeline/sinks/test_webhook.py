import base64
import contextlib
import json
import logging
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.events import Event, Spool
from edgevision.pipeline.sinks import Delivery, RefusedError, UnreachableError, WebhookSink, signature
from edgevision.secret import Secret

KEY, TOKEN, PASSWORD = "k3y-of-the-signature", "t0ken-of-the-door", "p@ssw0rd"


@pytest.fixture
def server():
    """A real HTTP server: `statuses` are what it answers next (else 204), `got` what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = self.server.statuses.pop(0) if self.server.statuses else 204
            self.server.got.append((status, self.path, dict(self.headers), body))
            self.send_response(status)
            if status in (302, 503):
                self.send_header("Location", "http://127.0.0.1:9/")
                self.send_header("Retry-After", "0.3")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.statuses, server.got = [], []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_signed_request(server, event):
    url = f"http://cam:{PASSWORD.replace('@', '%40')}@127.0.0.1:{server.server_port}/hook?token={TOKEN}"
    sink = WebhookSink(url, secret=Secret(KEY), headers={"X-Token": Secret(TOKEN), "X-Site": "north"})
    sent = event(count=2)
    sink.send(sent)
    ((_, path, headers, body),) = server.got
    assert path == f"/hook?token={TOKEN}" and Event.from_dict(json.loads(body)) == sent
    assert headers["Idempotency-Key"] == sent.message_id and headers["Content-Type"] == "application/json"
    assert (headers["X-Token"], headers["X-Site"]) == (TOKEN, "north")
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == f"cam:{PASSWORD}"
    when, mac = (part.partition("=")[2] for part in headers["X-Edgevision-Signature"].split(","))
    assert mac == signature(Secret(KEY), int(when), body) and abs(time.time() - int(when)) < 5
    assert mac != signature(Secret("other"), int(when), body) and mac != signature(Secret(KEY), int(when), body + b" ")


def test_https_with_an_authority_of_ones_own(server, event, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    server.handle_error = lambda *_: None  # clients that end the handshake
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    url = f"https://127.0.0.1:{server.server_port}/"
    WebhookSink(url, ca_file=str(certificates / "ca.pem")).send(event())
    assert len(server.got) == 1
    for trusted in (None, str(certificates / "stranger.pem")):
        with pytest.raises(UnreachableError, match="certificate verify failed"):
            WebhookSink(url, ca_file=trusted).send(event())
    assert len(server.got) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [(500, UnreachableError), (401, UnreachableError), (302, UnreachableError), (422, RefusedError)],
)
def test_other_statuses_are_errors(server, event, status, error):
    server.statuses = [status]
    with pytest.raises(error, match=f"status {status}"):
        WebhookSink(f"http://127.0.0.1:{server.server_port}/").send(event())
    assert len(server.got) == 1


def test_a_redirection_is_not_followed_and_said(server, event):
    server.statuses = [302]
    with pytest.raises(UnreachableError, match="name the final address"):
        WebhookSink(f"http://127.0.0.1:{server.server_port}/").send(event())


def test_addresses_of_ipv6_with_and_without_a_port(event):
    class Six(HTTPServer):
        address_family = socket.AF_INET6

    try:
        server = Six(("::1", 0), BaseHTTPRequestHandler)
    except OSError as exc:
        pytest.skip(f"no IPv6 here: {exc}")
    with server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(UnreachableError, match=rf"http://\[::1\]:{server.server_port}: status 501"):
            WebhookSink(f"http://[::1]:{server.server_port}/").send(event())
        thread.join()
    with pytest.raises(UnreachableError, match=r"http://\[::1\]: no answer: (?!.*not known)"):
        WebhookSink("http://[::1]/").send(event())  # nothing listens at 80


def test_a_server_that_fails_for_a_while_gets_everything_once(server, event, tmp_path):
    server.statuses = [503, 500, 204, 502]
    events = [event() for _ in range(10)]
    with Spool(tmp_path / "spool.db", ["webhook"]) as spool:
        spool.put(events)
        sink = WebhookSink(f"http://127.0.0.1:{server.server_port}/")
        assert Delivery(spool, sink, first_wait_s=0.01, longest_wait_s=0.5).close(drain_s=10)
    arrived = [json.loads(body)["message_id"] for status, _, _, body in server.got if status == 204]
    assert arrived == [one.message_id for one in events]


def test_a_server_that_never_answers_costs_the_time_limit(event):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="no answer"):
            WebhookSink(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_s=0.3).send(event())
        assert time.monotonic() - began < 2


def test_an_answer_that_comes_letter_by_letter_costs_three_time_limits(event):
    def drip(listening):
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for number in range(90):
                connection.sendall(b"X-%d: y\r\n" % number)
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        began = time.monotonic()
        WebhookSink(f"http://127.0.0.1:{listening.getsockname()[1]}/", timeout_s=0.3).send(event())  # 200 was said
        assert time.monotonic() - began < 5
        thread.join()


def test_a_header_that_is_given_takes_the_place_of_ours(server, event):
    given = {"content-type": "application/cloudevents+json", "AUTHORIZATION": Secret("Bearer x")}
    WebhookSink(f"http://u:p@127.0.0.1:{server.server_port}/", headers=given).send(event())
    ((_, _, headers, _),) = server.got
    assert [value for key, value in headers.items() if key.lower() == "content-type"] == [given["content-type"]]
    assert [value for key, value in headers.items() if key.lower() == "authorization"] == ["Bearer x"]


def test_secrets_are_in_no_error_log_or_representation(server, event, caplog):
    caplog.set_level(logging.DEBUG)
    server.statuses = [401]
    headers = {"Authorization": Secret(f"Bearer {TOKEN}")}
    said = []
    for port in (server.server_port, 9):
        for scheme in ("http", "https"):
            for more in ({}, headers):
                url = f"{scheme}://cam:{PASSWORD.replace('@', '%40')}@127.0.0.1:{port}/{TOKEN}?key={TOKEN}"
                sink = WebhookSink(url, secret=Secret(KEY), headers=more, timeout_s=1)
                try:
                    sink.send(event())
                except UnreachableError as exc:
                    said += [str(exc), repr(exc), str(exc.__cause__), repr(sink)]
    assert len(said) >= 24
    for text in (*said, caplog.text):
        assert not any(secret in text for secret in (KEY, TOKEN, PASSWORD, PASSWORD.replace("@", "%40")))


@pytest.mark.parametrize(
    "url", ["ftp://h/x", "http://", "h/x", f"http://u:{PASSWORD}@h:port/", "http://h/a b", f"http://u:{PASSWORD}@[/"]
)
def test_what_is_no_such_url_is_refused_without_telling_the_password(url):
    with pytest.raises(ConfigError, match="webhook") as caught:
        WebhookSink(url)
    assert PASSWORD not in str(caught.value)


def test_other_settings_that_make_no_sense(tmp_path):
    with pytest.raises(ConfigError, match="X-Token") as caught:
        WebhookSink("https://h/", headers={"X-Token": Secret(f"{TOKEN}\r\nX-Other: 1")})
    assert TOKEN not in str(caught.value)
    with pytest.raises(ConfigError, match="timeout_s"):
        WebhookSink("https://h/", timeout_s=0)
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(ConfigError, match="ca_file"):
            WebhookSink("https://h/", ca_file=str(tmp_path / name))
