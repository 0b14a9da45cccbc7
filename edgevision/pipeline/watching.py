"""A configuration, running: cameras, model, rules, sinks, page; read anew on demand, ended in order."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgevision.errors import ConfigError, reason_of
from edgevision.pipeline.config import CameraConfig, ModelConfig, WatchConfig
from edgevision.pipeline.events import Event, Spool
from edgevision.pipeline.following import Follower
from edgevision.pipeline.model_slot import Stage
from edgevision.pipeline.notice import Notice
from edgevision.pipeline.recording.clips import tidy
from edgevision.pipeline.running import Camera, Pipeline
from edgevision.pipeline.sinks import Delivery
from edgevision.pipeline.stages import DetectorStage, check_artifact, labels_of, load_models
from edgevision.pipeline.status.preview import Preview
from edgevision.pipeline.status.service import Service
from edgevision.pipeline.status.web import StatusServer
from edgevision.pipeline.system_events import SystemEvents

logger = logging.getLogger("edgevision.pipeline")
_VARYING = re.compile(r"[\w./:-]*\d[\w./:-]*")
SWEEP_S = 60.0
DRAIN_S = 5.0
"""So long it is waited at the end for sinks to take what is left; the rest stays in the spool."""


class Watch:
    """Runs a configuration; a context manager.

    Attributes:
        config: As it runs now.
        pipeline: The pipeline.
    """

    def __init__(self, path: str | Path, *, stages: Callable[[ModelConfig], Stage] = DetectorStage) -> None:
        """Read the configuration and load the model; `start` begins.

        Args:
            path: The TOML file.
            stages: Loads a model.

        Raises:
            ConfigError: The configuration makes no sense.
            EdgeVisionError: The model does not load, or the spool cannot be made.
        """
        self._path, self._stages = Path(path), stages
        self.config = WatchConfig.read(path, labels_of)
        self._labels = labels_of(self.config.model)
        self._preview = Preview()
        self._last_said: dict[str | None, tuple[str, str]] = {}
        self._followers: dict[str, Follower] = {}
        self._cameras: dict[str, Camera] = {}
        self._configs: dict[str, CameraConfig] = {}
        self._stopping = threading.Event()
        self._deliveries: list[Delivery] = []
        self._server: StatusServer | None = None
        self._spool: Spool | None = None
        self._system: SystemEvents | None = None
        model = self.config.model
        stage, variants = load_models(model, stages)
        try:
            if self.config.sinks:
                names = [sink.name for sink in self.config.sinks]
                self._spool = Spool(self.config.spool, names, max_messages=self.config.spool_messages)
            self.pipeline = Pipeline(
                model.artifact.name, stage, self._take(self._wanted(self.config.cameras)), self._handle,
                variants=variants, told=self._told,
            )  # fmt: skip
            self._serve()
        except BaseException:
            self._close_parts()
            for made in (stage, *variants.values()):
                made.close()
            raise
        self._service = Service(self.pipeline.healthy)

    def start(self) -> Watch:
        """Begin; returns at once."""
        self._system = SystemEvents(self._put, self._told)
        if self._spool is not None:
            self._spool.put(self._spool.interrupted())
            self._deliveries = [Delivery(self._spool, sink) for sink in self.config.sinks]
        if self.config.recording is not None:
            tidy(self.config.recording.folder)
            threading.Thread(target=self._sweep, name="retention", daemon=True).start()
        self.pipeline.start()
        if self._server is not None:
            self._server.start()
        self._service.ready()
        return self

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until every recording was looked at; return whether that is so."""
        return self.pipeline.join(timeout_s)

    def reload(self) -> None:
        """Read the file anew: cameras that did not change go on, others begin or end, another model is exchanged.

        A new model is verified on its golden samples first, and is on probation afterwards. Sinks, spool, recording,
        page, variants of the model and its classes are those from the start: a change of them takes a restart, and is
        an error.

        Raises:
            EdgeVisionError: The new configuration makes no sense, or its model does not hold; the old one goes on.
        """
        self._service.reloading(time.monotonic_ns() // 1000)
        try:
            found = WatchConfig.read(self._path, labels_of)
            self._check_same(found)
            wanted = self._wanted(found.cameras)
            if found.model != self.config.model or self.pipeline.slot.rolled_back:
                check_artifact(found.model)
                self.pipeline.slot.swap(found.model.artifact.name, lambda: self._stages(found.model))
            self.pipeline.change(self._take(wanted))
            gone = set(self._followers) - {camera.name for camera in found.cameras}
            for name in gone:
                self._followers.pop(name).close()
            self.config = found
        finally:
            self._service.ready()

    def stop(self) -> None:
        """End: what is under way is handled, open events end, sinks get what is left. Any number of times."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._service.stopping()
        self.pipeline.stop()
        if self._system is not None:
            self._system.close()
        for follower in self._followers.values():
            follower.close()
        self._close_parts()

    def state(self) -> dict[str, Any]:
        """Return how everything is, in JSON's types."""
        state = self.pipeline.state()
        for name, camera in state["cameras"].items():
            camera["events"] = self._followers[name].events if name in self._followers else 0
        state["profile"] = self.config.profile
        state["sinks"] = {
            sink.name: vars(delivery.stats())
            for sink, delivery in zip(self.config.sinks, self._deliveries, strict=False)
        }
        if self._spool is not None:
            stats = self._spool.stats()
            state["spool"] = {
                "waiting": stats.waiting, "in_memory": stats.in_memory, "dropped": stats.dropped,
                "disk_error": stats.disk_error,
            }  # fmt: skip
        return state

    def __enter__(self) -> Watch:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def status_port(self) -> int | None:
        """TCP port of the status page; None where there is none."""
        return None if self._server is None else self._server.port

    def _wanted(self, configs: Sequence[CameraConfig]) -> list[tuple[CameraConfig, Camera]]:
        """The pipeline's cameras; one whose configuration is the same as before is the same object."""
        wanted = []
        for config in configs:
            known = self._configs.get(config.name)
            same = known is not None and known.identity == config.identity
            wanted.append((config, self._cameras[config.name] if same else self._camera(config)))
        return wanted

    def _take(self, wanted: Sequence[tuple[CameraConfig, Camera]]) -> list[Camera]:
        """Let these be the cameras from now on."""
        self._cameras = {config.name: camera for config, camera in wanted}
        self._configs = {config.name: config for config, _ in wanted}
        return list(self._cameras.values())

    def _camera(self, config: CameraConfig) -> Camera:
        live = config.source().live
        return Camera(
            config.name, config.source, live=live, timeouts=config.timeouts, budget_s=config.budget_s,
            motion=config.motion, degradation=config.degradation,
        )  # fmt: skip

    def _handle(self, camera: Camera) -> Follower:
        before = self._followers.pop(camera.name, None)
        if before is not None:
            before.close()
        follower = Follower(
            self._configs[camera.name], self._labels, self._spool, recording=self.config.recording,
            preview=self._preview, told=lambda text: self._told(Notice("error", camera.name, text, time.monotonic())),
        )  # fmt: skip
        self._followers[camera.name] = follower
        return follower

    def _check_same(self, found: WatchConfig) -> None:
        for name in ("spool", "spool_messages", "recording", "status"):
            if getattr(found, name) != getattr(self.config, name):
                raise ConfigError(
                    f"{self._path}: [{name}] changed", next_step="restart to change it; nothing was changed"
                )
        for what, same in (
            ("sinks", found.sink_tables == self.config.sink_tables),
            ("variants of the model", found.model.variants == self.config.model.variants),
            ("classes of the model, which rules go by,", list(labels_of(found.model)) == list(self._labels)),
        ):
            if not same:
                raise ConfigError(
                    f"{self._path}: {what} changed", next_step="restart to change them; nothing was changed"
                )

    def _put(self, events: Sequence[Event]) -> None:
        """Take in events that are of no camera's rules."""
        if self._spool is not None:
            self._spool.put(events)

    def _serve(self) -> None:
        status = self.config.status
        if status is not None:
            token = None if status.token is None else status.token.reveal()
            self._server = StatusServer(
                self.state, lambda: self.pipeline.healthy(), self._preview, host=status.host, port=status.port,
                token=token,
            )  # fmt: skip

    def _close_parts(self) -> None:
        for delivery in self._deliveries:
            delivery.close(DRAIN_S)
        if self._spool is not None:
            self._spool.close()
        if self._server is not None:
            self._server.close()

    def _sweep(self) -> None:
        recording = self.config.recording
        while recording is not None and not self._stopping.is_set():
            try:
                gone = recording.retention.sweep(recording.folder)
            except OSError as exc:  # the next round may find the disk again
                logger.warning("old recordings could not be deleted: %s", reason_of(exc))
                gone = []
            if gone:
                logger.info("%d old recordings deleted", len(gone))
            self._stopping.wait(SWEEP_S)

    def _told(self, notice: Notice) -> None:
        """Make it an event and a line of the log.

        What a camera says again and again, but for numbers and file names in it, is logged once until it differs.
        """
        if self._system is not None:
            self._system.take(notice)
        said = (notice.kind, _VARYING.sub("#", notice.text))
        if self._last_said.get(notice.camera) == said:
            return
        self._last_said[notice.camera] = said
        level = logging.WARNING if notice.is_trouble else logging.INFO
        logger.log(level, "%s: %s", notice.camera or notice.kind, notice.text)
