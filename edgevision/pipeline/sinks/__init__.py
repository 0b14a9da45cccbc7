"""Where events go: files, webhooks, MQTT; each takes them from the spool at its own pace."""

from edgevision.pipeline.sinks.delivery import Delivery, DeliveryStats
from edgevision.pipeline.sinks.json_lines import JsonLinesSink
from edgevision.pipeline.sinks.mqtt import MqttSettings, MqttSink, MqttTls
from edgevision.pipeline.sinks.sink import RefusedError, Sink, UnreachableError
from edgevision.pipeline.sinks.webhook import WebhookSink, signature

__all__ = [
    "Delivery",
    "DeliveryStats",
    "JsonLinesSink",
    "MqttSettings",
    "MqttSink",
    "MqttTls",
    "RefusedError",
    "Sink",
    "UnreachableError",
    "WebhookSink",
    "signature",
]
