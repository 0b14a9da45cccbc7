"""Models for the Edge TPU: ``edgetpu_compiler``, where it is on the PATH (x86-64 Linux only)."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.converters.compiled import compiled_report, last_line, run_tool
from edgevision.errors import BackendUnavailableError, ConfigError, ConversionError, IncompatibleModelError
from edgevision.graphs import Graph, read_graph
from edgevision.mapping import MappingReport

TOOL, CUSTOM, ACCELERATOR = "edgetpu_compiler", "edgetpu-custom-op", "edgetpu"
TIMEOUT_S = 600
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_VERSION = re.compile(r"Edge TPU Compiler version (\S+)")
_SIZE = re.compile(r"^(On-chip memory used|Off-chip memory used)[^:]*: ([\d.]+)\s*(B|KiB|MiB|GiB)\s*$", re.MULTILINE)
_COUNT = re.compile(r"^(Total number of operations|Number of Edge TPU subgraphs): (\d+)\s*$", re.MULTILINE)
_ROW = re.compile(r"^([A-Z][A-Za-z0-9_]*)\s+(\d+)\s+(\S.*?)\s*$", re.MULTILINE)
MAPPED = "Mapped to Edge TPU"
_NAMES = {
    "On-chip memory used": "parameter_bytes_on_chip", "Off-chip memory used": "parameter_bytes_streamed",
    "Total number of operations": "operators", "Number of Edge TPU subgraphs": "subgraphs",
}  # fmt: skip


@dataclass(frozen=True)
class CompilerLog:
    """What ``edgetpu_compiler --show_operations`` says.

    Attributes:
        version: The compiler's.
        facts: ``parameter_bytes_on_chip``, ``parameter_bytes_streamed``, ``operators``, ``subgraphs``.
        statuses: (operator, how many, status), in the order of the log.
    """

    version: str
    facts: Mapping[str, int]
    statuses: tuple[tuple[str, int, str], ...]

    @property
    def reasons(self) -> dict[str, str]:
        """Operator -> why some of its kind are left to the processor."""
        return {kind: f"the compiler: {status}" for kind, _, status in self.statuses if status != MAPPED}


@dataclass(frozen=True)
class EdgeTpuModel:
    """A compiled file, and where each operator of its source runs."""

    content: bytes
    report: MappingReport


def parse_log(text: str) -> CompilerLog:
    """Read the log of one model.

    Raises:
        ConversionError: It lacks the version, a size or the table of operators, or they do not add up.
    """
    version = _VERSION.search(text)
    facts = {_NAMES[name]: round(float(number) * _UNITS[unit]) for name, number, unit in _SIZE.findall(text)}
    facts |= {_NAMES[name]: int(number) for name, number in _COUNT.findall(text)}
    rows = tuple((kind, int(count), status) for kind, count, status in _ROW.findall(text))
    counted = sum(count for _, count, _ in rows)
    if version is None or set(facts) != set(_NAMES.values()) or counted != facts["operators"]:
        said = f"{counted} operators in the table, {facts.get('operators', 'no')} in all; last line: {last_line(text)}"
        raise ConversionError(f"the log of {TOOL} is not understood", got=said)
    return CompilerLog(version[1], facts, rows)


def compile_edgetpu(model_files: Sequence[str | Path], *, min_runtime_version: int | None = None) -> list[EdgeTpuModel]:
    """Compile TFLite models for the Edge TPU; several at once share its parameter cache (co-compilation).

    Args:
        model_files: Quantized .tflite files, the one that runs most often first.
        min_runtime_version: The oldest Edge TPU runtime that the files have to work with; None for the newest.

    Raises:
        ConfigError: No file, or two of the same name.
        BackendUnavailableError: The compiler is not on the PATH.
        IncompatibleModelError: A file is no TFLite model, or none of its operators is mapped.
        ConversionError: The compiler failed, or said something that is not understood.
    """
    paths = [Path(file) for file in model_files]
    if not paths or len({path.stem for path in paths}) != len(paths):
        names = ", ".join(path.name for path in paths)
        raise ConfigError("models to compile", got=names or "none", allowed="files of different names")
    tool = shutil.which(TOOL)
    if tool is None:
        raise BackendUnavailableError(
            f"{TOOL} is not on the PATH",
            next_step="install Debian package edgetpu-compiler (x86-64), or see what it would do: "
            "edgevision check MODEL --profile coral-usb",
        )  # fmt: skip
    sources = [read_graph(path) for path in paths]
    for path, source in zip(paths, sources, strict=True):
        if source.format != "tflite":
            raise IncompatibleModelError(f"{path.name}: {TOOL} takes TFLite files", got=source.format, allowed="tflite")
    with tempfile.TemporaryDirectory() as folder:
        log = run_tool(_command(tool, paths, folder, min_runtime_version), TOOL, TIMEOUT_S + 60)
        return [_model(Path(folder), path, source, log) for path, source in zip(paths, sources, strict=True)]


def _command(tool: str, paths: Sequence[Path], folder: str, min_runtime_version: int | None) -> list[str]:
    oldest = [] if min_runtime_version is None else ["--min_runtime_version", str(min_runtime_version)]
    options = ["--show_operations", "--timeout_sec", str(TIMEOUT_S), "--out_dir", folder, *oldest]
    return [tool, *options, *map(str, paths)]


def _model(folder: Path, path: Path, source: Graph, log: str) -> EdgeTpuModel:
    made = folder / f"{path.stem}_edgetpu.tflite"
    if not made.is_file():
        raise ConversionError(f"{TOOL} wrote no model for {path.name}", got=last_line(log))
    parsed = parse_log(_section(log, path))
    compiled = read_graph(made)
    by, facts = f"{TOOL} {parsed.version}", dict[str, Any](parsed.facts)
    report = compiled_report(source, compiled, ACCELERATOR, CUSTOM, by, parsed.reasons, facts)
    if not report.mapped:
        kinds = "; ".join(f"{kind}: {status}" for kind, _, status in parsed.statuses[:3])
        raise IncompatibleModelError(f"{path.name}: no operator is mapped to the Edge TPU", got=kinds)
    return EdgeTpuModel(made.read_bytes(), report)


def _section(log: str, path: Path) -> str:
    """The part of a log of several models that is about one, with the version that stands at its head."""
    parts = re.split(r"^(?=Input model: )", log, flags=re.MULTILINE)
    wanted = [part for part in parts[1:] if Path(part.splitlines()[0].partition(": ")[2].strip()).name == path.name]
    if len(wanted) != 1:
        raise ConversionError(f"the log of {TOOL} says nothing about {path.name}", got=last_line(log))
    return parts[0] + wanted[0]
