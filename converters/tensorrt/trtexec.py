"""``trtexec``: where it is, what it says, and an engine built by it."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from edgevision.converters.compiled import last_line, run_tool
from edgevision.converters.tensorrt.arguments import trtexec_arguments
from edgevision.converters.tensorrt.calibration_table import CalibrationTable
from edgevision.converters.tensorrt.plan import EnginePlan
from edgevision.converters.tensorrt.settings import Version, parse_version, version_text
from edgevision.engine import EngineFacts
from edgevision.errors import ConversionError
from edgevision.jetson import l4t_here, module_here

TOOL, PLACE = "trtexec", "/usr/src/tensorrt/bin/trtexec"
"""Its name, and where JetPack puts it, which is on no PATH."""
TIMEOUT_S = 7200.0
ASKING_S = 60.0
_BANNER = re.compile(r"\[TensorRT v([\d.]+)\]")
_DEVICE = {
    "gpu": re.compile(r"\] Selected Device: (.+?)\s*$", re.MULTILINE),
    "compute_capability": re.compile(r"\] Compute Capability: (\d+\.\d+)\s*$", re.MULTILINE),
    "multiprocessors": re.compile(r"\] SMs: (\d+)\s*$", re.MULTILINE),
}
_LAYER = re.compile(r"\[(Dla|Gpu)Layer\] (.+?)\s*$", re.MULTILINE)
_ERROR = re.compile(r"\[E\] (?:\[TRT\] )?(.+)")


@dataclass(frozen=True)
class TrtexecLog:
    """What a build by ``trtexec`` says.

    Attributes:
        version: Its release.
        facts: Where it ran; ``l4t`` and ``module`` are not in the log.
        layers: (target, name) of each layer of the engine, target being "dla" or "gpu"; none where it lists none.
    """

    version: Version
    facts: EngineFacts
    layers: tuple[tuple[str, str], ...]


def find_trtexec() -> str | None:
    """Return where ``trtexec`` is, or None."""
    found = shutil.which(TOOL)
    return found if found is not None else PLACE if Path(PLACE).is_file() else None


def version_of(tool: str) -> Version:
    """Return the release of a ``trtexec``; raises ConversionError where it does not say."""
    text = run_tool([tool, "--help"], TOOL, ASKING_S)
    return _version(text)


def _version(text: str) -> Version:
    banner = _BANNER.search(text)
    if banner is None:
        raise ConversionError("trtexec does not say which release it is of", got=last_line(text))
    return parse_version(banner[1])


def parse_log(text: str) -> TrtexecLog:
    """Read the log of a build.

    Raises:
        ConversionError: It lacks the release, or the device.
    """
    version = _version(text)
    found = {name: pattern.search(text) for name, pattern in _DEVICE.items()}
    missing = [name for name, match in found.items() if match is None]
    if missing:
        raise ConversionError("the log of trtexec is not understood", got=f"no {', '.join(missing)}")
    gpu, capability, count = (match[1] for match in found.values() if match is not None)
    facts = EngineFacts(gpu, capability, int(count), version_text(version))
    return TrtexecLog(version, facts, tuple((kind.lower(), name) for kind, name in _LAYER.findall(text)))


def telling_line(text: str) -> str:
    """Return the first error that a log of ``trtexec`` has, else its last line."""
    found = _ERROR.search(text)
    return found[1].strip()[:200] if found else last_line(text)


def build_by_trtexec(tool: str, plan: EnginePlan) -> tuple[bytes, TrtexecLog]:
    """Build an engine.

    Raises:
        IncompatibleModelError: This release cannot build it.
        BackendUnavailableError: The tool does not start.
        ConversionError: It failed, wrote nothing, or says something that is not understood.
    """
    version = version_of(tool)
    plan.recipe.check_version(version)
    with tempfile.TemporaryDirectory() as folder:
        onnx, engine, table = (Path(folder) / name for name in ("model.onnx", "model.engine", "calibration.table"))
        onnx.write_bytes(plan.onnx)
        if plan.table is not None:
            table.write_text(table_for(plan.table, version), encoding="utf-8")
        given = str(table) if plan.table is not None else None
        arguments = trtexec_arguments(plan.recipe, version, str(onnx), str(engine), table=given)
        log = run_tool([tool, *arguments], TOOL, TIMEOUT_S, telling_line)
        if not engine.is_file() or not engine.stat().st_size:
            raise ConversionError("trtexec wrote no engine", got=telling_line(log))
        parsed = parse_log(log)
        here = replace(parsed.facts, l4t=l4t_here(), module=module_here())
        return engine.read_bytes(), replace(parsed, facts=here)


def table_for(text: str, version: Version) -> str:
    """Return a calibration table with another release in its first line: its scales are of no release."""
    return replace(CalibrationTable.parse(text), version=version).to_text()
