"""A configuration, running: cameras, model, rules, sinks, page; read anew on demand, ended in order."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgevision.artifact import Artifact
from edgevision.errors import ConfigError, reason_of
from edgevision.pipeline.capture import Capture
from edgevision.pipeline.config import CameraConfig, ModelConfig, WatchConfig
from edgevision.pipeline.events import Event, Spool, SpoolStats, SpoolWriter
from edgevision.pipeline.following import Follower
from edgevision.pipeline.model_slot import Stage
from edgevision.pipeline.notice import Notice
from edgevision.pipeline.recording.clips import tidy
from edgevision.pipeline.running import STUCK_S, Camera, Pipeline
from edgevision.pipeline.second import CameraLooks, IdentifyModel, Looker, SecondModel, load_second
from edgevision.pipeline.sinks import Delivery
from edgevision.pipeline.stages import check_artifact, in_vain, labels_of, load_models, stage_for
from edgevision.pipeline.status.preview import Preview
from edgevision.pipeline.status.service import Service
from edgevision.pipeline.status.web import StatusServer
from edgevision.pipeline.system_events import SECOND, SystemEvents
from edgevision.tasks.embedding import Gallery

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

    def __init__(
        self,
        path: str | Path,
        *,
        stages: Callable[[ModelConfig], Stage] = stage_for,
        traced: Callable[[str, str, float, float, float], None] | None = None,
    ) -> None:
        """Read the configuration and load the model; `start` begins.

        Args:
            path: The TOML file.
            stages: Loads a model.
            traced: Called with each stage of each frame, as for `Pipeline`.

        Raises:
            ConfigError: The configuration makes no sense.
            EdgeVisionError: The model does not load, or the spool cannot be made.
        """
        self._path, self._stages = Path(path), stages
        self.config = WatchConfig.read(path, labels_of)
        self._labels = labels_of(self.config.model)
        self._sha256 = Artifact.open(self.config.model.artifact).sha256
        self._preview = Preview()
        self._last_said: dict[str | None, tuple[str, str]] = {}
        self._followers: dict[str, Follower] = {}
        self._cameras: dict[str, Camera] = {}
        self._configs: dict[str, CameraConfig] = {}
        self._stopping = threading.Event()
        self._deliveries: list[Delivery] = []
        self._server: StatusServer | None = None
        self._spool: Spool | None = None
        self._spool_at_end: SpoolStats | None = None
        self._writer: SpoolWriter | None = None
        self._capture: Capture | None = None
        self._system: SystemEvents | None = None
        self._own_events = 0
        model = self.config.model
        stage, variants = load_models(model, stages)
        second: dict[str, SecondModel] = {}
        try:
            for entry in self.config.second_stages:
                second[entry.name] = load_second(entry)
            self._looker = Looker(
                second,
                failed=lambda text: self._told(Notice("error", None, text, time.monotonic())),
                died=lambda name, why: self._second_told(name, f"{why}; it is started anew", "died", {"reason": why}),
                revived=lambda name, seconds: self._second_told(name, f"works again after {seconds:.1f} s", "revived"),
            )
            self._open_spool()
            if self.config.capture is not None:
                self._capture = Capture(self.config.capture, self._labels, told=self._captures_told)
            self.pipeline = Pipeline(
                model.artifact.name, stage, self._take(self._wanted(self.config.cameras)), self._handle,
                variants=variants, told=self._told, traced=traced,
            )  # fmt: skip
            self._serve()
        except BaseException:
            self._close_parts()
            for made in (stage, *variants.values()):
                made.close()
            for other in second.values():
                other.close()
            raise
        self._service = Service(self.healthy)

    def start(self) -> Watch:
        """Begin; returns at once."""
        self._warn()
        self._system = SystemEvents(self._put, self._told)
        if self._spool is not None:
            self._spool.put(self._spool.interrupted())
            self._deliveries = [Delivery(self._spool, sink) for sink in self.config.sinks]
        if self.config.recording is not None:
            tidy(self.config.recording.folder)
            threading.Thread(target=self._sweep, name="retention", daemon=True).start()
        if self._capture is not None:
            self._capture.start()
        self._looker.start()
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

        A new model, also one that was put where the old one was, or for another runtime or device, is verified on its
        golden samples first, and is on probation afterwards; with other settings of the one that runs, it is on
        probation. Galleries of faces are read anew. Sinks, spool, recording, page, second stages, variants
        of the model and its classes are those from the start: a change of them takes a restart, and is an error.

        Raises:
            EdgeVisionError: The new configuration makes no sense, or its model does not hold; the old one goes on.
        """
        self._service.reloading(time.monotonic_ns() // 1000)
        try:
            found = WatchConfig.read(self._path, labels_of)
            self._check_same(found)
            wanted, galleries = self._wanted(found.cameras), self._galleries()
            sha256 = Artifact.open(found.model.artifact).sha256
            answers_anew = (sha256, *_answers_by(found.model)) != (self._sha256, *_answers_by(self.config.model))
            if answers_anew or self.pipeline.slot.rolled_back:
                check_artifact(found.model)
            if answers_anew or self.pipeline.slot.rolled_back or found.model != self.config.model:
                self.pipeline.slot.swap(found.model.artifact.name, lambda: self._stages(found.model))
                self._sha256 = sha256
            for model, gallery in galleries:
                model.use(gallery)
            self.pipeline.change(self._take(wanted))
            gone = set(self._followers) - {camera.name for camera in found.cameras}
            for name in gone:
                self._followers.pop(name).close()
            self.config = found
            self._warn()
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
        self._looker.close()
        self._close_parts()

    def healthy(self) -> bool:
        """Say whether every stage goes on."""
        return self.pipeline.healthy() and self._looker.alive and self._looker.busy_s <= STUCK_S

    def state(self) -> dict[str, Any]:
        """Return how everything is, or was at the end, in JSON's types."""
        state = self.pipeline.state()
        for name, camera in state["cameras"].items():
            follower = self._followers.get(name)
            camera["events"] = 0 if follower is None else follower.events
            camera["unkept"] = {} if follower is None else follower.unkept
            if follower is not None and follower.chooser is not None:
                camera["capture"] = follower.chooser.state()
            camera["second_stages"] = {} if follower is None or follower.looks is None else follower.looks.state()
        state["second_stages"] = self._looker.state()
        state["profile"], state["own_events"] = self.config.profile, self._own_events
        if self._capture is not None:
            state["capture"] = self._capture.state()
        state["sinks"] = {
            sink.name: vars(delivery.stats())
            for sink, delivery in zip(self.config.sinks, self._deliveries, strict=False)
        }
        if self._spool is not None:
            stats = self._spool_at_end or self._spool.stats()
            state["spool"] = {
                "waiting": stats.waiting, "in_memory": stats.in_memory, "dropped": stats.dropped,
                "disk_error": stats.disk_error,
            }  # fmt: skip
        return state

    @property
    def events(self) -> int:
        """Messages so far, of all cameras that there are or were at the end."""
        return sum(follower.events for follower in self._followers.values())

    def __enter__(self) -> Watch:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def status_url(self) -> str | None:
        """Where the status page is; None where there is none."""
        return None if self._server is None else self._server.url

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
        config = self._configs[camera.name]
        looks = CameraLooks(config.second_stages, self._looker, config.mask()) if config.second_stages else None
        follower = Follower(
            config, self._labels, self._writer, recording=self.config.recording, preview=self._preview,
            capture=self._capture, looks=looks,
            told=lambda text: self._told(Notice("error", camera.name, text, time.monotonic())),
        )  # fmt: skip
        self._followers[camera.name] = follower
        return follower

    def _warn(self) -> None:
        for note in in_vain(self.config):
            logger.warning(note)

    def _check_same(self, found: WatchConfig) -> None:
        for name in ("spool", "spool_messages", "recording", "capture", "status"):
            if getattr(found, name) != getattr(self.config, name):
                raise ConfigError(
                    f"{self._path}: [{name}] changed", next_step="restart to change it; nothing was changed"
                )
        for what, same in (
            ("sinks", found.sink_tables == self.config.sink_tables),
            ("second stages", found.second_stages == self.config.second_stages),
            ("variants of the model", found.model.variants == self.config.model.variants),
            ("classes of the model, which rules go by,", list(labels_of(found.model)) == list(self._labels)),
        ):
            if not same:
                raise ConfigError(
                    f"{self._path}: {what} changed", next_step="restart to change them; nothing was changed"
                )

    def _galleries(self) -> list[tuple[IdentifyModel, Gallery]]:
        """The galleries as they are on the disk now, each with the model that goes by it."""
        return [
            (model, model.read_gallery()) for model in self._looker.models.values() if isinstance(model, IdentifyModel)
        ]

    def _put(self, events: Sequence[Event]) -> None:
        """Take in events that are of no camera's rules."""
        self._own_events += len(events)
        if self._writer is not None:
            self._writer.put(events)

    def _open_spool(self) -> None:
        if self.config.sinks:
            names = [sink.name for sink in self.config.sinks]
            self._spool = Spool(self.config.spool, names, max_messages=self.config.spool_messages)
            self._writer = SpoolWriter(self._spool)

    def _serve(self) -> None:
        status = self.config.status
        if status is not None:
            token = None if status.token is None else status.token.reveal()
            self._server = StatusServer(
                self.state, self.healthy, self._preview, host=status.host, port=status.port,
                token=token,
            )  # fmt: skip

    def _close_parts(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._capture is not None:
            self._capture.close()
        for delivery in self._deliveries:
            delivery.close(DRAIN_S)
        if self._spool is not None:
            self._spool_at_end = self._spool.stats()
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

    def _second_told(self, stage: str, text: str, what: str, data: Mapping[str, Any] | None = None) -> None:
        told = {SECOND: stage, **(data or {})}
        self._told(Notice("worker", None, f"second stage {stage}: {text}", time.monotonic(), what, told))

    def _captures_told(self, camera: str | None, text: str, trouble: bool) -> None:
        self._told(Notice("error" if trouble else "capture", camera, text, time.monotonic()))

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


def _answers_by(model: ModelConfig) -> tuple[Any, ...]:
    """What a model's answers depend on, beside the bytes of its file."""
    return model.artifact, model.runtime, model.device
