"""From a Keras model to finished artifacts: converted to each format, with golden samples, sealed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.calibration import CalibrationDataset
from edgevision.converters.base import FORMATS, SCHEMES, Conversion, convert
from edgevision.errors import ConfigError, check_choice
from edgevision.golden import Golden, synthetic_images
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes.base import available_runtimes
from edgevision.tensors import Array
from edgevision.verify import seal

if TYPE_CHECKING:
    from edgevision.converters.keras_import import SourceModel
    from edgevision.data.dataset import ImageDataset

GOLDEN = ("data", "synthetic", "none")
GOLDEN_SAMPLES = 16


def export(
    source: SourceModel,
    out: str | Path,
    *,
    to: Sequence[str] = ("tflite",),
    scheme: str | None = None,
    granularity: str = "per_channel",
    io_dtype: str | None = None,
    calibration_data: ImageDataset | None = None,
    calibration_count: int = 500,
    golden: Golden | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> tuple[Conversion, ...]:
    """Convert a model to several formats, and seal each artifact that has golden samples on the runtimes here.

    Args:
        source: The model.
        out: The folder that gets the artifacts.
        to: Formats, of `edgevision.converters.base.FORMATS`.
        scheme: Numeric scheme; None for the one that the source was made for.
        granularity: Scales of quantized weights, ``per_channel`` or ``per_tensor``.
        io_dtype: Type of the inputs and outputs of a statically quantized model; None for each format's first.
        calibration_data: Where calibration images are drawn from, if the scheme wants any.
        calibration_count: How many, evenly from the classes; all of them when there are fewer.
        golden: Samples that travel with the artifacts; see `golden_samples`.
        seed: Of the choice of calibration images.
        overwrite: Whether artifacts that are there may be replaced.

    Raises:
        ConfigError: An option that a format does not offer, or a place that is taken.
        CalibrationError: The scheme needs calibration data and there is none.
        ConversionError: A converter gave up.
        BackendUnavailableError: An extra is not installed.
    """
    for name in to:
        check_choice("format", name, FORMATS)
    calibration = None
    if calibration_data is not None and SCHEMES[scheme or source.scheme].calibration:
        count = min(calibration_count, len(calibration_data))
        calibration = CalibrationDataset.from_dataset(calibration_data, _preprocessing(source), count, seed)
    conversions = []
    for name in dict.fromkeys(to):
        conversion = convert(
            source,
            out,
            to=name,
            scheme=scheme,
            granularity=granularity,
            io_dtype=io_dtype,
            calibration=calibration,
            golden=golden,
            overwrite=overwrite,
        )
        if golden is not None and available_runtimes(conversion.artifact):
            conversion = replace(conversion, artifact=seal(conversion.artifact))
        conversions.append(conversion)
    return tuple(conversions)


def golden_samples(
    source: SourceModel, kind: str, dataset: ImageDataset | None = None, *, count: int = GOLDEN_SAMPLES, seed: int = 0
) -> Golden | None:
    """Choose images and let the float model answer them.

    Args:
        source: The float model.
        kind: ``data`` for images of the dataset, ``synthetic`` for made-up ones where photographs must not travel,
            ``none`` for none.
        dataset: Labelled images.
        count: How many, evenly from the classes.
        seed: Of the choice, or of the synthetic images.

    Raises:
        ConfigError: ``data`` without a dataset, or the source's preprocessing is unknown.
    """
    check_choice("golden", kind, GOLDEN)
    if kind == "none":
        return None
    preprocessing = _preprocessing(source)
    targets: tuple[int | None, ...]
    if kind == "synthetic":
        images = synthetic_images(count, preprocessing.height, preprocessing.width, seed)
        targets = (None,) * count
        provenance = tuple(f"synthetic seed {seed} #{index}" for index in range(count))
    elif dataset is None:
        raise ConfigError(
            "golden samples of a dataset need one", next_step="name it (--data), or ask for synthetic ones"
        )
    else:
        chosen = dataset.balanced(min(count, len(dataset)), seed)
        images = tuple(chosen.image(index) for index in range(len(chosen)))
        targets = tuple(int(target) for target in chosen.targets)
        provenance = tuple(Path(chosen.name(index)).name for index in range(len(chosen)))
    return Golden(images, targets, provenance, _answers(source, preprocessing, images))


def _answers(source: SourceModel, preprocessing: Preprocessing, images: Sequence[Array]) -> tuple[Array, ...]:
    rows: list[list[Any]] = []
    for image in images:  # one by one, as the artifacts run
        outputs = source.model(preprocessing.apply(image)[None], training=False)
        rows.append([np.asarray(output) for output in (outputs if isinstance(outputs, list | tuple) else [outputs])])
    return tuple(np.concatenate(column) for column in zip(*rows, strict=True))


def _preprocessing(source: SourceModel) -> Preprocessing:
    if source.preprocessing is None:
        raise ConfigError(
            f"{source.name}: how an image becomes its input is unknown",
            next_step="declare it: edgevision adopt MODEL --mean … --std …",
        )
    return source.preprocessing
