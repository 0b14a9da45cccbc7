"""The whole document: model, cameras, sinks, and what else a pipeline has."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgevision.documents import check_schema
from edgevision.errors import ConfigError, check_choice
from edgevision.optional import require
from edgevision.pipeline.address import check_port
from edgevision.pipeline.capture import CaptureSettings
from edgevision.pipeline.config.camera import PROFILES, CameraConfig, camera_of
from edgevision.pipeline.config.capture import capture_of
from edgevision.pipeline.config.places import check_camera_names, check_places
from edgevision.pipeline.config.second_stages import StageLabels, second_stages_of
from edgevision.pipeline.config.sinks import sink_of
from edgevision.pipeline.config.table import Table, check_names, placed
from edgevision.pipeline.events.spool import FEWEST_MESSAGES
from edgevision.pipeline.recording import ClipSettings, Retention
from edgevision.pipeline.second import SecondStage, labels_of
from edgevision.pipeline.sinks import Sink
from edgevision.secret import Secret

SCHEMA = 1


@dataclass(frozen=True)
class ModelConfig:
    """The model that looks.

    Attributes:
        artifact: Its path.
        runtime: What runs it; None for the first that can.
        device: Where.
        threads: Threads; None for all cores.
        score_threshold: Instead of the artifact's own; None for that.
        variants: Paths of other models for the same, by the name that levels of degradation have for them.
        isolate: Whether it runs in a process of its own, which is started anew when it dies or hangs.
        answer_s: That process is killed when it does not answer for so many seconds.
    """

    artifact: Path
    runtime: str | None = None
    device: str = "cpu"
    threads: int | None = 1
    score_threshold: float | None = None
    variants: tuple[tuple[str, Path], ...] = ()
    isolate: bool = True
    answer_s: float = 5.0

    def __post_init__(self) -> None:
        if not self.answer_s > 0:
            raise ConfigError("model: answer_s", got=self.answer_s, allowed="seconds, more than 0")


@dataclass(frozen=True)
class StatusConfig:
    """The status page.

    Attributes:
        host: Address to listen at.
        port: TCP port; 0: any that is free.
        token: Needed beyond the loopback interface.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: Secret | None = None

    def __post_init__(self) -> None:
        check_port("status", self.port, least=0)


@dataclass(frozen=True)
class RecordingConfig:
    """What is kept of events.

    Attributes:
        folder: Where.
        snapshots: Whether a picture is kept of each.
        clips: What a clip is; None for no clips.
        retention: How much is kept.
    """

    folder: Path
    snapshots: bool
    clips: ClipSettings | None
    retention: Retention


@dataclass(frozen=True)
class WatchConfig:
    """A pipeline.

    Attributes:
        profile: "monitoring" or "driving".
        model: The model.
        second_stages: What looks at the crops of tracks; none in most.
        cameras: One or more.
        sinks: Where events go; none: they are only on the page and in the log.
        sink_tables: What the document says of them, so that a change is seen.
        spool: File in which events wait.
        spool_messages: Most events that wait.
        recording: What is kept of events; None for nothing.
        capture: What is captured to learn from; None for nothing.
        status: The status page; None for none.
    """

    profile: str
    model: ModelConfig
    second_stages: tuple[SecondStage, ...]
    cameras: tuple[CameraConfig, ...]
    sinks: tuple[Sink, ...]
    sink_tables: str = field(repr=False)
    spool: Path
    spool_messages: int
    recording: RecordingConfig | None
    capture: CaptureSettings | None
    status: StatusConfig | None

    @classmethod
    def read(
        cls,
        path: str | Path,
        labels: Callable[[ModelConfig], Sequence[str]],
        stage_labels: StageLabels = labels_of,
    ) -> WatchConfig:
        """Read a document.

        Args:
            path: The file.
            labels: Returns the names of a model's classes, which rules go by.
            stage_labels: Returns what a second stage may call a track, likewise.

        Raises:
            ConfigError: No such file, no TOML, a newer schema, an unknown key, or a value that makes no sense; the
                message names the table and the key.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as exc:
            raise ConfigError(f"{path} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
        try:
            document = require("tomllib" if sys.version_info >= (3, 11) else "tomli").loads(text)
        except (ValueError, RecursionError) as exc:
            raise ConfigError(f"{path}: not a TOML document", got=str(exc)) from exc
        check_schema(str(path), document, SCHEMA)
        return cls.from_dict(document, path.parent, labels, stage_labels)

    @classmethod
    def from_dict(
        cls,
        document: Mapping[str, Any],
        base: Path,
        labels: Callable[[ModelConfig], Sequence[str]],
        stage_labels: StageLabels = labels_of,
    ) -> WatchConfig:
        """Read what TOML made of a document; relative paths are relative to ``base``. Raises ConfigError."""
        table = Table("", document, base)
        table.whole("schema")
        profile = table.text("profile", "monitoring")
        check_choice("profile", profile, PROFILES)
        model = _model(_required(table, "model"))
        names = labels(model)
        variants = [name for name, _ in model.variants]
        second = second_stages_of(table.tables("second_stages"), names, stage_labels)
        cameras = tuple(_camera(entry, names, profile, variants, second) for entry in table.tables("cameras"))
        check_names("cameras", [camera.name for camera in cameras], least=1)
        sink_tables = table.tables("sinks")
        sinks = tuple(_sink(entry, [camera.name for camera in cameras]) for entry in sink_tables)
        check_names("sinks", [sink.name for sink in sinks])
        spool = table.table("spool") or Table("spool", {}, base)
        spool_path, spool_messages = spool.path("path", base / "events.sqlite"), spool.whole("max_messages", 100_000)
        if spool_messages < FEWEST_MESSAGES:
            raise ConfigError("spool: max_messages", got=spool_messages, allowed=f"{FEWEST_MESSAGES} or more")
        spool.finish()
        recording, capture, status = (table.table(name) for name in ("recording", "capture", "status"))
        made = cls(
            profile, model, tuple(second.stages.values()), cameras, sinks, repr([entry.data for entry in sink_tables]),
            spool_path, spool_messages,
            None if recording is None else _recording(recording),
            None if capture is None else capture_of(capture, model.score_threshold),
            None if status is None else _status(status),
        )  # fmt: skip
        table.finish()
        check_places(made.spool, made.sinks, None if made.recording is None else made.recording.folder)
        kept = made.recording is not None or made.capture is not None
        check_camera_names([camera.name for camera in cameras], made.sinks, kept)
        return made


def _required(table: Table, key: str) -> Table:
    found = table.table(key)
    if found is None:
        raise ConfigError(f"config: no table [{key}]")
    return found


def _model(table: Table) -> ModelConfig:
    threads = table.whole("threads", 1)
    made = ModelConfig(
        table.path("artifact"), table.text("runtime", None), table.text("device", "cpu"), threads or None,
        table.number("score_threshold", None), tuple(table.paths("variants").items()),
        table.flag("isolate", True), table.number("answer_s", 5.0),
    )  # fmt: skip
    table.finish()
    return made


def _camera(table: Table, *asked: Any) -> CameraConfig:
    with placed(table.what):
        return camera_of(table, *asked)


def _sink(table: Table, cameras: Sequence[str]) -> Sink:
    with placed(table.what):
        return sink_of(table, cameras)


def _recording(table: Table) -> RecordingConfig:
    clips = table.table("clips")
    days = table.number("max_days", 30.0)
    made = RecordingConfig(
        table.path("folder"),
        table.flag("snapshots", True),
        None if clips is None else clips.filled(ClipSettings),
        Retention(table.whole("max_bytes", 10_000_000_000), days),
    )
    table.finish()
    return made


def _status(table: Table) -> StatusConfig:
    made = StatusConfig(table.text("host", "127.0.0.1"), table.whole("port", 8080), table.secret("token"))
    table.finish()
    return made
