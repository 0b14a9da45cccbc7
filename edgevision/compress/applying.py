"""One recipe, run and measured: artifacts, the recipe, and the ledger of what every step did, in one folder."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgevision.artifact import Artifact
from edgevision.compress.images import images_digest
from edgevision.compress.ledger import Ledger
from edgevision.compress.measuring import Measured, Measurer, Setting
from edgevision.compress.recipe import CompressionRecipe, naming_step
from edgevision.compress.running import Progress, run_recipe
from edgevision.compress.steps import QuantizeAware
from edgevision.converters.base import check_conversion
from edgevision.converters.formats import COMPRESSED_FORMATS
from edgevision.converters.keras_import import KERAS_TOOLS
from edgevision.errors import check_choice
from edgevision.files import atomic_directory, check_place
from edgevision.manifest import MANIFEST
from edgevision.optional import versions

if TYPE_CHECKING:
    from edgevision.converters.keras_import import SourceModel
    from edgevision.data.dataset import ImageDataset

LEDGER_FILE = "ledger.json"
RECIPE_FILE = "recipe.toml"
STEPS = ".steps"
"""What the folder of the models between steps has behind the name of the result's."""
TOOLS = ("edgevision", "numpy", *KERAS_TOOLS, "openvino", "nncf", "ai-edge-litert")


@dataclass(frozen=True)
class Compressed:
    """What a recipe made.

    Attributes:
        path: The folder.
        artifacts: One for each format, sealed.
        ledger: What was measured.
    """

    path: Path
    artifacts: tuple[Artifact, ...]
    ledger: Ledger


def apply_recipe(
    source: SourceModel,
    recipe: CompressionRecipe,
    train: ImageDataset,
    test: ImageDataset,
    out: str | Path,
    *,
    to: Sequence[str] = COMPRESSED_FORMATS,
    device: str = "cpu",
    threads: int | None = 1,
    min_duration_s: float = 1.0,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Compressed:
    """Run a recipe, export its result, and measure the model after every step.

    The folder ``out`` gets an artifact for each format, ``recipe.toml`` and ``ledger.json``; whole or not at all. Until
    then the models between steps stand beside it, in ``<out>.steps``: after a kill or an error, the same steps of the
    same model on the same images are not run again.

    Args:
        source: The float model.
        recipe: What is done.
        train: Labelled images to calibrate and fine-tune on.
        test: Other labelled images, to measure accuracy on.
        out: The folder.
        to: Formats.
        device: Where accuracy and latency are measured.
        threads: Of the runtimes; None for all.
        min_duration_s: Seconds of measured inference of each artifact on each runtime.
        seed: Of golden samples and of the order of measurements; a step's seed is in the recipe.
        overwrite: Whether an earlier result there may be replaced.
        progress: Called with what is going on, and how much of it is done.

    Raises:
        ConfigError: A step does not fit the model or a format, or a place that is taken.
        CalibrationError: Calibration data that is constant, NaN, or of another shape.
        ConversionError: A layer that cannot be converted, weights that are NaN, or fine-tuning diverged.
        BackendUnavailableError: An extra or a runtime is not installed.
    """
    for name in to:
        check_choice("format", name, COMPRESSED_FORMATS)
    check_place(out, overwrite)
    target = Path(out).expanduser().resolve()
    between = target.with_name(target.name + STEPS)
    kept = between / _digest(source, train)
    with Measurer(Setting(source, train, test, device, threads, min_duration_s, seed)) as measurer:
        done = write_compressed(
            measurer, recipe, tuple(dict.fromkeys(to)), target, kept=kept, overwrite=overwrite, progress=progress
        )
    shutil.rmtree(between, ignore_errors=True)
    return done


def write_compressed(
    measurer: Measurer,
    recipe: CompressionRecipe,
    formats: Sequence[str],
    out: str | Path,
    *,
    kept: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Compressed:
    """Do what `apply_recipe` does, with a measurer that may know some of the models already."""
    check_numerics(measurer.setting.source, recipe, formats)
    stages = run_recipe(measurer.setting.source, recipe, measurer.setting.train, kept=kept, progress=progress)
    tell = progress or (lambda what, done, total: None)
    target = Path(out).expanduser().resolve()
    with atomic_directory(target, overwrite) as folder:
        measured: list[Measured] = []
        for index, name in enumerate(formats):
            tell(f"measuring {name}", index, len(formats))
            measured += measurer.measure(stages, name, folder)
        tell("timing", 0, 1)
        rows, protocol = measurer.time(measured)
        ledger = _ledger(measurer.setting, recipe, rows=tuple(rows), protocol=protocol)
        (folder / LEDGER_FILE).write_text(ledger.to_json(), encoding="utf-8")
        (folder / RECIPE_FILE).write_text(recipe.to_toml(), encoding="utf-8")
    return Compressed(target, artifacts_in(target), ledger)


def _digest(source: SourceModel, train: ImageDataset) -> str:
    """What the models between steps depend on beside the steps: the model, the images, the tools."""
    found = hashlib.sha256(f"{source.model.to_json()}{versions(*TOOLS)}{images_digest(train)}".encode())
    for weight in source.model.get_weights():
        found.update(weight.tobytes())
    return found.hexdigest()[:16]


def artifacts_in(folder: Path) -> tuple[Artifact, ...]:
    """Open the artifacts in a folder, in the order of their names."""
    return tuple(Artifact.open(path.parent) for path in sorted(folder.glob(f"*/{MANIFEST}")))


def check_numerics(source: SourceModel, recipe: CompressionRecipe, formats: Sequence[str]) -> None:
    """Raise ConfigError where a format does not offer what the recipe's last step asks for."""
    numerics = recipe.numerics
    trained = isinstance(recipe.steps[-1], QuantizeAware)
    for name in formats:
        with naming_step(recipe, len(recipe.steps)):
            check_conversion(
                source,
                Path(),
                name,
                numerics.scheme,
                numerics.granularity,
                numerics.io_dtype,
                calibration_method=numerics.calibration_method,
                float_layers=numerics.float_layers,
                int16_layers=numerics.int16_layers,
                overwrite=True,
                trained=trained,
            )


def _ledger(setting: Setting, recipe: CompressionRecipe, **measured: object) -> Ledger:
    return Ledger(
        model=setting.source.name,
        source_sha256=setting.source.source_sha256,
        recipe=recipe.to_dict(),
        recipe_sha256=recipe.digest,
        evaluation={"images": len(setting.test), "sha256": setting.test_digest},
        device=setting.device,
        tools=versions(*TOOLS),
        **measured,  # type: ignore[arg-type]
    )
