"""The whole document: model, cameras, sinks, and what else a pipeline has."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edgevision.documents import check_schema
from edgevision.errors import ConfigError, SourceError, check_choice
from edgevision.optional import require
from edgevision.pipeline.capture import CaptureSettings
from edgevision.pipeline.config.capture import capture_of
from edgevision.pipeline.config.places import check_places
from edgevision.pipeline.config.rules import Asked, rule_of
from edgevision.pipeline.config.second_stages import SecondStages, StageLabels, chosen_stages, second_stages_of
from edgevision.pipeline.config.sinks import sink_of
from edgevision.pipeline.config.table import Table
from edgevision.pipeline.degradation import DegradationSettings, Level
from edgevision.pipeline.motion_gate import MotionSettings
from edgevision.pipeline.recording import ClipSettings, Retention
from edgevision.pipeline.rules import PrivacyMask, Rule
from edgevision.pipeline.second import SecondStage, labels_of
from edgevision.pipeline.sinks import Sink
from edgevision.pipeline.sources import Source, Timeouts, source_for
from edgevision.pipeline.tracking import TrackerSettings
from edgevision.secret import Secret

SCHEMA = 1
PROFILES = ("monitoring", "driving")
"""``driving``: every camera has a deadline, and nothing is done less well without having been asked."""


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
class CameraConfig:
    """One camera.

    Attributes:
        name: Unique.
        address: Where its frames come from, with "{password}" in it where a password belongs.
        password: It.
        options: More options for FFmpeg.
        timeouts: How long a live source may take.
        budget_s: How old a result may be; None: any age.
        motion: Look only at frames with motion; None: at all.
        tracker: What the tracker goes by.
        degradation: When less is done.
        rules: Makes its rules, by name.
        rule_tables: What the document says of them, so that equal cameras are equal.
        second_stages: Those that look at its tracks.
        masks: Polygons that are painted over before anything leaves the process, in pixels of ``size``.
        size: Width and height that the masks and the rules' points are for; None: those of the first frame.
        base: Folder that a relative path is relative to.
    """

    name: str
    address: str
    password: Secret | None
    options: tuple[tuple[str, str], ...]
    timeouts: Timeouts
    budget_s: float | None
    motion: MotionSettings | None
    tracker: TrackerSettings
    degradation: DegradationSettings
    rules: Callable[[], list[Rule]]
    rule_tables: str
    second_stages: tuple[SecondStage, ...]
    masks: tuple[tuple[tuple[float, float], ...], ...]
    size: tuple[int, int] | None
    base: Path

    def source(self) -> Source:
        """Return its source, unopened; raises SourceError or ConfigError."""
        secret = "" if self.password is None else quote(self.password.reveal(), safe="")
        address = self.address.replace("{password}", secret)
        options = dict(self.options)
        try:
            return source_for(address, timeouts=self.timeouts, options=options, base=self.base, secret=self.password)
        except (ConfigError, SourceError) as error:
            error.what = f"cameras.{self.name}: {error.what}"  # one of many cameras
            if secret and error.got is not None:  # an address without its scheme is taken for a file, and shown as one
                error.got = str(error.got).replace(secret, "{password}")
            raise

    def mask(self) -> PrivacyMask | None:
        """Return the privacy masks; None without any."""
        return PrivacyMask(self.masks, *self.size) if self.masks and self.size else None

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes two cameras the same one: everything but the functions."""
        return tuple(value for name, value in vars(self).items() if name != "rules")


@dataclass(frozen=True)
class StatusConfig:
    """The status page.

    Attributes:
        host: Address to listen at.
        port: TCP port.
        token: Needed beyond the loopback interface.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: Secret | None = None


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
        _check_names("cameras", [camera.name for camera in cameras], least=1)
        sink_tables = table.tables("sinks")
        sinks = tuple(sink_of(entry, [camera.name for camera in cameras]) for entry in sink_tables)
        _check_names("sinks", [sink.name for sink in sinks])
        spool = table.table("spool") or Table("spool", {}, base)
        spool_path, spool_messages = spool.path("path", base / "events.sqlite"), spool.whole("max_messages", 100_000)
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
        return made


def _required(table: Table, key: str) -> Table:
    found = table.table(key)
    if found is None:
        raise ConfigError(f"config: no table [{key}]")
    return found


def _check_names(what: str, names: Sequence[str], least: int = 0) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"{what}: two of one name", got=", ".join(twice))
    if len(names) < least:
        raise ConfigError(f"config: no {what}", next_step=f"write [[{what}]]")


def _model(table: Table) -> ModelConfig:
    threads = table.whole("threads", 1)
    made = ModelConfig(
        table.path("artifact"), table.text("runtime", None), table.text("device", "cpu"), threads or None,
        table.number("score_threshold", None), tuple(table.paths("variants").items()),
        table.flag("isolate", True), table.number("answer_s", 5.0),
    )  # fmt: skip
    table.finish()
    return made


def _camera(
    table: Table, labels: Sequence[str], profile: str, variants: Sequence[str], second: SecondStages
) -> CameraConfig:
    budget_ms = table.number("budget_ms", None)
    if budget_ms is not None and budget_ms <= 0:
        raise ConfigError(f"{table.what}: budget_ms", got=budget_ms, allowed="more than 0")
    rule_tables, stages = table.tables("rules"), chosen_stages(table, second)
    asked = Asked(labels, {name: second.facts[name] for name in stages})
    makers = [rule_of(entry, asked) for entry in rule_tables]
    _check_names(f"{table.what}.rules", [maker().name for maker in makers])
    masks, size = table.polygons("masks"), table.pair("size")
    degradation = _degradation(table.table("degradation"), variants)
    motion, tracker, timeouts = (table.table(name) for name in ("motion", "tracker", "timeouts"))
    camera = CameraConfig(
        name=table.text("name"),
        address=table.text("source"),
        password=table.secret("password"),
        options=tuple(sorted(table.strings("options").items())),
        timeouts=Timeouts() if timeouts is None else _filled(timeouts, Timeouts),
        budget_s=None if budget_ms is None else budget_ms / 1e3,
        motion=None if motion is None else _filled(motion, MotionSettings),
        tracker=TrackerSettings() if tracker is None else _filled(tracker, TrackerSettings),
        degradation=degradation,
        rules=lambda: [maker() for maker in makers],
        rule_tables=repr([entry.data for entry in rule_tables]),
        second_stages=second.of(stages),
        masks=masks,
        size=size,
        base=table.base,
    )
    _check_camera(table, camera, profile)
    table.finish()
    return camera


def _check_camera(table: Table, camera: CameraConfig, profile: str) -> None:
    if camera.masks and camera.size is None:
        raise ConfigError(
            f"{table.what}: masks are in pixels", next_step="say of which picture: size = [width, height]"
        )
    camera.mask()
    if ("{password}" in camera.address) != (camera.password is not None):
        raise ConfigError(
            f"{table.what}: source and password", allowed='"{password}" in the source, and password = "env:NAME"'
        )
    if profile == "driving" and camera.budget_s is None:
        raise ConfigError(f"{table.what}: driving needs a deadline", next_step="set budget_ms")
    if profile == "driving" and camera.degradation.levels:
        raise ConfigError(f"{table.what}: driving does nothing less well by itself", next_step="take degradation out")


def _filled(table: Table, kind: Any) -> Any:
    """A dataclass of numbers and flags from a table: what is not there keeps its default."""
    given: dict[str, Any] = {}
    for name in [entry.name for entry in fields(kind)]:
        if name not in table:
            table.know(name)
            continue
        default = getattr(kind(), name)
        if isinstance(default, bool):
            given[name] = table.flag(name, default)
        elif isinstance(default, int):
            given[name] = table.whole(name)
        else:
            given[name] = table.number(name)
    table.finish()
    return kind(**given)


def _degradation(table: Table | None, variants: Sequence[str]) -> DegradationSettings:
    if table is None:
        return DegradationSettings()
    levels = []
    for entry in table.tables("levels"):
        variant = entry.text("model", None)
        if variant is not None:
            check_choice(f"{entry.what}: model", variant, variants)
        level = Level(entry.text("name"), every=entry.whole("every", 1), model=variant, gate=entry.flag("gate", False))
        levels.append(level)
        entry.finish()
    numbers = {name: table.number(name, None) for name in ("down_share", "up_share", "down_s", "up_s")}
    table.finish()
    return DegradationSettings(tuple(levels), **{name: value for name, value in numbers.items() if value is not None})


def _recording(table: Table) -> RecordingConfig:
    clips = table.table("clips")
    days = table.number("max_days", 30.0)
    made = RecordingConfig(
        table.path("folder"),
        table.flag("snapshots", True),
        None if clips is None else _filled(clips, ClipSettings),
        Retention(table.whole("max_bytes", 10_000_000_000), days),
    )
    table.finish()
    return made


def _status(table: Table) -> StatusConfig:
    made = StatusConfig(table.text("host", "127.0.0.1"), table.whole("port", 8080), table.secret("token"))
    table.finish()
    return made
