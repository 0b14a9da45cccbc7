"""A camera in a configuration: where its frames come from, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edgevision.errors import ConfigError, SourceError, check_choice
from edgevision.pipeline.config.rules import Asked, rule_of
from edgevision.pipeline.config.second_stages import SecondStages, chosen_stages
from edgevision.pipeline.config.table import Table, check_names, check_seen
from edgevision.pipeline.degradation import DegradationSettings, Level
from edgevision.pipeline.motion_gate import MotionSettings
from edgevision.pipeline.rules import PrivacyMask, Rule
from edgevision.pipeline.second import SecondStage
from edgevision.pipeline.sources import Source, Timeouts, source_for
from edgevision.pipeline.tracking import TrackerSettings
from edgevision.secret import Secret

PROFILES = ("monitoring", "driving")
"""``driving``: every camera has a deadline, and nothing is done less well without having been asked."""


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


def camera_of(
    table: Table, labels: Sequence[str], profile: str, variants: Sequence[str], second: SecondStages
) -> CameraConfig:
    """Read one [[cameras]].

    Args:
        table: It.
        labels: Names of the model's classes.
        profile: One of `PROFILES`.
        variants: Names of the model's variants.
        second: The second stages that there are.

    Raises:
        ConfigError: An unknown key, or a value that makes no sense.
    """
    budget_ms = table.number("budget_ms", None)
    if budget_ms is not None and budget_ms <= 0:
        raise ConfigError(f"{table.what}: budget_ms", got=budget_ms, allowed="more than 0")
    rule_tables, stages = table.tables("rules"), chosen_stages(table, second)
    masks, size = table.polygons("masks"), table.pair("size")
    asked = Asked(labels, {name: second.facts[name] for name in stages}, size)
    makers = [rule_of(entry, asked) for entry in rule_tables]
    check_names(f"{table.what}.rules", [maker().name for maker in makers])
    degradation = _degradation(table.table("degradation"), variants)
    motion, tracker, timeouts = (table.table(name) for name in ("motion", "tracker", "timeouts"))
    camera = CameraConfig(
        name=table.name(),
        address=table.text("source"),
        password=table.secret("password"),
        options=tuple(sorted(table.strings("options").items())),
        timeouts=Timeouts() if timeouts is None else timeouts.filled(Timeouts),
        budget_s=None if budget_ms is None else budget_ms / 1e3,
        motion=None if motion is None else motion.filled(MotionSettings),
        tracker=TrackerSettings() if tracker is None else tracker.filled(TrackerSettings),
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
    for points in camera.masks:
        check_seen(f"{table.what}: masks", points, camera.size)
    if ("{password}" in camera.address) != (camera.password is not None):
        raise ConfigError(
            f"{table.what}: source and password", allowed='"{password}" in the source, and password = "env:NAME"'
        )
    if profile == "driving" and camera.budget_s is None:
        raise ConfigError(f"{table.what}: driving needs a deadline", next_step="set budget_ms")
    if profile == "driving" and camera.degradation.levels:
        raise ConfigError(f"{table.what}: driving does nothing less well by itself", next_step="take degradation out")


def _degradation(table: Table | None, variants: Sequence[str]) -> DegradationSettings:
    if table is None:
        return DegradationSettings()
    levels = []
    for entry in table.tables("levels"):
        variant = entry.text("model", None)
        if variant is not None:
            check_choice(f"{entry.what}: model", variant, variants)
        level = Level(entry.name(), every=entry.whole("every", 1), model=variant, gate=entry.flag("gate", False))
        levels.append(level)
        entry.finish()
    check_names(f"{table.what}.levels", [level.name for level in levels])
    numbers = {name: table.number(name, None) for name in ("down_share", "up_share", "down_s", "up_s")}
    table.finish()
    return DegradationSettings(tuple(levels), **{name: value for name, value in numbers.items() if value is not None})
