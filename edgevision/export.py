"""From a model to finished artifacts: converted to each format, with golden samples, sealed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgevision.artifact import Artifact
from edgevision.calibration import CalibrationDataset
from edgevision.converters import golden_samples, saved_model
from edgevision.converters.base import ENGINES, Conversion, convert
from edgevision.converters.formats import FORMATS, SCHEMES
from edgevision.converters.keras_import import SourceModel
from edgevision.engine import device_of
from edgevision.errors import BackendUnavailableError, ConfigError, check_choice
from edgevision.golden_selection import GOLDEN_SAMPLES
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes.base import available_runtimes
from edgevision.verify import seal
from edgevision.verify.running import run_images

if TYPE_CHECKING:
    from edgevision.converters.file_source import FileSource, Source
    from edgevision.converters.tensorrt.settings import EngineSettings
    from edgevision.data.dataset import Images
    from edgevision.golden import Golden
    from edgevision.tensors import Array


PLAN = "tensorrt-plan"
"""What is not sealed: the device builds something else of it, with 8-bit weights, whose sums saturate on some of the
processors that would answer here."""


def make_golden(
    source: Source,
    dataset: Images | None = None,
    *,
    policy: str = "data",
    count: int = GOLDEN_SAMPLES,
    seed: int = 0,
) -> Golden | None:
    """Choose samples and let the float model answer: a Keras model itself, other files on the runtime they are for.

    Args:
        source: The float model, with its preprocessing.
        dataset: Images to choose from, with policy ``data``.
        policy: ``data`` takes real images, ``synthetic`` makes images of nothing, ``none`` gives None.
        count: How many samples.
        seed: Decides the choice.

    Raises:
        ConfigError: Unknown policy, no images for ``data`` or none in them, or a model whose preprocessing is unknown.
        BackendUnavailableError: No runtime for the file is here.
    """
    answer = None if isinstance(source, SourceModel) else partial(_answers, source)
    return golden_samples.make_golden(source, dataset, policy=policy, count=count, seed=seed, answer=answer)


def _answers(source: FileSource, images: list[Array]) -> tuple[Array, ...]:
    """Run the float model of a file on images: a SavedModel in a process of its own."""
    if source.kind == "saved_model":
        inputs = np.stack([_preprocessing(source).apply(image) for image in images])
        return saved_model.answers(source.path, [inputs])
    artifact = Artifact.describe(source.path, preprocessing=source.preprocessing, inputs=source.inputs)
    names = available_runtimes(artifact)
    if not names:
        raise BackendUnavailableError(
            f"no runtime here runs the format {artifact.manifest.format}, to ask the float model for its answers",
            next_step="install one, or pass golden none",
        )
    return run_images(artifact, images, runtime=names[0]).outputs


def export(
    source: Source,
    out: str | Path,
    *,
    to: Sequence[str] = ("tflite",),
    scheme: str | None = None,
    granularity: str = "per_channel",
    io_dtype: str | None = None,
    calibration_data: Images | None = None,
    calibration_count: int = 500,
    calibration_method: str = "min_max",
    calibration_cache: str | Path | None = None,
    float_layers: Iterable[str] = (),
    int16_layers: Iterable[str] = (),
    golden: Golden | None = None,
    sparse_encoding: bool = False,
    engine: EngineSettings | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> tuple[Conversion, ...]:
    """Convert a model to several formats, and seal each artifact that has golden samples on the runtimes here.

    Args:
        source: The model.
        out: The folder that gets the artifacts.
        to: Formats, of `edgevision.converters.formats.FORMATS`.
        scheme: Numeric scheme; None for the one that the source was made for.
        granularity: Scales of quantized weights, ``per_channel`` or ``per_tensor``.
        io_dtype: Type of the inputs and outputs of a statically quantized model; None for each format's first.
        calibration_data: Where calibration images are drawn from, if the scheme wants any.
        calibration_count: How many, evenly from the classes; all of them when there are fewer.
        calibration_method: How the ranges of activations are chosen, of `edgevision.converters.ranges.METHODS`.
        calibration_cache: A folder that keeps what was measured on calibration images, where the format can use it.
        float_layers: Names or patterns of layers that stay in float.
        int16_layers: Names or patterns of layers whose activations get 16 bits.
        golden: Samples that travel with the artifacts; see `edgevision.converters.golden_samples.make_golden`.
        sparse_encoding: Whether kernels with many zeros are stored without them; TFLite, float32.
        engine: How TensorRT engines are built; None for the defaults.
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
    float_layers, int16_layers = _listed(float_layers), _listed(int16_layers)
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
            calibration_method=calibration_method,
            calibration_cache=calibration_cache,
            float_layers=float_layers,
            int16_layers=int16_layers,
            golden=golden,
            sparse_encoding=sparse_encoding,
            engine=engine if name in ENGINES else None,
            overwrite=overwrite,
        )
        device = device_of(conversion.artifact)
        if golden is not None and name != PLAN and available_runtimes(conversion.artifact, device):
            conversion = replace(conversion, artifact=seal(conversion.artifact, device=device))
        conversions.append(conversion)
    return tuple(conversions)


def _listed(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _preprocessing(source: Source) -> Preprocessing:
    if source.preprocessing is None:
        first = "convert it with --golden none, then " if source.kind == "saved_model" else ""
        raise ConfigError(
            f"{source.name}: how an image becomes its input is unknown",
            next_step=f"{first}declare it: edgevision adopt MODEL --mean … --std …",
        )
    return source.preprocessing
