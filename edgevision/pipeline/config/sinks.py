"""Sinks in a configuration: ``kind`` says which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgevision.errors import check_choice
from edgevision.pipeline.config.table import Table
from edgevision.pipeline.sinks import JsonLinesSink, MqttSettings, MqttSink, MqttTls, Sink, WebhookSink
from edgevision.secret import Secret


def sink_of(table: Table, cameras: Sequence[str]) -> Sink:
    """Return a sink, which connects when it is first used.

    Args:
        table: Its keys.
        cameras: Names of the cameras.

    Raises:
        ConfigError: An unknown kind or key, or a value that makes no sense.
    """
    kind = table.text("kind")
    check_choice(f"{table.what}: kind", kind, KINDS)
    made = KINDS[kind](table, cameras)
    table.finish()
    return made


def _json_lines(table: Table, cameras: Sequence[str]) -> Sink:
    return JsonLinesSink(table.path("path"), name=table.name("json-lines"))


def _webhook(table: Table, cameras: Sequence[str]) -> Sink:
    token = table.secret("bearer")
    headers: dict[str, str | Secret] = {**table.strings("headers")}
    if token is not None:
        headers["Authorization"] = Secret(f"Bearer {token.reveal()}")
    ca_file = table.path("ca_file", None)
    return WebhookSink(
        table.text("url"),
        secret=table.secret("secret"),
        headers=headers,
        timeout_s=table.number("timeout_s", 10.0),
        ca_file=None if ca_file is None else str(ca_file),
        name=table.name("webhook"),
    )


def _mqtt(table: Table, cameras: Sequence[str]) -> Sink:
    tls = table.table("tls")
    secure = None if tls is None else _tls(tls)
    settings = MqttSettings(
        host=table.text("host"),
        port=table.whole("port", 1883 if secure is None else 8883),
        client_id=table.text("client_id", "edgevision"),
        topic=table.text("topic", "edgevision"),
        username=table.text("username", None),
        password=table.secret("password"),
        tls=secure,
        timeout_s=table.number("timeout_s", 5.0),
        keepalive_s=table.whole("keepalive_s", 15),
        discovery=table.text("discovery", None),
        sources=tuple(cameras),
    )
    return MqttSink(settings, name=table.name("mqtt"))


def _tls(table: Table) -> MqttTls:
    ca_file, certificate, key = (table.path(name, None) for name in ("ca_file", "certificate", "key"))
    ca, own, private = (None if file is None else str(file) for file in (ca_file, certificate, key))
    made = MqttTls(ca, own, private, table.secret("key_password"))
    table.finish()
    return made


KINDS: Mapping[str, Callable[[Table, Sequence[str]], Sink]] = {
    "json_lines": _json_lines,
    "webhook": _webhook,
    "mqtt": _mqtt,
}
