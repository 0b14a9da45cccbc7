"""From a plan to an engine, by what of TensorRT is here: its Python package, else ``trtexec``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgevision.converters.tensorrt.api import build_by_api
from edgevision.converters.tensorrt.plan import SOURCE, EnginePlan
from edgevision.converters.tensorrt.settings import Version, parse_version
from edgevision.converters.tensorrt.trtexec import TOOL, build_by_trtexec, find_trtexec, version_of
from edgevision.converters.vendor import vendor_step
from edgevision.engine import ENGINE_FILE, INSTALL, EngineDocument, tensorrt_package
from edgevision.errors import BackendUnavailableError
from edgevision.optional import available

ENGINE = "model.engine"


@dataclass(frozen=True)
class BuiltEngine:
    """An engine.

    Attributes:
        plan: What it was built from, with the calibration table that came out of it.
        content: The engine.
        document: Where it was built.
        layers: (target, name) of its layers, "dla" or "gpu"; none where TensorRT listed none.
    """

    plan: EnginePlan
    content: bytes
    document: EngineDocument
    layers: tuple[tuple[str, str], ...] = ()

    def files(self) -> dict[str, bytes]:
        """Return name -> content of the files of its artifact, the engine first."""
        source = {f"{SOURCE}{name}": content for name, content in self.plan.files().items()}
        return {ENGINE: self.content, ENGINE_FILE: self.document.to_json().encode(), **source}


def release_here() -> Version:
    """Return the release of TensorRT that would build here; raises BackendUnavailableError where there is none."""
    if available("tensorrt"):
        return parse_version(str(tensorrt_package().__version__))
    return version_of(_tool())


def build_engine(plan: EnginePlan) -> BuiltEngine:
    """Build an engine on this machine, for this machine.

    Raises:
        BackendUnavailableError: TensorRT is not here, or there is no GPU.
        IncompatibleModelError: Its release cannot build this, or does not take the network.
        CalibrationError: A calibration table is damaged.
        ConversionError: The builder gave up, or said something that is not understood.
    """
    dla = plan.recipe.settings.dla
    if available("tensorrt"):
        vendor = tensorrt_package()
        with vendor_step(f"TensorRT's build of {plan.name}"):
            made = build_by_api(vendor, plan)
        plan = replace(plan, table=made.table if made.table is not None else plan.table)
        return BuiltEngine(plan, made.engine, EngineDocument(made.facts, "python", dla), made.layers)
    tool = _tool()
    if plan.recipe.int8_from == "calibrator":
        raise BackendUnavailableError(
            f"{TOOL} has no calibrator: it takes a table", next_step="sudo apt install python3-libnvinfer, or "
            "--int8-from table",
        )  # fmt: skip
    content, log = build_by_trtexec(tool, plan)
    return BuiltEngine(plan, content, EngineDocument(log.facts, TOOL, dla), log.layers)


def _tool() -> str:
    tool = find_trtexec()
    if tool is None:
        raise BackendUnavailableError(
            f"TensorRT is not here: neither its Python package nor {TOOL}",
            next_step=f"{INSTALL}; for a device that is not this machine: --to tensorrt-plan",
        )
    return tool
