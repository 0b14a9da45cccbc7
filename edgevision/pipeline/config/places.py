"""Files, folders and topics that a configuration writes to: no two parts write the same one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgevision.errors import ConfigError
from edgevision.files import NAME_BYTES
from edgevision.pipeline.events.store import files_of
from edgevision.pipeline.recording.names import folder_name
from edgevision.pipeline.sinks import JsonLinesSink, MqttSink, Sink
from edgevision.pipeline.sinks.mqtt import topic_level


def check_places(spool: Path, sinks: Sequence[Sink], recording: Path | None) -> None:
    """Raise ConfigError where two parts would write the same file, or two MQTT clients have one name.

    Args:
        spool: The spool's file.
        sinks: The sinks.
        recording: Folder of recordings; None for none.
    """
    taken: dict[Path, str] = {}
    wanted = [("spool", path) for path in files_of(spool)] if sinks else []
    wanted += [(f"sink {sink.name}", sink.path) for sink in sinks if isinstance(sink, JsonLinesSink)]
    wanted += [] if recording is None else [("recording", recording)]
    for what, path in wanted:
        before = taken.setdefault(_real(path), what)
        if before is not what:
            raise ConfigError(f"{before} and {what} have one place", got=str(path), next_step="name another one")
    clients: dict[tuple[str, int, str], str] = {}
    for sink in sinks:
        if isinstance(sink, MqttSink):
            key = sink.settings.host, sink.settings.port, sink.settings.client_id
            if (other := clients.setdefault(key, sink.name)) != sink.name:
                raise ConfigError(
                    f"sinks {other} and {sink.name} have one client_id, and the broker would let one in at a time",
                    got=key[2], next_step="give each a client_id of its own",
                )  # fmt: skip


def check_camera_names(names: Sequence[str], sinks: Sequence[Sink], kept: bool) -> None:
    """Raise ConfigError where two cameras would have one MQTT topic or folder of pictures, or one that cannot be.

    Args:
        names: Names of the cameras.
        sinks: The sinks.
        kept: Whether pictures are kept.
    """
    mqtt = any(isinstance(sink, MqttSink) for sink in sinks)
    for what, made, used in (("MQTT topic", topic_level, mqtt), ("folder of pictures", folder_name, kept)):
        taken: dict[str, str] = {}
        for name in names if used else ():
            other = taken.setdefault(made(name), name)
            if other != name:
                raise ConfigError(
                    f"cameras {other!r} and {name!r} would have one {what}", got=made(name),
                    next_step="give one a name that differs in more than spaces and signs",
                )  # fmt: skip
    for name in names if kept else ():
        if len(folder_name(name).encode()) > NAME_BYTES:
            raise ConfigError("cameras: name: no folder can be called so", got=name[:60], allowed=f"{NAME_BYTES} bytes")


def _real(path: Path) -> Path:
    return path.expanduser().resolve()
