"""Models for TensorRT: an engine where TensorRT is, or a plan, by which a device that is elsewhere builds it.

A plan is an artifact of format ``onnx``, whose model file is what TensorRT is given, with a recipe, calibration and a
script beside it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgevision.converters import onnx as onnx_exporter
from edgevision.converters.formats import SCHEMES, Exported, QuantizedFile, Request
from edgevision.converters.onnx_quantizer import TOOLS as QUANTIZER
from edgevision.converters.onnx_quantizer import ranges_of
from edgevision.converters.tensorrt.build import build_engine, release_here
from edgevision.converters.tensorrt.calibration_table import CalibrationTable
from edgevision.converters.tensorrt.calibrator import CalibrationBatches
from edgevision.converters.tensorrt.network import network
from edgevision.converters.tensorrt.plan import SCRIPT, SUMS, EnginePlan, sums
from edgevision.converters.tensorrt.script import build_script
from edgevision.converters.tensorrt.settings import EngineSettings, Version, decide, parse_version, version_text
from edgevision.errors import CalibrationError, ConfigError
from edgevision.optional import versions

if TYPE_CHECKING:
    from edgevision.converters.file_source import Source

UNKNOWN_RELEASE: Version = (8, 6, 1)
"""What a table says where the device's release is not known; whoever builds writes the right one."""


def export(source: Source, request: Request) -> Exported:
    """Convert ``source`` to an engine for this machine.

    Raises:
        ConfigError: Settings that do not go together.
        BackendUnavailableError: TensorRT is not here, or there is no GPU.
        IncompatibleModelError: Its release cannot build this, or does not take the network.
        CalibrationError: The calibration data is constant, NaN or infinite.
        ConversionError: TensorRT or a vendor's tool gave up.
    """
    settings = request.engine or EngineSettings()
    release = release_here()
    if settings.tensorrt_version is not None and parse_version(settings.tensorrt_version)[:2] != release[:2]:
        raise ConfigError(
            "tensorrt_version is a device's, for a plan; this machine has another", got=settings.tensorrt_version,
            allowed=version_text(release), next_step="write a plan: --to tensorrt-plan",
        )  # fmt: skip
    plan, base, made = _planned(source, request, replace(settings, tensorrt_version=version_text(release)))
    built = build_engine(plan)
    tools = {**base.tools, "tensorrt": built.document.facts.tensorrt}
    return replace(base, files=built.files(), tools=tools, skipped=made.skipped, statistics=made.statistics)


def export_plan(source: Source, request: Request) -> Exported:
    """Write the plan of an engine, with its script; raises as `export` but for what is about building."""
    plan, base, made = _planned(source, request, request.engine or EngineSettings())
    files = {**plan.files(), SCRIPT: build_script(plan).encode()}
    files[SUMS] = sums(files)
    return replace(base, files=files, skipped=made.skipped, statistics=made.statistics, format="onnx")


def _planned(source: Source, request: Request, settings: EngineSettings) -> tuple[EnginePlan, Exported, QuantizedFile]:
    """Return the plan, what the ONNX exporter made in float, and what was made of that."""
    recipe = decide(settings, request.scheme, request.calibration_method)
    if request.float_layers and recipe.int8_from != "qdq":
        raise ConfigError(
            "float_layers with int8 from a table or a calibrator", got=", ".join(request.float_layers),
            next_step="layers are kept in float with --int8-from qdq",
        )  # fmt: skip
    plain = replace(request, scheme="float32", calibration=None, float_layers=())
    base = onnx_exporter.export(source, plain)
    content = base.files[onnx_exporter.MODEL_FILE]
    made = network(content, source.name, request, recipe)
    plan = EnginePlan(source.name, made.content, recipe, request.batch)
    if recipe.int8_from == "table":
        ranges, origin = ranges_of(content, source.name, request)
        release = UNKNOWN_RELEASE if settings.tensorrt_version is None else parse_version(settings.tensorrt_version)
        plan = replace(plan, table=CalibrationTable.of_ranges(ranges, release).to_text())
        made = replace(made, statistics=origin)
    elif recipe.int8_from == "calibrator":
        if request.calibration is None:
            raise CalibrationError(f"{request.scheme} needs calibration data and there is none")
        plan = replace(plan, inputs=CalibrationBatches.of(request.calibration, request.batch).inputs)
    tools = {**base.tools, **versions(*(QUANTIZER if SCHEMES[request.scheme].calibration else ()))}
    return plan, replace(base, tools=tools), made
