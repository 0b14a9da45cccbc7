"""Running a recipe: step by step from the float model to the one that is exported."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgevision.compress.recipe import CompressionRecipe, naming_step, steps_digest
from edgevision.compress.steps import METHODS, FineTuned, Quantize, Step, Target, Teaching, numerics_of
from edgevision.converters.channel_report import ChannelTarget
from edgevision.converters.distillation import Distillation
from edgevision.converters.keras_import import SourceModel, load_source, save_keras_artifact
from edgevision.converters.layer_choice import chosen_layers
from edgevision.documents import pretty_json
from edgevision.errors import ArtifactError
from edgevision.manifest import LineageStep
from edgevision.optional import require, versions
from edgevision.registry import resolve

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset

Progress = Callable[[str, int, int], None]
"""Called with what is going on, how many of its parts are done, and of how many."""

REPORT_FILE = "report.json"
EXPORT_ONLY = ("scheme", "granularity", "io_dtype")
"""Options of a training step that only its export takes."""
LAYERS = ("layers", "float_layers", "int16_layers")
"""Options of steps that name layers."""


@dataclass(frozen=True)
class Stage:
    """A model on its way through a recipe.

    Attributes:
        name: "original", or the method of the step that made it.
        steps: The steps so far.
        model: The model.
        numerics: How it is exported.
        report: What the step reported; empty where there is no report.
    """

    name: str
    steps: tuple[Step, ...]
    model: SourceModel
    numerics: Quantize
    report: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what was done so far."""
        return steps_digest(self.steps)

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """(layer, reason) for each layer that the step left alone."""
        return tuple((str(name), str(reason)) for name, reason in self.report.get("skipped", ()))


def original_stage(source: SourceModel) -> Stage:
    """Return where every recipe begins."""
    return Stage("original", (), source, numerics_of(None), {})


def run_recipe(
    source: SourceModel,
    recipe: CompressionRecipe,
    dataset: ImageDataset,
    *,
    kept: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Stage, ...]:
    """Run a recipe on a float model; the same recipe gives the same weights, on the same machine and versions.

    Args:
        source: The model; it is left as it is, and teaches where a step says so.
        recipe: What is done.
        dataset: Labelled images to fine-tune on.
        kept: A folder where the models between steps are kept, and taken from when they are there already.
        progress: Called with the step, and the epochs of all steps so far and in all.

    Returns:
        The original and the model after each step. `Stage.numerics` says how each is exported.

    Raises:
        ConfigError: A step does not fit the model.
        DatasetError: Fewer images than a batch, or of other classes.
        ConversionError: A layer that cannot be copied, or fine-tuning diverged.
        BackendUnavailableError: An extra is not installed.
    """
    _check_layers(source, recipe)
    stages = [original_stage(source)]
    tell = progress or (lambda what, done, total: None)
    done = 0
    for index, step in enumerate(recipe.steps, 1):
        steps = recipe.steps[:index]
        before = stages[-1].model
        tell(step.method, done, recipe.epochs)
        with naming_step(recipe, index):
            stages.append(_run(source, before, steps, dataset, kept, _epochs(tell, step, done, recipe.epochs)))
        done += step.epochs if isinstance(step, FineTuned) else 0
    note = LineageStep("recipe", {"name": recipe.name, "sha256": recipe.digest}, versions("edgevision"))
    return (*stages[:-1], replace(stages[-1], model=stages[-1].model.then(note)))


def _check_layers(source: SourceModel, recipe: CompressionRecipe) -> None:
    """Raise ConfigError where a step names a layer that the model does not have: no step renames any."""
    for index, step in enumerate(recipe.steps, 1):
        with naming_step(recipe, index):
            for option in LAYERS:
                chosen_layers(option, getattr(step, option, None) or (), source.model)


def _epochs(tell: Progress, step: Step, done: int, total: int) -> Callable[[int, Any], None]:
    return lambda epoch, record: tell(step.method, done + epoch, total)


def _run(
    original: SourceModel,
    before: SourceModel,
    steps: tuple[Step, ...],
    dataset: ImageDataset,
    kept: Path | None,
    progress: Callable[[int, Any], None],
) -> Stage:
    """Run the last of ``steps``, or take what it made from the folder ``kept``."""
    step = steps[-1]
    if isinstance(step, Quantize):
        return Stage(step.method, steps, before, step, {})
    place = None if kept is None else kept / steps_digest(steps)[:16]
    if place is not None and (found := _kept(place)) is not None:
        return Stage(step.method, steps, found[0], numerics_of(step), found[1])
    function = resolve(METHODS[step.method].function)
    require("tf_keras").backend.reset_uids()  # names that layers get by themselves are part of the IR
    model, report = function(before, dataset, **_arguments(step, original), progress=progress)
    document = report.to_dict()
    if place is not None:
        save_keras_artifact(model, place, files={REPORT_FILE: pretty_json(document).encode()}, overwrite=True)
    return Stage(step.method, steps, model, numerics_of(step), document)


def _arguments(step: Step, original: SourceModel) -> dict[str, Any]:
    """Return the options of a step as its function takes them."""
    options = {item.name: getattr(step, item.name) for item in fields(step) if item.name not in EXPORT_ONLY}
    teaching, target = options.get("distillation"), options.get("target")
    if isinstance(teaching, Teaching):
        options["distillation"] = Distillation(original, teaching.weight, teaching.temperature)
    if isinstance(target, Target):
        options["target"] = ChannelTarget(target.kind, target.value)
    return options


def _kept(place: Path) -> tuple[SourceModel, Mapping[str, Any]] | None:
    """Return a model that was kept, with its report; None where there is none, or it was damaged."""
    try:
        return load_source(place), json.loads((place / REPORT_FILE).read_text(encoding="utf-8"))
    except ArtifactError:
        return None
