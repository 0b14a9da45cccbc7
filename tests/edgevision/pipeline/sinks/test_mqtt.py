"""Against a real mosquitto, which is killed, stopped and started again."""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.events import Event, Spool
from edgevision.pipeline.sinks import Delivery, MqttSettings, MqttSink, MqttTls, UnreachableError
from edgevision.secret import Secret

PASSWORD = "hunter2/ü%"


def settings(broker, **more):
    return MqttSettings(**{"host": "127.0.0.1", "port": broker.port, "timeout_s": 2.0, **more})


def ids(heard):
    return [json.loads(text)["message_id"] for topic, text, _ in heard if topic.endswith("/events")]


def test_an_event_arrives_and_the_status_is_kept(broker, listen, event, wait_for):
    there = broker()
    heard = listen(there)
    sink, sent = MqttSink(settings(there, client_id="cam1", topic="site/north")), event(count=2)
    sink.send(sent)
    assert wait_for(lambda: len(heard) >= 2)
    by_topic = {topic: text for topic, text, _ in heard}
    assert Event.from_dict(json.loads(by_topic["site/north/gate/events"])) == sent
    assert by_topic["site/north/cam1/status"] == "online"
    later = listen(there)
    assert wait_for(lambda: later == [("site/north/cam1/status", "online", True)])
    sink.close()
    sink.close()
    assert wait_for(lambda: heard[-1][:2] == ("site/north/cam1/status", "offline"))


CONNECT = """
import sys, time
from edgevision.pipeline.sinks import MqttSettings, MqttSink
MqttSink(MqttSettings(host="127.0.0.1", port=int(sys.argv[1]), client_id="cam1")).idle()
print("there", flush=True)
time.sleep(60)
"""


def test_the_last_will_of_a_killed_process(broker, listen, wait_for):
    there = broker()
    heard = listen(there, "edgevision/cam1/status")
    child = subprocess.Popen([sys.executable, "-c", CONNECT, str(there.port)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "there\n"
    assert wait_for(lambda: [text for _, text, _ in heard] == ["online"])
    child.kill()
    child.wait()
    child.stdout.close()
    assert wait_for(lambda: [text for _, text, _ in heard] == ["online", "offline"])


def test_a_broker_that_is_killed_and_comes_back_gets_all_events_and_none_twice(
    broker, listen, event, tmp_path, wait_for
):
    there = broker()
    heard = listen(there)
    sent, quiet, over = [], threading.Event(), threading.Event()

    def happen(spool):
        while not over.wait(0.01):
            if not quiet.is_set():
                sent.append(event(number=len(sent)))
                spool.put(sent[-1:])

    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        delivery = Delivery(spool, MqttSink(settings(there)), first_wait_s=0.05, longest_wait_s=0.5, seed=0)
        thread = threading.Thread(target=happen, args=(spool,))
        thread.start()
        for _ in range(2):
            so_far = len(heard)
            assert wait_for(lambda so_far=so_far: len(heard) > so_far + 10)
            quiet.set()  # what it acknowledged and has neither passed on nor saved would be lost, and not by us
            assert wait_for(lambda: set(ids(heard)) == {one.message_id for one in sent})
            time.sleep(0.3)  # for the broker to save what it has
            there.send(signal.SIGSTOP)
            quiet.clear()
            time.sleep(0.3)  # messages are under way
            there.kill()
            time.sleep(0.5)
            there.start()
        back, so_far = time.monotonic(), len(heard)
        assert wait_for(lambda: len(heard) > so_far + 10)
        assert time.monotonic() - back < 10
        over.set()
        thread.join()
        assert delivery.close(drain_s=20)
        stats = delivery.stats()
    expected = [one.message_id for one in sent]
    assert wait_for(lambda: set(ids(heard)) == set(expected)), set(expected) - set(ids(heard))
    # QoS 1: what was under way when the broker died comes again, from us or from the broker's own file, as it was.
    arrived = [text for topic, text, _ in heard if topic.endswith("/events")]
    assert list(dict.fromkeys(arrived)) == [one.to_json() for one in sent]
    assert stats.delivered == len(expected) and stats.failures >= 1


def test_a_frozen_broker_is_noticed_and_events_wait(broker, listen, event, tmp_path, wait_for):
    there = broker()
    heard = listen(there)
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        delivery = Delivery(spool, MqttSink(settings(there, timeout_s=0.5)), first_wait_s=0.05, longest_wait_s=0.2)
        spool.put([event()])
        assert wait_for(lambda: len(ids(heard)) == 1)
        there.send(signal.SIGSTOP)
        spool.put([event(), event()])
        assert wait_for(lambda: delivery.stats().error is not None, 5)
        assert spool.stats().waiting["mqtt"] == 2
        there.send(signal.SIGCONT)
        assert delivery.close(drain_s=10)
    assert wait_for(lambda: len(set(ids(heard))) == 3)


def test_a_broker_that_restarts_while_nothing_happens_is_told_who_is_there(broker, listen, tmp_path, wait_for):
    there = broker()
    heard = listen(there, "edgevision/+/status")
    with Spool(tmp_path / "spool.db", ["mqtt"]) as spool:
        delivery = Delivery(spool, MqttSink(settings(there)), first_wait_s=0.05, longest_wait_s=0.2)
        assert wait_for(lambda: len(heard) == 1)
        there.kill()
        there.start()
        assert wait_for(lambda: [text for _, text, kept in heard if not kept][1:] == ["online"])
        delivery.close()


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_tls_with_a_client_certificate(broker, event, certificates):
    files = (
        f"cafile {certificates}/ca.pem",
        f"certfile {certificates}/server.pem",
        f"keyfile {certificates}/server.key",
    )
    there = broker(*files, "require_certificate true", "use_identity_as_username true", "allow_anonymous true")
    ca, client = str(certificates / "ca.pem"), str(certificates / "client.pem")
    own = MqttTls(ca, client, str(certificates / "client.key"), Secret("hunter2"))
    sink = MqttSink(settings(there, tls=own))
    sink.send(event())
    sink.close()
    wrong = {
        "no certificate": MqttTls(ca),
        "a stranger's": MqttTls(ca, str(certificates / "stranger.pem"), str(certificates / "stranger.key")),
        "another authority": MqttTls(str(certificates / "stranger.pem"), client, own.key, own.key_password),
        "the system's authorities": MqttTls(),
        "no file": MqttTls(str(certificates / "absent.pem")),
        "no TLS": None,
    }
    for what, tls in wrong.items():
        with pytest.raises(UnreachableError, match="mqtt broker") as caught:
            MqttSink(settings(there, tls=tls)).send(event())
        assert "hunter2" not in str(caught.value), what


@pytest.fixture
def guarded(broker, tmp_path):
    """A broker that lets "cam" in with PASSWORD, and nobody else."""
    users = tmp_path / "users"
    users.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", users, "cam", PASSWORD], check=True, capture_output=True)
    return broker("allow_anonymous false", f"password_file {users}")


def process_arguments():
    """What `ps` shows of every process."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            yield path.read_text(errors="replace")


def test_secrets_are_nowhere_after_any_fault(guarded, event, tmp_path, caplog, wait_for):
    caplog.set_level(logging.DEBUG)
    shown = []
    logins = [("cam", PASSWORD), ("cam", PASSWORD + "x"), (None, None)]
    for number, (username, password) in enumerate(logins):
        login = settings(guarded, username=username, password=password and Secret(password), timeout_s=1.0)
        with Spool(tmp_path / f"spool{number}.db", ["mqtt"]) as spool:
            sink = MqttSink(login)
            delivery = Delivery(spool, sink, first_wait_s=0.05, longest_wait_s=0.1)
            spool.put([event()])
            if number == 0:
                assert wait_for(lambda spool=spool: spool.stats().waiting == {"mqtt": 0})
                guarded.kill()
                spool.put([event()])
            assert wait_for(lambda delivery=delivery: delivery.stats().failures > 0)
            shown += [repr(login), repr(sink), repr(delivery.stats()), repr(spool.stats())]
            if number == 0:
                guarded.start()
                assert wait_for(lambda spool=spool: spool.stats().waiting == {"mqtt": 0})
            delivery.close()
        shown.append((tmp_path / f"spool{number}.db").read_bytes().decode(errors="replace"))
    shown += [caplog.text, *process_arguments()]
    assert "refuses" in caplog.text and "127.0.0.1" in caplog.text
    assert [text for text in shown if PASSWORD in text] == []


def test_home_assistant_discovers_each_camera(broker, listen, wait_for):
    there = broker()
    heard = listen(there, "homeassistant/#")
    sink = MqttSink(settings(there, client_id="hub", discovery="homeassistant", sources=["front gate", "yard"]))
    sink.idle()
    assert wait_for(lambda: len(heard) == 2)
    sink.close()
    documents = {topic: json.loads(text) for topic, text, _ in heard}
    first = documents["homeassistant/event/hub_front_gate/events/config"]
    assert first["state_topic"] == "edgevision/front_gate/events"
    assert first["availability_topic"] == "edgevision/hub/status"
    assert set(first["event_types"]) == {"start", "update", "end", "moment"}
    assert json.loads(first["value_template"])["event_type"] == "{{ value_json.phase }}"
    assert len({document["unique_id"] for document in documents.values()}) == 2


def test_nobody_there(event):
    sink = MqttSink(MqttSettings(host="127.0.0.1", port=9, timeout_s=1.0))
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9"):
        sink.send(event())
    sink.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": ""},
        {"port": 0},
        {"timeout_s": 0},
        {"keepalive_s": 0},
        {"topic": "a/#"},
        {"client_id": "a/b"},
        {"topic": ""},
        {"discovery": "homeassistant/#"},
        {"password": Secret("of nobody")},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError, match="mqtt"):
        MqttSettings(**{"host": "127.0.0.1", **wrong})
