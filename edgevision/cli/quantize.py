"""``edgevision quantize``: smaller numbers, after training or with some more of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgevision.cli.command import command
from edgevision.cli.convert import FORMATS, export_options, open_parts, show_conversions, to_option
from edgevision.cli.engine import ENGINES, engine_options, engine_settings
from edgevision.cli.fine_tuning import (
    FINE_TUNING,
    TEACHING,
    check_fine_tuning,
    distillation,
    epochs_progress,
    fine_tuning_options,
)
from edgevision.cli.options import Choice, model_argument, refuse_options
from edgevision.cli.output import working
from edgevision.errors import ConfigError

if TYPE_CHECKING:
    from edgevision.converters.file_source import Source
    from edgevision.converters.keras_import import SourceModel
    from edgevision.converters.quantization import QuantizationReport
    from edgevision.data.dataset import Images

CALIBRATION = ("calibration_count", "calibration_method", "calibration_cache")
SCHEMES = ("static_wi8_ai8", "static_wi8_ai16", "dynamic_wi8_afp32", "float16")


@command(
    "quantize",
    "edgevision quantize sample --data sample",
    "edgevision quantize runs/pruned --method qat --keep-sparsity --data sample --to openvino --out runs/qat",
    "edgevision quantize runs/clustered --method qat --keep-sparsity --keep-clusters --teacher sample --data sample",
    "edgevision quantize sample --data sample --calibration-method mse --float-layers stem_conv",
    "edgevision quantize model.keras --scheme dynamic_wi8_afp32 --golden none",
    "edgevision quantize sample --data sample --to tensorrt-plan --dla 0 --tensorrt-version 10.3",
)
@model_argument()
@click.option(
    "--method",
    type=Choice(["ptq", "qat"]),
    default="ptq",
    show_default=True,
    help="After training, or with quantization-aware training on --data.",
)
@click.option(
    "--scheme",
    type=Choice(SCHEMES),
    default="static_wi8_ai8",
    show_default=True,
    help="Bits of weights and activations; static ones are calibrated on --data.",
)
@click.option(
    "--granularity",
    type=Choice(["per_channel", "per_tensor"]),
    default="per_channel",
    show_default=True,
    help="Scales of the weights.",
)
@click.option(
    "--io-dtype",
    type=Choice(["int8", "uint8", "int16", "float32"]),
    help="Type of inputs and outputs.  [default: int8 for TFLite, else float32]",
)
@click.option(
    "--calibration-count", type=click.IntRange(min=1), default=500, show_default=True, help="Calibration images."
)
@click.option(
    "--calibration-method",
    type=Choice(["min_max", "percentile", "mse", "entropy"]),
    default="min_max",
    show_default=True,
    help="How ranges are chosen: all that was seen, or less and finer. OpenVINO has no entropy; TensorRT no mse.",
)
@click.option(
    "--calibration-cache",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Keep what was measured for other methods and layers: ONNX, and TFLite unless plainly min_max.",
)
@click.option(
    "--float-layers",
    multiple=True,
    metavar="NAME",
    help="Layers that stay in float, by name or pattern (stage1_*); may be given several times.",
)
@click.option(
    "--int16-layers",
    multiple=True,
    metavar="NAME",
    help="Layers whose activations get 16 bits; TFLite only; may be given several times.",
)
@click.option("--keep-sparsity", is_flag=True, help="qat: keep the zeros of a pruned model.")
@click.option("--keep-clusters", is_flag=True, help="qat: keep the shared weights of a clustered model.")
@fine_tuning_options(epochs=2, learning_rate=1e-4)
@to_option(FORMATS)
@engine_options
@export_options
def quantize(
    model: Path,
    method: str,
    scheme: str,
    granularity: str,
    io_dtype: str | None,
    calibration_count: int,
    calibration_method: str,
    calibration_cache: Path | None,
    float_layers: tuple[str, ...],
    int16_layers: tuple[str, ...],
    to: tuple[str, ...],
    data: str | None,
    golden: str | None,
    out: Path,
    overwrite: bool,
    **training: Any,
) -> None:
    """Quantize MODEL and write OUT/NAME-FORMAT-SCHEME for each format.

    MODEL is a Keras model, a SavedModel, a float .tflite or .onnx file, the artifact of one, or 'sample', the ResNet-8
    that comes with edgevision; qat takes a Keras model. A SavedModel can run code, in a process of its own.

    The images of --data that are for training calibrate (ptq) or train (qat); golden samples come from the others.
    """
    from edgevision.cli.models import open_any_source, open_source
    from edgevision.converters.base import check_conversion
    from edgevision.export import export, make_golden

    settings = engine_settings(to, training)
    _check_options(method, scheme, to, golden, training)
    images, samples, policy = open_parts(data, golden)
    numerics: dict[str, Any] = {
        "scheme": scheme,
        "granularity": granularity,
        "io_dtype": io_dtype,
        "calibration_method": calibration_method,
        "float_layers": float_layers,
        "int16_layers": int16_layers,
    }
    with working("quantizing") as line:
        floating = open_source(model) if method == "qat" else None
        source: Source = floating or open_any_source(model)
        for name in to:
            engine = settings if name in ENGINES else None
            check_conversion(source, out, name, **numerics, engine=engine, overwrite=overwrite, trained=method == "qat")
        chosen = make_golden(source, samples, policy=policy, seed=training["seed"])
        report = None
        if floating is not None:
            source, report = _train(floating, images, epochs_progress(line, training["epochs"]), training)
        line.say("converting")
        conversions = export(
            source,
            out,
            to=to,
            **numerics,
            calibration_data=images,
            calibration_count=calibration_count,
            calibration_cache=calibration_cache,
            golden=chosen,
            engine=settings,
            seed=training["seed"],
            overwrite=overwrite,
        )
    show_conversions(conversions, training=report and report.to_dict())


def _check_options(method: str, scheme: str, to: tuple[str, ...], golden: str | None, training: dict[str, Any]) -> None:
    """Raise ConfigError for an option that the method does not have, or would not heed."""
    from edgevision.converters.formats import SCHEMES

    if method == "qat":
        if scheme != "static_wi8_ai8":
            raise ConfigError("--scheme with --method qat", got=scheme, allowed="static_wi8_ai8")
        refuse_options(CALIBRATION, "is for calibration", got="--method qat", allowed="ptq")
        check_fine_tuning(training["epochs"], training["teacher"])
        return
    refuse_options(
        ("keep_sparsity", "keep_clusters", *FINE_TUNING), "is for training", got="--method ptq", allowed="qat"
    )
    if not SCHEMES[scheme].calibration:
        refuse_options(CALIBRATION, f"changes nothing with --scheme {scheme}")
        if golden in ("synthetic", "none"):
            refuse_options(("data",), f"changes nothing with --scheme {scheme} and --golden {golden}")
    if set(to) <= {"openvino"}:
        refuse_options(("calibration_cache",), "changes nothing without --to tflite or --to onnx")


def _train(
    source: SourceModel, images: Images | None, progress: Any, training: dict[str, Any]
) -> tuple[SourceModel, QuantizationReport]:
    from edgevision.converters.quantization import quantize_aware
    from edgevision.data.dataset import ImageDataset

    if not isinstance(images, ImageDataset):
        raise ConfigError("quantization-aware training needs labelled images", next_step="name them: --data")
    options = {name: value for name, value in training.items() if name not in TEACHING}
    options["layers"] = training["layers"] or None
    teacher = distillation(*(training[name] for name in TEACHING))
    return quantize_aware(source, images, distillation=teacher, progress=progress, **options)
