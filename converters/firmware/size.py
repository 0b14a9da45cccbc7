"""What firmware takes: constants counted here, code as the target's compiler makes it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.converters.firmware.lowering import Program
from edgevision.converters.firmware.step import Field, Step
from edgevision.converters.firmware.targets import TARGETS
from edgevision.firmware_library import FLAGS, run_compiler
from edgevision.lifetimes import Layout

CODE_ROOM_BYTES = 8 << 10
"""More than the code of any model in the tests on any of the five processors: a MobileNetV2 has the most, 5,564."""
COMPILER, SIZE = "arm-none-eabi-gcc", "arm-none-eabi-size"


def report(program: Program, arena: Layout) -> dict[str, Any]:
    """Return memory, operations and constants, in all and per operator, as ``firmware.json`` has them."""
    layers = [
        {
            "operator": operator.index,
            "kind": operator.kind,
            "kernel": step.kernel,
            "output": step.writes,
            "macs": step.macs,
            "constant_bytes": constant_bytes(step.fields) + _constant_inputs(program, step),
        }
        for operator, step in program.steps
        if isinstance(step, Step)
    ]
    plan = arena.plan
    return {
        "ram": {
            "arena_bytes": arena.plan.peak,
            "bound_bytes": plan.bound,
            "optimal": plan.optimal,
            "holders": [{"name": buffer.name, "bytes": buffer.bytes} for buffer in plan.holders],
        },
        "macs": sum(step.macs for _, step in program.steps if isinstance(step, Step)),
        "constant_bytes": sum(
            constant_bytes(step.fields) + _constant_inputs(program, step)
            for _, step in program.steps
            if isinstance(step, Step)
        ),
        "layers": layers,
        "cut": list(program.cut),
    }


def constant_bytes(value: Field) -> int:
    """Return the bytes of constant arrays among the fields of a step."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    return sum(map(constant_bytes, value.values())) if isinstance(value, Mapping) else 0


def _constant_inputs(program: Program, step: Step) -> int:
    found = (program.graph.values[name].data for name in step.reads)
    return sum(data.nbytes for data in found if data is not None)


def compiled(files: Mapping[str, str], name: str, target: str) -> dict[str, Any] | None:
    """Return flash and static RAM of ``<name>.c`` as the target's compiler makes it at -O2; None without a compiler.

    Args:
        files: The sources, headers among them.
        name: Which of them.
        target: The processor.

    Raises:
        IncompatibleModelError: It does not compile.
    """
    if shutil.which(COMPILER) is None or shutil.which(SIZE) is None:
        return None
    with tempfile.TemporaryDirectory(prefix="edgevision-size-") as folder:
        for file, content in files.items():
            (Path(folder) / file).write_text(content, encoding="utf-8")
        source, made = Path(folder) / f"{name}.c", Path(folder) / f"{name}.o"
        flags = (*FLAGS, "-ffunction-sections", "-fdata-sections", *TARGETS[target].flags)
        run_compiler([COMPILER, *flags, "-c", str(source), "-o", str(made)], f"{name}.c for {target}")
        sections = _sections(run_compiler([SIZE, "-A", str(made)], f"{name}.o"))
    text = sum(size for section, size in sections.items() if section.startswith(".text"))
    constants = sum(size for section, size in sections.items() if section.startswith(".rodata"))
    static = sum(size for section, size in sections.items() if section.startswith((".data", ".bss")))
    return {
        "compiler": run_compiler([COMPILER, "-dumpfullversion"], COMPILER).strip(),
        "code_bytes": text,
        "rodata_bytes": constants,
        "static_ram_bytes": static,
        "flash_bytes": text + constants,
    }


def _sections(listing: str) -> dict[str, int]:
    rows = (line.split() for line in listing.splitlines() if line.startswith("."))
    return {row[0]: int(row[1]) for row in rows}
