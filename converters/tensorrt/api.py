"""An engine built by the Python API of TensorRT."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.converters.tensorrt.calibration_table import CalibrationTable
from edgevision.converters.tensorrt.calibrator import CalibrationBatches, make_calibrator
from edgevision.converters.tensorrt.plan import EnginePlan
from edgevision.converters.tensorrt.settings import STRONG_TYPING, Version, parse_version
from edgevision.converters.tensorrt.trtexec import table_for
from edgevision.cuda import Cuda
from edgevision.engine import EngineFacts, facts_here
from edgevision.errors import CalibrationError, ConversionError, IncompatibleModelError
from edgevision.files import atomic_file

_MIB = 1 << 20


@dataclass(frozen=True)
class ApiBuild:
    """An engine, where it was built, the layers that the log lists, and the calibration table that was written."""

    engine: bytes
    facts: EngineFacts
    layers: tuple[tuple[str, str], ...]
    table: str | None


def build_by_api(vendor: Any, plan: EnginePlan) -> ApiBuild:
    """Build an engine.

    Args:
        vendor: The package ``tensorrt``.
        plan: What it is built from.

    Raises:
        IncompatibleModelError: This release cannot build it, or does not take the network.
        BackendUnavailableError: There is no GPU.
        ConversionError: The builder gave up.
    """
    version = parse_version(str(vendor.__version__))
    plan.recipe.check_version(version)
    cuda = Cuda()
    log = _log(vendor)
    builder = vendor.Builder(log)
    network = builder.create_network(network_flags(vendor, version))
    _parse(vendor, network, log, plan, version)
    config = builder.create_builder_config()
    configure(vendor, config, plan, version)
    cache = _use_timing_cache(config, plan)
    calibrator = _calibrator(vendor, config, plan, version, cuda)
    try:
        built = builder.build_serialized_network(network, config)
    finally:
        if calibrator is not None:
            calibrator.close()
    if built is None:
        raise ConversionError(f"TensorRT did not build {plan.name}", got=log.first_error or "no reason")
    _keep_timing_cache(cache, config)
    written = calibrator.table if calibrator is not None else None
    return ApiBuild(bytes(built), facts_here(cuda, str(vendor.__version__)), tuple(log.layers), written)


def network_flags(vendor: Any, version: Version) -> int:
    """Return the flags of ``create_network``: before release 10, batches have to be asked for as an axis."""
    return 1 << int(vendor.NetworkDefinitionCreationFlag.EXPLICIT_BATCH) if version < (10, 0, 0) else 0


def configure(vendor: Any, config: Any, plan: EnginePlan, version: Version) -> None:
    """Set what the recipe says on an ``IBuilderConfig``; the calibrator and the timing cache are apart."""
    recipe, settings, flags = plan.recipe, plan.recipe.settings, vendor.BuilderFlag
    if version < STRONG_TYPING and recipe.scheme != "float32":
        config.set_flag(flags.FP16)  # what is not int8 may be half, as trtexec is told
        if recipe.int8_from is not None:
            config.set_flag(flags.INT8)
    if recipe.scheme == "float32":
        config.clear_flag(flags.TF32)
    if settings.sparse_weights:
        config.set_flag(flags.SPARSE_WEIGHTS)
    if settings.dla is not None:
        config.default_device_type = vendor.DeviceType.DLA
        config.DLA_core = settings.dla
        if settings.gpu_fallback:
            config.set_flag(flags.GPU_FALLBACK)
    if settings.workspace_mib is not None:
        config.set_memory_pool_limit(vendor.MemoryPoolType.WORKSPACE, settings.workspace_mib * _MIB)


def _parse(vendor: Any, network: Any, log: Any, plan: EnginePlan, version: Version) -> None:
    parser = vendor.OnnxParser(network, log)
    if plan.recipe.settings.dla is not None and version >= STRONG_TYPING:
        parser.set_flag(vendor.OnnxParserFlag.ADJUST_FOR_DLA)
    if not parser.parse(plan.onnx):
        errors = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise IncompatibleModelError(
            f"TensorRT does not take {plan.name}", got=(errors or [log.first_error or "no reason"])[0][:200],
            next_step="edgevision check MODEL --profile jetson-orin-nano says which operators it lacks",
        )  # fmt: skip


def _calibrator(vendor: Any, config: Any, plan: EnginePlan, version: Version, cuda: Cuda) -> Any:
    """Set the calibrator where int8 ranges are not in the file; return it, or None."""
    source = plan.recipe.int8_from
    if source not in ("table", "calibrator"):
        return None
    table = None if plan.table is None else usable_table(plan.table, source, version)
    batches = None if plan.inputs is None else CalibrationBatches(plan.inputs, plan.batch)
    if table is None and batches is None:
        raise CalibrationError(f"{plan.name}: neither calibration inputs nor a table for this release")
    method = "entropy" if source == "table" else plan.recipe.method
    calibrator = make_calibrator(vendor, method, cuda, batches, table)
    config.int8_calibrator = calibrator
    return calibrator


def usable_table(text: str, source: str, version: Version) -> str | None:
    """Return the table for this release; None for one that another release's calibrator measured.

    Ours is of what the float model computes, whatever builds; a calibrator's is its own release's matter.
    """
    if source == "table":
        return table_for(text, version)
    return text if CalibrationTable.parse(text).version == version else None


def _use_timing_cache(config: Any, plan: EnginePlan) -> Path | None:
    place = plan.recipe.settings.timing_cache
    if place is None:
        return None
    path = Path(place)
    content = b""
    with suppress(FileNotFoundError):
        content = path.read_bytes()
    cache = config.create_timing_cache(content)
    if not config.set_timing_cache(cache, False):  # of another GPU or release: begin anew
        config.set_timing_cache(config.create_timing_cache(b""), False)
    return path


def _keep_timing_cache(path: Path | None, config: Any) -> None:
    if path is not None:
        content = bytes(config.get_timing_cache().serialize())
        with atomic_file(path, overwrite=True) as file:
            file.write_bytes(content)


def _log(vendor: Any) -> Any:
    """Return a logger that keeps the first error, and the layers that the builder lists, off the screen."""
    severity = vendor.ILogger.Severity

    class Log(vendor.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            vendor.ILogger.__init__(self)
            self.first_error = ""
            self.layers: list[tuple[str, str]] = []

        def log(self, level: Any, message: str) -> None:
            if level in (severity.ERROR, severity.INTERNAL_ERROR):
                self.first_error = self.first_error or str(message)[:200]
            for kind in ("Dla", "Gpu"):
                mark = f"[{kind}Layer] "
                if message.startswith(mark):
                    self.layers.append((kind.lower(), message.removeprefix(mark).strip()))

    return Log()
