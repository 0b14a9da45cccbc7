"""What models can be converted to: the table of schemes, the registry of formats, and what an exporter is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edgevision.converters.ranges import METHODS

if TYPE_CHECKING:
    from edgevision.calibration import CalibrationDataset
    from edgevision.converters.file_source import Source
    from edgevision.converters.tensorrt.settings import EngineSettings
    from edgevision.tensors import TensorSpec


AS_ASKED = "stays in float, as asked"
"""Reason why a layer was skipped that is among ``float_layers``."""


@dataclass(frozen=True)
class Scheme:
    """How the numbers of a model are stored and computed with.

    Attributes:
        weight_bits: bits of a weight, 32 and 16 being floating-point.
        activation_bits: bits of an activation.
        calibration: whether the ranges of activations are measured on calibration data.
    """

    weight_bits: int
    activation_bits: int
    calibration: bool


SCHEMES: Mapping[str, Scheme] = {
    "float32": Scheme(32, 32, False),
    "float16": Scheme(16, 32, False),
    "dynamic_wi8_afp32": Scheme(8, 32, False),
    "static_wi8_ai8": Scheme(8, 8, True),
    "static_wi8_ai16": Scheme(8, 16, True),
}


@dataclass(frozen=True)
class Format:
    """A format that models are converted to.

    Attributes:
        exporter: "module:function", an `Exporter`.
        schemes: the schemes that it offers.
        granularities: of the scales of quantized weights.
        io_dtypes: scheme -> types of inputs and outputs that may be asked for, the default first; where a scheme is
            not listed, inputs and outputs stay float32.
        calibration_methods: scheme -> how ranges may be chosen, the default first; none where a scheme is not listed.
        float_layers: schemes in which layers may be kept in float.
        int16_layers: schemes in which layers may be given 16-bit activations.
        sparse_schemes: schemes in which kernels may be stored without their zeros.
        sources: kinds of models that it is made from: "keras" or one of `edgevision.converters.file_source.KINDS`.
        trained: whether models of quantization-aware training are converted to it.
        package: import name of what the exporter needs beside TensorFlow and the format's runtime; None for nothing.
    """

    exporter: str
    schemes: tuple[str, ...]
    granularities: tuple[str, ...]
    io_dtypes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    calibration_methods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    float_layers: tuple[str, ...] = ()
    int16_layers: tuple[str, ...] = ()
    sparse_schemes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ("keras", "keras3", "saved_model", "tflite")
    trained: bool = True
    package: str | None = None


def _tensorrt(function: str) -> Format:
    """Return the row of an engine, or of the plan of one: they take the same."""
    return Format(
        f"edgevision.converters.tensorrt.export:{function}",
        ("float32", "float16", "static_wi8_ai8"),
        ("per_channel", "per_tensor"),
        calibration_methods={"static_wi8_ai8": ("min_max", "percentile", "entropy")},
        float_layers=("static_wi8_ai8",),
        sources=("keras", "keras3", "saved_model", "onnx"),
        trained=False,
        package="tf2onnx",
    )


FORMATS: Mapping[str, Format] = {
    "tflite": Format(
        "edgevision.converters.tflite:export",
        tuple(SCHEMES),
        ("per_channel", "per_tensor"),
        {"static_wi8_ai8": ("int8", "uint8", "float32"), "static_wi8_ai16": ("int16", "float32")},
        # Mean squared error and entropy choose ranges for 256 levels: with 65,536 nothing is gained by clipping.
        {"static_wi8_ai8": METHODS, "static_wi8_ai16": ("min_max", "percentile")},
        float_layers=("dynamic_wi8_afp32", "static_wi8_ai8", "static_wi8_ai16"),
        int16_layers=("static_wi8_ai8",),
        sparse_schemes=("float32",),
    ),
    "openvino": Format(
        "edgevision.converters.openvino:export",
        ("float32", "float16", "dynamic_wi8_afp32", "static_wi8_ai8"),
        ("per_channel", "per_tensor"),
        calibration_methods={"static_wi8_ai8": ("min_max", "percentile", "mse")},
        float_layers=("dynamic_wi8_afp32", "static_wi8_ai8"),
        sources=("keras", "keras3", "saved_model", "tflite", "onnx"),
    ),
    "onnx": Format(
        "edgevision.converters.onnx:export",
        ("float32", "static_wi8_ai8"),
        ("per_channel", "per_tensor"),
        calibration_methods={"static_wi8_ai8": METHODS},
        float_layers=("static_wi8_ai8",),
        sources=("keras", "keras3", "saved_model", "onnx"),
        trained=False,
        package="tf2onnx",
    ),
    "tensorrt": _tensorrt("export"),
    "tensorrt-plan": _tensorrt("export_plan"),
}

QUANTIZED_FORMATS = tuple(name for name, row in FORMATS.items() if row.schemes != ("float32",))
"""The formats that hold other numbers than float32."""

COMPRESSED_FORMATS = tuple(name for name in QUANTIZED_FORMATS if FORMATS[name].trained)
"""The formats whose rounding is simulated and trained with: what recipes are searched for."""


@dataclass(frozen=True)
class Request:
    """What an exporter is asked for.

    Attributes:
        scheme: one of `SCHEMES`.
        granularity: ``per_channel`` or ``per_tensor``: the scales of quantized weights.
        io_dtype: type of the inputs and outputs.
        batch: length of the batch axis.
        calibration: images to measure activation ranges on; None where the scheme or the model needs none.
        calibration_method: how the ranges of activations are chosen, one of `edgevision.converters.ranges.METHODS`.
        float_layers: names or patterns of the layers that stay in float.
        int16_layers: names or patterns of the layers that get 16-bit activations.
        calibration_cache: folder that keeps what was measured, for the next request with the same model and images.
        sparse_encoding: whether kernels with many zeros are stored without them.
        engine: how a TensorRT engine is built; None for the defaults.
    """

    scheme: str
    granularity: str
    io_dtype: str
    batch: int
    calibration: CalibrationDataset | None
    calibration_method: str = "min_max"
    float_layers: tuple[str, ...] = ()
    int16_layers: tuple[str, ...] = ()
    calibration_cache: Path | None = None
    sparse_encoding: bool = False
    engine: EngineSettings | None = None


@dataclass(frozen=True)
class Exported:
    """What an exporter made.

    Attributes:
        files: name -> content; the first is the model file.
        inputs: the inputs as they are in the file.
        outputs: the outputs as they are in the file.
        tools: distribution -> version of what made it.
        skipped: (layer, reason) for each layer that was not converted as asked, or was left as it is on request.
        statistics: whether activations were "measured", or "reused" from the cache; None where the tool that quantizes
            does its own measuring, or nothing was to be measured.
        format: the format that the artifact states, where that is not what it was converted to.
    """

    files: Mapping[str, bytes]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    tools: Mapping[str, str] = field(default_factory=dict)
    skipped: tuple[tuple[str, str], ...] = ()
    statistics: str | None = None
    format: str | None = None


@dataclass(frozen=True)
class QuantizedFile:
    """A model file, quantized.

    Attributes:
        content: The file.
        skipped: (operator, reason) for each operator that is not in the numbers asked for, or left in float on request.
        statistics: whether the activations were "measured", or what had been was "reused"; None where none were needed.
    """

    content: bytes
    skipped: tuple[tuple[str, str], ...] = ()
    statistics: str | None = None


class Exporter(Protocol):
    """What `Format.exporter` names; raises ConversionError."""

    def __call__(self, source: Source, request: Request) -> Exported:
        """Convert ``source`` as ``request`` says."""
        ...
