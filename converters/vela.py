"""Models for Arm Ethos-U: Vela compiles a TFLite file, and says what it costs."""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.converters.compiled import compiled_report, last_line, run_tool
from edgevision.errors import BackendUnavailableError, ConversionError, IncompatibleModelError, check_choice
from edgevision.graphs import read_graph
from edgevision.mapping import MappingReport
from edgevision.optional import available, install_command, version

CUSTOM, ACCELERATOR = "ethos-u", "ethos-u"
SYSTEMS = {
    "ethos-u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "ethos-u65": ("Ethos_U65_High_End", "Dedicated_Sram"),
    "ethos-u85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram"),
}
"""Family -> Arm's system configuration and memory mode that are taken unless others are named."""
ACCELERATORS = tuple(
    f"{family}-{macs}"
    for family, sizes in (
        ("ethos-u55", (32, 64, 128, 256)), ("ethos-u65", (256, 512)), ("ethos-u85", (128, 256, 512, 1024, 2048)),
    )
    for macs in sizes
)  # fmt: skip
ARM_CONFIG = "Arm/vela.ini"
_WARNING = re.compile(r"Warning \([^)]*\) operator: (\S+), ofm: '(.*)'\nReason: (.*)")
_KIB = 1024
_SIZES = ("sram_memory_used", "dram_memory_used", "on_chip_flash_memory_used", "off_chip_flash_memory_used")


@dataclass(frozen=True)
class VelaModel:
    """What Vela made.

    Attributes:
        content: The compiled .tflite file.
        report: Where each operator of the source runs; facts: ``cycles``, ``inference_ms`` (both estimates of Vela),
            ``sram_bytes``, ``dram_bytes``, ``on_chip_flash_bytes``, ``off_chip_flash_bytes``, ``macs``.
        settings: Accelerator, system configuration and memory mode.
    """

    content: bytes
    report: MappingReport
    settings: Mapping[str, str]


def compile_vela(
    model_file: str | Path,
    accelerator: str,
    *,
    system_config: str | None = None,
    memory_mode: str | None = None,
    config: str = ARM_CONFIG,
) -> VelaModel:
    """Compile a TFLite model for an Ethos-U.

    Vela exits with 0 also where the NPU runs nothing: what it wrote is looked at.

    Args:
        model_file: A quantized .tflite file.
        accelerator: One of `ACCELERATORS`.
        system_config: Section of ``config``: clocks and memories of the chip; None for that of `SYSTEMS`.
        memory_mode: Section of ``config``: what lies in which memory; None for that of `SYSTEMS`.
        config: Vela's configuration file.

    Raises:
        ConfigError: An accelerator that is not known.
        BackendUnavailableError: Vela is not installed.
        IncompatibleModelError: No TFLite file, or no operator of it runs on the NPU.
        ConversionError: Vela failed, or wrote something that is not understood.
    """
    check_choice("accelerator", accelerator, ACCELERATORS)
    if not available("ethosu"):
        raise BackendUnavailableError("Vela is not installed", next_step=f"install it: {install_command('ethosu')}")
    path = Path(model_file)
    source = read_graph(path)
    if source.format != "tflite":
        raise IncompatibleModelError(f"{path.name}: Vela takes TFLite files", got=source.format, allowed="tflite")
    system, mode = SYSTEMS[accelerator.rpartition("-")[0]]
    chosen = (accelerator, system_config or system, memory_mode or mode)
    settings = dict(zip(("accelerator", "system_config", "memory_mode"), chosen, strict=True))
    by = f"vela {version('ethos-u-vela') or ''}".strip()
    with tempfile.TemporaryDirectory() as folder:
        log = run_tool(_command(path, settings, config, folder), "Vela")
        content = _made(Path(folder), path, log)
        facts = _figures(Path(folder), path)
        compiled = read_graph(Path(folder) / f"{path.stem}_vela.tflite")
    report = compiled_report(source, compiled, ACCELERATOR, CUSTOM, by, _reasons(log), facts)
    if not report.mapped:
        first = report.on_cpu[0] if report.on_cpu else None
        raise IncompatibleModelError(
            f"{path.name}: nothing of it runs on {accelerator}",
            got=f"{len(report.on_cpu)} operators on the processor" + (f", the first {first.kind} {first.index}: "
            f"{first.reason}" if first else ""),
            next_step=f"edgevision check {path.name} --profile {accelerator} says why, operator by operator",
        )  # fmt: skip
    return VelaModel(content, report, settings)


def _command(path: Path, settings: Mapping[str, str], config: str, folder: str) -> list[str]:
    return [
        sys.executable, "-m", "ethosu.vela", str(path), "--accelerator-config", settings["accelerator"],
        "--config", config, "--system-config", settings["system_config"], "--memory-mode", settings["memory_mode"],
        "--output-dir", folder,
    ]  # fmt: skip


def _made(folder: Path, path: Path, log: str) -> bytes:
    made = folder / f"{path.stem}_vela.tflite"
    if not made.is_file():
        raise ConversionError(f"Vela wrote no model for {path.name}", got=last_line(log))
    return made.read_bytes()


def _figures(folder: Path, path: Path) -> dict[str, Any]:
    """Return what the summary says, in bytes and milliseconds."""
    files = list(folder.glob(f"{path.stem}_summary_*.csv"))
    if len(files) != 1:
        raise ConversionError(f"Vela wrote no summary for {path.name}", got=f"{len(files)} files")
    with files[0].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        row = rows[0]
        sizes = {f"{name.removesuffix('_memory_used')}_bytes": round(float(row[name]) * _KIB) for name in _SIZES}
        return {
            "cycles": round(float(row["cycles_total"])), "inference_ms": float(row["inference_time"]) * 1e3,
            "macs": round(float(row["nn_macs"])), **sizes,
        }  # fmt: skip
    except (IndexError, KeyError, TypeError, ValueError, OverflowError) as exc:
        raise ConversionError("Vela's summary is not understood", got=f"{type(exc).__name__}: {exc}") from exc


def _reasons(log: str) -> dict[str, str]:
    """Return why Vela leaves operators to the processor: name of the output -> reason."""
    return {name: f"Vela: {reason.strip()}" for _, name, reason in _WARNING.findall(log)}
