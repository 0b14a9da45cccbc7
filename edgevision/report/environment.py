"""The machine and the software that figures were taken on, in the order to show."""

from __future__ import annotations

import os
import platform
from typing import Any

from edgevision.devices.cpu import cpu_facts
from edgevision.optional import versions

_PACKAGES = (
    "edgevision", "numpy", "ai-edge-litert", "tflite-runtime", "openvino", "onnxruntime", "nncf", "tensorflow",
    "tf-keras",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Return facts about this machine now: processor, memory, system, load, and versions of what is installed."""
    cpu = cpu_facts()
    memory = None if cpu.memory_bytes is None else f"{cpu.memory_bytes / 2**30:.1f} GiB"
    cores = f"{cpu.usable_cores} of {cpu.logical_cores}"
    facts: dict[str, Any] = {
        "processor": cpu.name,
        "board": cpu.board,
        "architecture": cpu.architecture,
        "instruction sets": " ".join(cpu.features),
        "usable cores": cores,
        "frequency governor": cpu.governor,
        "memory": memory,
        "system": platform.platform(terse=True),
        "load average, 1 min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "Python": platform.python_version(),
    }
    facts |= versions(*_PACKAGES)
    return {name: value for name, value in facts.items() if value not in (None, "")}
