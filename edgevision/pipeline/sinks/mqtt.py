"""Events to an MQTT broker, with QoS 1, through paho-mqtt (extra `camera`)."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgevision.documents import canonical_json
from edgevision.errors import ConfigError, reason_of
from edgevision.optional import require
from edgevision.pipeline.address import check_port
from edgevision.pipeline.events.event import Event
from edgevision.pipeline.rules.change import PHASES
from edgevision.pipeline.sinks.sink import UnreachableError, next_step_for
from edgevision.secret import Secret, scrub, without_credentials

ONLINE, OFFLINE = "online", "offline"
AT_LEAST_ONCE = 1
_CERTIFICATE = " (a broker that asks for a certificate does so when it gets none that it trusts)"
_LOOK_S = 0.1  # how often an unanswered publication looks whether the connection is still there


@dataclass(frozen=True)
class MqttTls:
    """How to speak TLS.

    Attributes:
        ca_file: Certificates to trust, PEM; None for the system's.
        certificate: The client's own certificate, PEM; None for none.
        key: Its key, PEM.
        key_password: Of the key.
    """

    ca_file: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_password: Secret | None = None

    def context(self) -> ssl.SSLContext:
        """Return what speaks it; raises ConfigError for files that cannot be read, or are no certificates that fit."""
        password = None if self.key_password is None else self.key_password.reveal()
        named = ", ".join(name for name in (self.ca_file, self.certificate, self.key) if name is not None)
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate is not None:
                # Without a password OpenSSL would ask for one at the terminal.
                context.load_cert_chain(self.certificate, self.key, password or (lambda: b""))
        except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
            secrets = [] if self.key_password is None else [self.key_password]
            raise ConfigError(
                f"mqtt: tls: {scrub(reason_of(exc), secrets)}", got=named,
                next_step="name files in PEM: the authority's, and a certificate with its key and the key's password",
            ) from None  # fmt: skip
        return context


@dataclass(frozen=True)
class MqttSettings:
    """Where and how.

    Attributes:
        host: Name or address of the broker.
        port: 1883, or 8883 with TLS.
        client_id: Unique at the broker; also in topics.
        topic: Prefix of all topics: events go to ``TOPIC/SOURCE/events``, and ``TOPIC/CLIENT/status`` says, retained,
            "online" or "offline", which the broker itself says when the connection breaks (the last will).
        username: None for no login.
        password: Of the user.
        tls: None for a connection that everybody can read.
        timeout_s: Seconds for the connection, and for the broker to acknowledge an event.
        keepalive_s: Seconds between signs of life.
        discovery: Prefix of Home Assistant's discovery, "homeassistant" there; None for none.
        sources: Names of the cameras to be discovered.
    """

    host: str
    port: int = 1883
    client_id: str = "edgevision"
    topic: str = "edgevision"
    username: str | None = None
    password: Secret | None = None
    tls: MqttTls | None = None
    timeout_s: float = 5.0
    keepalive_s: int = 15
    discovery: str | None = None
    sources: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.host or set(self.host) & set("/@[] ") or self.host.count(":") == 1:  # an address of IPv6 has more
            got = repr(without_credentials(self.host.rpartition("@")[2]))  # a user and a password may be before it
            raise ConfigError(
                "mqtt: host", got=got, allowed="a name or an address alone",
                next_step='set port beside it, and [sinks.tls] for TLS: host = "broker.local", port = 1883',
            )  # fmt: skip
        check_port("mqtt", self.port)
        if not self.timeout_s > 0 or self.keepalive_s < 1:
            raise ConfigError("mqtt: timeout_s and keepalive_s", got=f"{self.timeout_s} and {self.keepalive_s}")
        if self.password is not None and self.username is None:
            raise ConfigError("mqtt: a password of nobody", next_step="set username too")
        for what, text in (("topic", self.topic), ("client_id", self.client_id), ("discovery", self.discovery or "-")):
            if not text or set(text) & set("+#\0") or (what == "client_id" and "/" in text):
                raise ConfigError(f"mqtt: {what}", got=repr(text), allowed="a text without + # (and / in client_id)")


class MqttSink:
    """Publishes each event with QoS 1, and waits until the broker has acknowledged it.

    A connection that broke, or that did not acknowledge in time, is given up and made anew for the next attempt:
    nothing is left in it that could be sent a second time, other than what the broker had already and could not
    acknowledge. Such a message arrives twice, under the same message id.

    Args:
        settings: Where and how.
        name: What the spool knows it by.
    """

    def __init__(self, settings: MqttSettings, *, name: str = "mqtt") -> None:
        self.name, self.settings = name, settings
        self._status = f"{settings.topic}/{settings.client_id}/status"
        self._client: Any = None

    def send(self, event: Event) -> None:
        """Publish an event; raises UnreachableError, and BackendUnavailableError without paho-mqtt."""
        self.idle()
        topic = f"{self.settings.topic}/{topic_level(event.source or self.settings.client_id)}/events"
        self._publish(topic, event.to_json())

    def idle(self) -> None:
        """Connect, where there is no connection; raises as `send` does."""
        if self._client is not None and not self._client.is_connected():
            self._give_up()
        if self._client is None:
            self._connect()

    def close(self) -> None:
        """Say that nobody is here any more, and leave; idempotent."""
        if self._client is not None and self._client.is_connected():
            try:
                self._publish(self._status, OFFLINE, retain=True)
            except UnreachableError:
                return  # the broker's last will says it
        self._give_up()

    def _connect(self) -> None:
        paho = require("paho.mqtt.client")
        settings, answered = self.settings, threading.Event()
        refusals: list[str] = []
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = settings.timeout_s
        client.enable_logger(_QUIET)

        def on_connect(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if reason.is_failure:
                refusals.append(f"it refuses: {reason}")
            answered.set()

        def on_disconnect(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if not answered.is_set():
                refusals.append(f"it ends the connection: {reason}" + (_CERTIFICATE if settings.tls else ""))
                answered.set()

        client.on_connect, client.on_disconnect = on_connect, on_disconnect
        try:
            self._prepare(client)
            client.connect(settings.host, settings.port, keepalive=settings.keepalive_s)
        except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
            raise self._unreachable(reason_of(exc), next_step_for(exc)) from None
        except ConfigError as exc:
            raise self._unreachable(str(exc)) from None
        self._client = client
        client.loop_start()
        if not answered.wait(settings.timeout_s) or refusals:
            self._give_up()
            if refusals:
                raise self._unreachable(refusals[0], "check username and password" if "uthori" in refusals[0] else None)
            raise self._unreachable("it does not answer", "check that the broker runs")
        self._publish(self._status, ONLINE, retain=True)
        if settings.discovery is not None:
            for source in settings.sources:
                self._publish(*discovery(settings, source), retain=True)

    def _prepare(self, client: Any) -> None:
        """Set what has to be there before the connection."""
        settings, tls = self.settings, self.settings.tls
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password.reveal() if settings.password else None)
        client.will_set(self._status, OFFLINE, qos=AT_LEAST_ONCE, retain=True)
        if tls is not None:
            client.tls_set_context(tls.context())

    def _publish(self, topic: str, text: str, retain: bool = False) -> None:
        try:
            sent = self._client.publish(topic, text, qos=AT_LEAST_ONCE, retain=retain)
            end = time.monotonic() + self.settings.timeout_s
            while not sent.is_published() and self._client.is_connected() and time.monotonic() < end:
                sent.wait_for_publish(_LOOK_S)
            arrived = sent.is_published()
        except (RuntimeError, ValueError) as exc:
            self._give_up()
            raise self._unreachable(reason_of(exc)) from None
        if not arrived:
            self._give_up()
            raise self._unreachable("it did not acknowledge an event", "check that the broker runs, and its disk")

    def _give_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _unreachable(self, reason: str, next_step: str | None = None) -> UnreachableError:
        settings = self.settings
        secrets = [secret for secret in (settings.password, settings.tls and settings.tls.key_password) if secret]
        return UnreachableError(
            f"mqtt broker {settings.host}:{settings.port}: {scrub(reason, secrets)}", next_step=next_step
        )


_QUIET = logging.getLogger("edgevision.pipeline.paho")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False  # it logs what it sends


def discovery(settings: MqttSettings, source: str) -> tuple[str, str]:
    """Return topic and text that make a camera's events an event entity of Home Assistant (MQTT discovery)."""
    camera = topic_level(source)
    unique = f"{settings.client_id}_{camera}"
    template = {"event_type": "{{ value_json.phase }}"} | {
        name: f"{{{{ value_json.{name} }}}}" for name in ("rule", "kind", "label", "id")
    }
    document = {
        "name": "Events",
        "unique_id": unique,
        "state_topic": f"{settings.topic}/{camera}/events",
        "value_template": canonical_json(template),
        "event_types": list(PHASES),
        "availability_topic": f"{settings.topic}/{settings.client_id}/status",
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "device": {"identifiers": [unique], "name": source, "manufacturer": "edgevision"},
    }
    return f"{settings.discovery}/event/{unique}/events/config", canonical_json(document)


def topic_level(source: str) -> str:
    """Return a camera's name as one level of a topic.

    >>> topic_level("gate 1/east")
    'gate_1_east'
    """
    return "".join("_" if letter in "/+#\0 " else letter for letter in source)
