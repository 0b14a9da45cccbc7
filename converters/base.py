"""From a model to an artifact in another format: `convert`, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgevision.artifact import Artifact, write_artifact
from edgevision.converters.file_source import Source, is_trained
from edgevision.converters.formats import FORMATS, SCHEMES, Exporter, Format, Request
from edgevision.converters.keras_import import SourceModel, check_weights
from edgevision.converters.layouts import arranged, image_shape
from edgevision.converters.ranges import METHODS
from edgevision.errors import CalibrationError, ConfigError, ConversionError, check_choice
from edgevision.files import check_place
from edgevision.manifest import LineageStep
from edgevision.registry import resolve

if TYPE_CHECKING:
    from edgevision.calibration import CalibrationDataset
    from edgevision.converters.tensorrt.settings import EngineSettings
    from edgevision.golden import Golden


ENGINES = ("tensorrt", "tensorrt-plan")
"""The formats that `edgevision.converters.tensorrt.settings.EngineSettings` are for."""


@dataclass(frozen=True)
class ConversionReport:
    """What was converted.

    Attributes:
        format: the format.
        scheme: the numeric scheme.
        bytes: of the model files.
        skipped: (layer, reason) for each layer that was not converted as asked, or was left as it is on request.
        statistics: whether activations were "measured", or "reused" from the calibration cache; None where the tool
            that quantizes does its own measuring, or nothing was to be measured.
    """

    format: str
    scheme: str
    bytes: int
    skipped: tuple[tuple[str, str], ...] = ()
    statistics: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "skipped": [list(entry) for entry in self.skipped]}


@dataclass(frozen=True)
class Conversion:
    """An artifact, not yet sealed, and the report of how it came about."""

    artifact: Artifact
    report: ConversionReport


def convert(
    source: Source,
    out: str | Path,
    *,
    to: str = "tflite",
    scheme: str | None = None,
    granularity: str = "per_channel",
    io_dtype: str | None = None,
    calibration: CalibrationDataset | None = None,
    calibration_method: str = "min_max",
    calibration_cache: str | Path | None = None,
    float_layers: Iterable[str] = (),
    int16_layers: Iterable[str] = (),
    golden: Golden | None = None,
    batch: int = 1,
    sparse_encoding: bool = False,
    engine: EngineSettings | None = None,
    overwrite: bool = False,
) -> Conversion:
    """Convert a model and write it as the artifact ``<out>/<name>-<to>-<scheme>``.

    Args:
        source: the model; after quantization-aware training it keeps the ranges that it learned.
        out: the folder that gets the artifact.
        to: one of `FORMATS`.
        scheme: one of `SCHEMES`; None for the one that the source was made for.
        granularity: ``per_channel`` or ``per_tensor``: the scales of quantized weights.
        io_dtype: type of the inputs and outputs, where the scheme has a choice; None for the format's first.
        calibration: images to measure activation ranges on; not needed after quantization-aware training.
        calibration_method: how ranges are chosen from what was measured: ``min_max``, ``percentile``, ``mse`` or
            ``entropy``, where the format offers it; see `edgevision.converters.ranges`.
        calibration_cache: a folder that keeps what was measured for the next conversion of the same model with the
            same images, to TFLite by another method or with other layers; elsewhere the tools measure for themselves.
        float_layers: names or patterns (``stage1_*``) of layers that stay in float; batch norm and activation go with
            the layer that they are merged into.
        int16_layers: names or patterns of layers whose activations get 16 bits.
        golden: samples with the float model's outputs, to travel with the artifact.
        batch: length of the batch axis.
        sparse_encoding: whether kernels with many zeros are stored without them: a smaller float32 TFLite file, which
            LiteRT runs, and as fast as it runs the zeros.
        engine: how a TensorRT engine is built, for `ENGINES`; None for the defaults.
        overwrite: whether an artifact that is there may be replaced.

    Raises:
        ConfigError: an option that the format does not offer, or a place that is taken.
        CalibrationError: the scheme needs calibration data and there is none, or it has another shape than the input.
        ConversionError: the vendor's converter gave up, or the model has NaN or infinite weights, or several inputs
            to calibrate.
        BackendUnavailableError: an extra is not installed.
    """
    options: dict[str, Any] = {
        "granularity": granularity,
        "io_dtype": io_dtype,
        "calibration_method": calibration_method,
        "float_layers": _names("float_layers", float_layers),
        "int16_layers": _names("int16_layers", int16_layers),
        "sparse_encoding": sparse_encoding,
        "engine": engine,
    }
    trained = is_trained(source)
    place = check_conversion(source, out, to, scheme, **options, overwrite=overwrite, trained=trained)
    cache = None if calibration_cache is None else Path(calibration_cache)
    request = _request(source, FORMATS[to], scheme, calibration, batch, {**options, "calibration_cache": cache})
    if isinstance(source, SourceModel):
        check_weights(source)
    export: Exporter = resolve(FORMATS[to].exporter)
    exported = export(source, request)
    fields = {
        **source.then(LineageStep("convert", _parameters(to, request), exported.tools)).manifest_fields(),
        "format": exported.format or to,
        "inputs": exported.inputs,
        "outputs": exported.outputs,
        "scheme": request.scheme,
    }
    artifact = write_artifact(place, fields, exported.files, golden, overwrite)
    report = ConversionReport(to, request.scheme, artifact.bytes, exported.skipped, exported.statistics)
    return Conversion(artifact, report)


def check_conversion(
    source: Source,
    out: str | Path,
    to: str,
    scheme: str | None = None,
    granularity: str = "per_channel",
    io_dtype: str | None = None,
    *,
    calibration_method: str = "min_max",
    float_layers: Sequence[str] = (),
    int16_layers: Sequence[str] = (),
    sparse_encoding: bool = False,
    engine: EngineSettings | None = None,
    overwrite: bool = False,
    trained: bool = False,
) -> Path:
    """Return the place that `convert` would write to, if it took these options: for callers with hours of work before.

    Args:
        source, out, to, scheme, granularity, io_dtype, calibration_method, float_layers, int16_layers, sparse_encoding,
            engine, overwrite: as for `convert`.
        trained: whether the source is, or will be, a model of quantization-aware training.

    Raises:
        ConfigError: an option that the format does not offer, or a place that is taken.
    """
    check_choice("format", to, tuple(FORMATS))
    row, scheme = FORMATS[to], scheme or source.scheme
    if source.kind not in row.sources:
        raise ConfigError(
            f"{to} is not made from such a model", got=source.kind, allowed=row.sources,
            next_step=f"ask for {_format_from(source.kind)}, or start from the model that this file was made from",
        )  # fmt: skip
    check_choice("scheme", scheme, tuple(SCHEMES))
    check_choice(f"scheme for {to}", scheme, row.schemes)
    check_choice("granularity", granularity, row.granularities)
    dtypes = row.io_dtypes.get(scheme, ("float32",))
    check_choice(f"io_dtype of {scheme} for {to}", io_dtype or dtypes[0], dtypes)
    if trained and not row.trained:
        able = [name for name, other in FORMATS.items() if other.trained]
        raise ConfigError(
            "format for a model of quantization-aware training", got=to, allowed=able,
            next_step=f"for {to}, quantize the float model on calibration images",
        )  # fmt: skip
    if granularity != "per_channel" and (trained or SCHEMES[scheme].weight_bits != 8):
        raise ConfigError(
            f"granularity of {'a model of quantization-aware training' if trained else scheme}",
            got=granularity, allowed="per_channel",
        )  # fmt: skip
    _check_ranges(to, scheme, calibration_method, trained)
    _check_layers(to, "float_layers", float_layers, scheme, row.float_layers, trained)
    _check_layers(to, "int16_layers", int16_layers, scheme, row.int16_layers, trained)
    if sparse_encoding:
        check_choice("source with sparse_encoding", source.kind, ("keras",))
        check_choice(f"scheme with sparse_encoding for {to}", scheme, row.sparse_schemes)
    if engine is not None:
        check_choice("format with engine settings", to, ENGINES)
    place = Path(out) / f"{_file_name(source.name)}-{to}-{scheme}"
    check_place(place, overwrite)
    return place


def _check_ranges(to: str, scheme: str, method: str, trained: bool) -> None:
    """Raise ConfigError unless the format chooses ranges by this method, or does not choose any."""
    check_choice("calibration_method", method, METHODS)
    if method == METHODS[0]:
        return
    if trained or not SCHEMES[scheme].calibration:
        what = "a model of quantization-aware training" if trained else scheme
        raise ConfigError(f"calibration_method: {what} is not calibrated", got=method, allowed=METHODS[0])
    check_choice(f"calibration_method of {scheme} for {to}", method, FORMATS[to].calibration_methods[scheme])


def _check_layers(
    to: str, option: str, layers: Sequence[str], scheme: str, schemes: tuple[str, ...], trained: bool
) -> None:
    """Raise ConfigError where layers are named and the format cannot treat some differently."""
    if not layers:
        return
    if trained:
        raise ConfigError(
            f"{option} of a model of quantization-aware training", got=", ".join(layers),
            next_step="choose the layers when it is trained: quantize_aware(layers=), quantize --method qat --layers",
        )  # fmt: skip
    if not schemes:
        raise ConfigError(f"{to} has no {option}", got=", ".join(layers), next_step="keep these layers in float")
    check_choice(f"{option} for {to}: scheme", scheme, schemes)


def _names(option: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return names as a tuple; one text is one name."""
    found = (names,) if isinstance(names, str) else tuple(names)
    for name in found:
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{option}: a layer's name", got=repr(name), allowed="a text")
    return found


def _request(
    source: Source,
    row: Format,
    scheme: str | None,
    calibration: CalibrationDataset | None,
    batch: int,
    options: dict[str, Any],
) -> Request:
    trained = is_trained(source)
    scheme = scheme or source.scheme
    if not isinstance(batch, int) or batch < 1:
        raise ConfigError("batch", got=batch, allowed="1 or more")
    if trained and scheme != source.scheme:
        raise ConfigError(
            "a model of quantization-aware training keeps its scheme", got=scheme, allowed=[source.scheme],
            next_step="convert the model from before that training for another scheme",
        )  # fmt: skip
    if SCHEMES[scheme].calibration and not trained and calibration is None:
        raise CalibrationError(
            f"{scheme} needs calibration data and there is none",
            next_step="give a few hundred images like those the model will see (--data, calibration=)",
        )
    needed = calibration if SCHEMES[scheme].calibration and not trained else None
    if needed is not None:
        _check_fits(source, needed)
        needed = arranged(needed, source.inputs[0].layout)
    io_dtype = options.pop("io_dtype") or row.io_dtypes.get(scheme, ("float32",))[0]
    return Request(scheme=scheme, io_dtype=io_dtype, batch=batch, calibration=needed, **options)


def _check_fits(source: Source, calibration: CalibrationDataset) -> None:
    """Raise ConversionError or CalibrationError unless the samples have the shape of the model's one input."""
    if len(source.inputs) != 1:
        raise ConversionError(
            f"{source.name}: calibration with images takes a model with one input", got=f"{len(source.inputs)} inputs"
        )
    wanted, found = image_shape(source.inputs[0]), next(iter(calibration)).shape[1:]
    if len(wanted) != len(found) or any(w not in (None, f) for w, f in zip(wanted, found, strict=True)):
        raise CalibrationError(
            f"{source.name}: calibration samples of another shape than the input", got=found, allowed=f"{wanted}"
        )


def _format_from(kind: str) -> str:
    return " or ".join(name for name, row in FORMATS.items() if kind in row.sources)


def _file_name(name: str) -> str:
    """Return a model's name; raise ConfigError where it would lead to another folder."""
    if not name or name != Path(name).name or "\0" in name or "\\" in name:
        raise ConfigError(
            "the model's name cannot be part of a folder's name", got=repr(name), next_step="rename the model"
        )
    return name


def _parameters(to: str, request: Request) -> dict[str, Any]:
    parameters: dict[str, Any] = {"to": to, "scheme": request.scheme, "batch": request.batch}
    if request.engine is not None:
        parameters["engine"] = request.engine.to_dict()
    if request.sparse_encoding:
        parameters["sparse_encoding"] = True
    if SCHEMES[request.scheme].weight_bits == 8:
        parameters["granularity"] = request.granularity
    if SCHEMES[request.scheme].calibration:
        parameters["io_dtype"] = request.io_dtype
    if request.calibration is not None:
        parameters["calibration_samples"] = len(request.calibration)
        parameters["calibration_sha256"] = request.calibration.sha256
        parameters["calibration_method"] = request.calibration_method
    for option in ("float_layers", "int16_layers"):
        if getattr(request, option):
            parameters[option] = list(getattr(request, option))
    return parameters
