"""Which layers of a model suffer: each one quantized or pruned alone, everything else in float.

The model is simulated (see `edgevision.compress.sensitivity_simulation`), so that the weights and the output of a layer
can be changed apart and the report can say which of them does the damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from edgevision.compress.sensitivity_judge import Judge, Treatment, Trial
from edgevision.compress.sensitivity_report import LayerSensitivity, SensitivityReport
from edgevision.compress.sensitivity_subject import Subject
from edgevision.converters.fine_tuning import matching_layers
from edgevision.converters.formats import COMPRESSED_FORMATS, FORMATS, SCHEMES
from edgevision.errors import ConfigError, check_choice
from edgevision.metrics.intervals import proportion

if TYPE_CHECKING:
    from edgevision.compress.sensitivity_graph import Graph
    from edgevision.converters.keras_import import SourceModel
    from edgevision.data.dataset import ImageDataset

Progress = Callable[[int, int], None]


def sensitivity(
    source: SourceModel,
    dataset: ImageDataset,
    *,
    calibration_data: ImageDataset | None = None,
    what: str = "quantize",
    to: str = "tflite",
    scheme: str = "static_wi8_ai8",
    granularity: str = "per_channel",
    target_sparsity: float = 0.5,
    layers: Iterable[str] | None = None,
    images: int = 500,
    calibration_count: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> SensitivityReport:
    """Change one layer at a time and rank the layers by how many answers change, then by the noise at the output.

    A layer is changed with the batch norm and activation that are computed with it. A layer without weights (an
    addition) counts only for what it adds to the damage of the layers that feed it.

    Args:
        source: A float classifier; it is left as it is.
        dataset: Labelled images to judge on.
        calibration_data: Images to measure ranges on; None sets some of ``dataset`` aside.
        what: ``quantize``, ``prune`` (by magnitude) or ``channels`` (whole channels of the layers that share them, by
            L1 norm); nothing is fine-tuned.
        to: Format whose rounding is simulated, of `edgevision.converters.base.FORMATS`.
        scheme: With ``quantize``: one of the format's schemes but float32.
        granularity: With ``quantize``: scales of the weights, ``per_channel`` or ``per_tensor``.
        target_sparsity: With the others: share of a kernel's weights, or of the channels, that goes; between 0 and 1.
        layers: Names or patterns (``stage1_*``) of the layers to judge; None takes all.
        images: How many images to judge on, evenly from the classes; all of them where there are fewer.
        calibration_count: How many images to calibrate with, likewise.
        seed: Of the draw of images; the same seed gives the same report.
        progress: Called after each layer with (layers done, layers in all).

    Raises:
        ConfigError: An option that makes no sense, an unknown layer, or a model that is no float classifier of images.
        DatasetError: No images, or of other classes.
        CalibrationError: Images that are all one value.
        ConversionError: NaN or infinite weights, or a model that cannot be laid open.
        BackendUnavailableError: The extra ``train`` is not installed.
    """
    treatment = Treatment(what, to, scheme, granularity, target_sparsity)
    _check(treatment)
    wanted = None if layers is None else {name for name, _ in matching_layers(source.model, layers)[0]}
    subject = Subject(source, dataset, calibration_data, images=images, calibration_count=calibration_count, seed=seed)
    judge = Judge(subject, treatment)
    trials, skipped = judge.trials(wanted)
    found = []
    for number, trial in enumerate(trials, 1):
        found.append(judge.alone(trial))
        if progress:
            progress(number, len(trials))
    return SensitivityReport(
        model=source.name,
        what=what,
        settings={**treatment.to_dict(), "seed": seed},
        images=len(subject.targets),
        calibration_images=len(subject.calibration),
        float_accuracy=proportion(int((judge.before == subject.targets).sum()), len(subject.targets)),
        together=judge.together(None if what == "quantize" and layers is None else trials),
        layers=tuple(_ranked(judge.graph, trials, found)),
        skipped=tuple(skipped),
    )


def _check(treatment: Treatment) -> None:
    check_choice("what to try on each layer", treatment.what, ("quantize", "prune", "channels"))
    check_choice("format", treatment.to, COMPRESSED_FORMATS)
    row = FORMATS[treatment.to]
    if treatment.what == "quantize":
        schemes = [name for name in row.schemes if name != "float32"]
        check_choice(f"scheme for {treatment.to}", treatment.scheme, schemes)
        check_choice("granularity", treatment.granularity, row.granularities)
        if treatment.granularity != "per_channel" and SCHEMES[treatment.scheme].weight_bits != 8:
            raise ConfigError(f"granularity of {treatment.scheme}", got=treatment.granularity, allowed="per_channel")
    elif not 0 < treatment.target_sparsity < 1:
        raise ConfigError("target sparsity", got=treatment.target_sparsity, allowed="a share between 0 and 1")


def _ranked(graph: Graph, trials: Sequence[Trial], found: Sequence[LayerSensitivity]) -> list[LayerSensitivity]:
    """Return the layers, the most sensitive first; of equal ones that which comes first in the model."""
    damage = {trial.unit: (_changed(layer), _noise(layer)) for trial, layer in zip(trials, found, strict=True)}

    def order(place: int) -> tuple[float, float, int]:
        unit = trials[place].unit
        changed, noise = _changed(found[place]), _noise(found[place])
        if unit is not None and not graph.units[unit].layers:
            before = [damage[producer] for producer in graph.producers(unit) if producer in damage]
            changed -= max((part for part, _ in before), default=0.0)
            noise -= max((part for _, part in before), default=0.0)
        return -max(0.0, changed), -max(0.0, noise), place

    return [found[place] for place in sorted(range(len(found)), key=order)]


def _changed(layer: LayerSensitivity) -> float:
    return 1.0 - (layer.effect.agreement.value or 0.0)


def _noise(layer: LayerSensitivity) -> float:
    return 0.0 if layer.output_sqnr_db is None else float(10 ** (-layer.output_sqnr_db / 10))
