"""A configuration tried without running it: the model loads, places can be written to, the page's port is free."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgevision.errors import BackendUnavailableError, ConfigError, OutputError, reason_of
from edgevision.optional import require
from edgevision.pipeline.config import ModelConfig, StatusConfig, WatchConfig
from edgevision.pipeline.events.store import check_no_folder, lock_of
from edgevision.pipeline.model_slot import Stage
from edgevision.pipeline.second import load_second
from edgevision.pipeline.sinks import JsonLinesSink, MqttSink
from edgevision.pipeline.sources.base import SoftwareUser
from edgevision.pipeline.stages import in_vain, labels_of, load_models, stage_for
from edgevision.pipeline.status.web import check_token


@dataclass(frozen=True)
class Checked:
    """What was found.

    Attributes:
        config: The configuration.
        notes: What is worth knowing, and no fault.
    """

    config: WatchConfig
    notes: tuple[str, ...]


def check(path: str | Path, *, stages: Callable[[ModelConfig], Stage] = stage_for) -> Checked:
    """Try a configuration, also while it runs: nothing is changed, and no camera, broker or receiver is reached.

    Args:
        path: The TOML file.
        stages: Loads a model.

    Raises:
        ConfigError: It makes no sense, certificates cannot be read, or the page's port is taken.
        SourceError: A camera's file or folder is not there.
        BackendUnavailableError: A package that a camera, a sink or clips need is not installed.
        OutputError: A place of events, recordings or captured frames cannot be written to.
        EdgeVisionError: The model or a variant does not load.
    """
    config = WatchConfig.read(path, labels_of)
    _check_software(config)
    stage, variants = load_models(config.model, stages)
    for made in (stage, *variants.values()):
        made.close()
    for entry in config.second_stages:
        load_second(entry).close()
    for sink in config.sinks:
        if isinstance(sink, MqttSink) and sink.settings.tls is not None:
            sink.settings.tls.context()
    if config.sinks:
        check_no_folder(config.spool)
    for place in _places(config):
        _try_to_write(place)
    if config.status is not None:
        check_token(config.status.host, None if config.status.token is None else config.status.token.reveal())
    notes = in_vain(config)
    if config.sinks and _is_locked(config.spool):
        notes.append(f"spool {config.spool} is in use: this configuration, or one like it, runs now")
    elif config.status is not None:
        _try_port(config.status)
    return Checked(config, tuple(notes))


def _check_software(config: WatchConfig) -> None:
    for camera in config.cameras:
        source = camera.source()
        try:
            if isinstance(source, SoftwareUser):
                source.check_software()
        except BackendUnavailableError as exc:
            exc.what = f"cameras.{camera.name}: {exc.what}"
            raise
    if any(isinstance(sink, MqttSink) for sink in config.sinks):
        require("paho.mqtt.client")
    if config.recording is not None and config.recording.clips is not None:
        require("av")


def _places(config: WatchConfig) -> Iterator[Path]:
    """Folders that are written to."""
    if config.sinks:
        yield config.spool.parent
    for sink in config.sinks:
        if isinstance(sink, JsonLinesSink):
            yield sink.path.parent
    if config.recording is not None:
        yield config.recording.folder
    if config.capture is not None:
        yield config.capture.folder


def _try_to_write(folder: Path) -> None:
    """Write a file without a name where a folder is, or will be made."""
    try:
        found = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not found.is_dir():
            raise NotADirectoryError(f"{found} is no folder")
        with tempfile.TemporaryFile(dir=found) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as exc:
        raise OutputError(
            f"{folder} cannot be written to: {reason_of(exc)}",
            next_step="free space, check permissions, or name another place",
        ) from exc


def _is_locked(spool: Path) -> bool:
    """Whether another process has the spool."""
    try:
        lock = os.open(lock_of(spool), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _try_port(status: StatusConfig) -> None:
    family = socket.AF_INET6 if ":" in status.host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((status.host, status.port))
    except (OSError, OverflowError) as exc:
        raise ConfigError(
            f"status page: {status.host}, port {status.port} cannot be listened at: {exc}",
            next_step="name a host of this machine and a port that is free",
        ) from exc
