"""Second stages in a configuration: declared once, used by every camera that does not choose among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgevision.errors import ConfigError, EdgeVisionError, check_choice
from edgevision.pipeline.config.rules import StageFacts, classes_of
from edgevision.pipeline.config.table import Table
from edgevision.pipeline.second import KINDS, SecondStage
from edgevision.pipeline.second.settings import usual_looks, usual_threshold

StageLabels = Callable[[SecondStage], Sequence[str]]


@dataclass(frozen=True)
class SecondStages:
    """The second stages of a document.

    Attributes:
        stages: By name.
        facts: What rules may ask of each, by name.
    """

    stages: Mapping[str, SecondStage]
    facts: Mapping[str, StageFacts]

    def of(self, names: Sequence[str]) -> tuple[SecondStage, ...]:
        """Return those of these names."""
        return tuple(self.stages[name] for name in names)


def second_stages_of(tables: Sequence[Table], labels: Sequence[str], stage_labels: StageLabels) -> SecondStages:
    """Read every [[second_stages]].

    Args:
        tables: They.
        labels: Names of the first model's classes.
        stage_labels: Returns what a stage may call a track.

    Raises:
        ConfigError: An unknown kind, class or key, a value that makes no sense, or two of one name.
    """
    stages: dict[str, SecondStage] = {}
    facts: dict[str, StageFacts] = {}
    for table in tables:
        stage = _stage(table, labels)
        if stage.name in stages:
            raise ConfigError("second_stages: two of one name", got=stage.name)
        stages[stage.name] = stage
        try:
            facts[stage.name] = StageFacts(stage.kind, tuple(stage_labels(stage)))
        except EdgeVisionError as exc:
            raise ConfigError(f"{table.what}: {exc}") from exc
    return SecondStages(stages, facts)


def chosen_stages(table: Table, declared: SecondStages) -> tuple[str, ...]:
    """Return the names of the second stages that a camera uses: all, or those that it names; raises ConfigError."""
    names = table.texts("second_stages", None)
    for name in names or ():
        check_choice(f"{table.what}: second_stages", name, declared.stages)
    return tuple(declared.stages) if names is None else tuple(dict.fromkeys(names))


def _stage(table: Table, labels: Sequence[str]) -> SecondStage:
    kind = table.text("kind")
    check_choice(f"{table.what}: kind", kind, KINDS)
    identifies, refresh_s = kind == "identify", table.number("refresh_s", 5.0)
    budget_ms = table.number("budget_ms", 1000.0)
    if budget_ms <= 0:
        raise ConfigError(f"{table.what}: budget_ms", got=budget_ms, allowed="more than 0")
    numbers = ["min_px", "min_score", "min_sharpness", "margin", *(["min_face_px"] if identifies else [])]
    made = SecondStage(
        name=table.name(),
        kind=kind,
        artifact=table.path("artifact"),
        runtime=table.text("runtime", None),
        device=table.text("device", "cpu"),
        threads=table.whole("threads", 1) or None,
        classes=classes_of(table, labels),
        looks=table.whole("looks", usual_looks(kind)),
        refresh_s=refresh_s or None,
        max_batch=table.whole("max_batch", 8),
        budget_s=budget_ms / 1e3,
        threshold=table.number("threshold", usual_threshold(kind)),
        gallery=table.path("gallery") if identifies else None,
        faces=table.path("faces", None) if identifies else None,
        isolate=table.flag("isolate", True),
        answer_s=table.number("answer_s", 5.0),
        **{name: table.number(name) for name in numbers if table.number(name, None) is not None},
    )
    table.finish()
    return made
