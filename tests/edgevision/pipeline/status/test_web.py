"""The status page: who may look, and what there is to see."""

import io
import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from edgevision.errors import ConfigError
from edgevision.pipeline.status import web
from edgevision.pipeline.status.preview import Preview
from edgevision.pipeline.status.web import StatusServer

TOKEN = "0123456789abcdef"
STAGE = {"count": 9, "p50_ms": 10.5, "p95_ms": None}
CAMERA = {
    "live": True, "connected": True, "reason": "", "age_s": 0.1, "openings": 1, "failures": 0, "received": 12,
    "corrupt": 0,
    "dropped": {"replaced": 2, "too old": 1}, "drop_ratio": 0.25, "results": 9, "late": 1, "level": "full",
    "stages": {"infer": STAGE},
}  # fmt: skip
STATE = {
    "up_s": 12.5,
    "model": {"name": "it", "on_probation": False},
    "worker_stuck": False,
    "cameras": {"gate <1>": CAMERA},
}


@pytest.fixture
def serve():
    servers = []

    def make(healthy=lambda: True, preview=None, **rest):
        servers.append(StatusServer(lambda: STATE, healthy, preview or Preview(), port=0, **rest).start())
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def get(server, path, headers=None):
    """Status, headers and content of an answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_what_there_is(serve):
    server = serve()
    status, headers, content = get(server, "/")
    assert (
        status == 200 and b"edgevision watch" in content and "default-src 'none'" in headers["Content-Security-Policy"]
    )
    told = {"cameras": {"gate <1>": CAMERA | {"ended": False}}, "troubles": []}
    assert json.loads(get(server, "/state.json")[2]) == STATE | told
    assert get(server, "/healthz")[::2] == (200, b"ok\n")
    assert get(server, "/nothing")[0] == get(server, "/live/gate.jpg")[0] == get(server, "/../etc/passwd")[0] == 404


def test_the_page_says_what_is_old_and_fits_a_telephone(serve):
    """It was looked at in Chromium: this keeps what made the difference."""
    page = get(serve(), "/")[2].decode()
    for needed in (
        "nothing came for 5 s", "all below is as it was at", "found.up_s < up",  # frozen, ended, started anew
        "min(22rem, 100%)", "prefers-color-scheme: dark", "<noscript>", 'href="data:,"',
    ):  # fmt: skip
        assert needed in page
    assert "img-src 'self' data:;" in get(serve(), "/")[1]["Content-Security-Policy"]


def test_a_stage_that_does_not_go_on_is_no_health(serve):
    assert get(serve(healthy=lambda: False), "/healthz")[0] == 503


def test_metrics_are_what_prometheus_reads(serve):
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client, of the extra camera")
    text = get(serve(), "/metrics")[2].decode()
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    camera = ("camera", "gate <1>")
    assert found["edgevision_up_seconds",] == 12.5
    assert found["edgevision_connected", camera] == 1
    assert found["edgevision_frames_received_total", camera] == 12
    assert found["edgevision_frames_dropped_total", camera, ("reason", "too old")] == 1
    assert found["edgevision_stage_seconds", camera, ("quantile", "0.5"), ("stage", "infer")] == 0.0105
    assert ("edgevision_stage_seconds", camera, ("quantile", "0.95"), ("stage", "infer")) not in found
    assert found["edgevision_stage_seconds_count", camera, ("stage", "infer")] == 9
    assert "# TYPE edgevision_stage_seconds summary" in text  # elsewhere a label may not be called quantile


def test_a_picture_is_drawn_when_somebody_looks(serve):
    preview, drawn = Preview(), []

    def picture():
        drawn.append(True)
        return np.full((6, 8, 3), 200, np.uint8)

    server = serve(preview=preview)
    preview.show("gate 1", picture)
    assert not drawn
    status, headers, content = get(server, "/live/gate%201.jpg")
    assert (status, headers["Content-Type"], drawn) == (200, "image/jpeg", [True])
    assert Image.open(io.BytesIO(content)).size == (8, 6)
    preview.forget("gate 1")
    assert get(server, "/live/gate%201.jpg")[0] == 404


def test_a_stream_has_each_new_picture(serve):
    preview = Preview()
    server = serve(preview=preview)
    preview.show("gate", lambda: np.zeros((4, 4, 3), np.uint8))
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/live/gate.mjpg", timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        for value in (50, 100):
            head = b"".join(answer.readline() for _ in range(4))
            length = int(head.split(b"Content-Length: ")[1].split()[0])
            assert Image.open(io.BytesIO(answer.read(length))).getpixel((0, 0))[0] == pytest.approx(value - 50, abs=2)
            assert answer.readline() == b"\r\n"
            preview.show("gate", lambda value=value: np.full((4, 4, 3), value, np.uint8))


def test_a_stream_outlasts_a_camera_that_is_lost_for_a_while(serve, monkeypatch):
    monkeypatch.setattr(web, "LOOK_S", 0.1)
    preview = Preview()
    server = serve(preview=preview)
    preview.show("gate", lambda: np.zeros((4, 4, 3), np.uint8))
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/live/gate.mjpg", timeout=60) as answer:
        for _ in range(3):  # the same picture again and again
            assert answer.readline() == b"--picture\r\n"
            length = int(b"".join(answer.readline() for _ in range(3)).split(b"Content-Length: ")[1].split()[0])
            assert Image.open(io.BytesIO(answer.read(length))).size == (4, 4) and answer.readline() == b"\r\n"
        preview.forget("gate")
        assert answer.read().endswith(b"--picture\r\n")  # and it ends with the camera


def test_a_browser_need_not_wait_for_the_next_picture_to_show_one(serve, monkeypatch):
    monkeypatch.setattr(web, "LOOK_S", 600)  # the same one does not come again meanwhile
    preview = Preview()
    server = serve(preview=preview)
    preview.show("gate", lambda: np.zeros((4, 4, 3), np.uint8))
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/live/gate.mjpg", timeout=60) as answer:
        head = b"".join(answer.readline() for _ in range(4))
        answer.read(int(head.split(b"Content-Length: ")[1].split()[0]) + 2)
        assert answer.readline() == b"--picture\r\n"


def test_strangers_do_not_look(serve):
    server = serve(token=TOKEN)
    for path in ("/", "/state.json", "/metrics", "/live/gate.mjpg", "/healthz"):
        assert get(server, path)[0] == 401
        assert get(server, path + "?token=wrong")[0] == 401
    assert b"?token=TOKEN at the end of the address" in get(server, "/")[2]
    assert get(server, "/state.json?token=" + TOKEN)[0] == 200
    for scheme, status in (("Bearer", 200), ("bearer", 200), ("Basic", 401)):
        assert get(server, "/state.json", {"Authorization": f"{scheme} {TOKEN}"})[0] == status
    assert get(server, "/state.json?token=" + TOKEN, {"Authorization": "Basic eDp5"})[0] == 200  # of a proxy before it
    assert TOKEN not in str(get(server, "/?token=" + TOKEN)[2])


def test_a_page_of_someone_else_cannot_have_the_browser_ask(serve):
    """DNS rebinding: the connection is local, the name is not."""
    status, _, content = get(serve(), "/state.json", {"Host": "evil.example:80"})
    assert status == 401 and b"by the name localhost" in content and b"token is needed" not in content


@pytest.mark.parametrize(("host", "token"), [("0.0.0.0", None), ("", None), ("127.0.0.1", "short")])
def test_settings_that_are_not_safe(host, token):
    with pytest.raises(ConfigError, match="token"):
        StatusServer(lambda: STATE, lambda: True, Preview(), host=host, port=0, token=token)


def test_a_port_that_is_taken(serve):
    with pytest.raises(ConfigError, match="cannot be listened at"):
        StatusServer(lambda: STATE, lambda: True, Preview(), port=serve().port)


def test_whoever_leaves_is_no_trouble(serve):
    preview = Preview()
    server = serve(preview=preview)
    preview.show("gate", lambda: np.zeros((4, 4, 3), np.uint8))
    answers = [urllib.request.urlopen(f"http://127.0.0.1:{server.port}/live/gate.mjpg", timeout=5) for _ in range(8)]
    assert get(server, "/live/gate.mjpg")[0] == 503
    for answer in answers:
        answer.close()
    stop = threading.Event()
    for _ in range(100):
        preview.show("gate", lambda: np.zeros((400, 400, 3), np.uint8))
        if get(server, "/state.json")[0] == 200 and server.streams.acquire(blocking=False):
            break
        stop.wait(0.05)
    else:
        raise AssertionError("streams that nobody reads do not end")


def raw(server, request, host="127.0.0.1"):
    with socket.create_connection((host, server.port), timeout=5) as connection:
        connection.sendall(request)
        return connection.recv(4096).split(b"\r\n")[0]


def test_requests_that_make_no_sense_leave_no_traceback(serve, capfd):
    server = serve()
    assert b" 401 " in raw(server, b"GET / HTTP/1.1\r\nHost: [\r\n\r\n")
    assert b" 400 " in raw(server, b"GET http://[/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    for _ in range(3):  # who goes away before the answer
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(b"GET /state.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50)
    assert get(server, "/healthz")[0] == 200
    time.sleep(0.2)
    assert capfd.readouterr().err == ""


def test_it_listens_at_ipv6(serve):
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as exc:
        pytest.skip(f"this machine has no ::1: {exc}")
    assert b" 200 " in raw(serve(host="::1"), b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\n\r\n", "::1")


def test_head_is_get_without_the_content(serve):
    preview = Preview()
    preview.show("gate", lambda: np.zeros((4, 4, 3), np.uint8))
    server = serve(preview=preview)
    for path in ("/", "/state.json", "/healthz", "/live/gate.jpg", "/live/gate.mjpg", "/nothing"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        head, _, content = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404" if path == "/nothing" else b"HTTP/1.1 200") and not content
    token = serve(token=TOKEN)
    assert b" 401 " in raw(token, b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def test_metrics_of_spool_sinks_and_the_model_s_process(monkeypatch, serve):
    pytest.importorskip("prometheus_client", reason="prometheus-client, of the extra camera")
    more = {
        "worker": {"deaths": 2, "gone_s": 1.5, "reason": "killed"},
        "spool": {"waiting": {"mqtt": 7}, "in_memory": 3, "dropped": 1, "disk_error": "full"},
        "sinks": {"mqtt": {"delivered": 40, "refused": 1, "failures": 5, "error": "refused"}},
    }
    for key, value in more.items():
        monkeypatch.setitem(STATE, key, value)
    text = get(serve(), "/metrics")[2].decode()
    for line in (
        "edgevision_worker_deaths_total 2.0", "edgevision_worker_gone_seconds 1.5",
        'edgevision_spool_waiting{sink="mqtt"} 7.0', "edgevision_spool_in_memory 3.0",
        "edgevision_spool_dropped_total 1.0", "edgevision_spool_disk_failing 1.0",
        'edgevision_sink_delivered_total{sink="mqtt"} 40.0', 'edgevision_sink_refused_total{sink="mqtt"} 1.0',
        'edgevision_sink_failures_total{sink="mqtt"} 5.0', 'edgevision_sink_failing{sink="mqtt"} 1.0',
    ):  # fmt: skip
        assert line in text
    assert "full" not in text
