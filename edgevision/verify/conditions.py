"""What decides whether a runtime must repeat itself to the bit: software, threads, precision, processor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgevision.devices.cpu import cpu_facts

_DECISIVE = (
    "package", "version", "threads", "precision", "low_precision", "resolver", "delegates", "providers",
    "graph_optimization",
)  # fmt: skip


def conditions(facts: Mapping[str, Any], root: str | Path = "/") -> dict[str, Any]:
    """Return what an answer depends on beside model and input: a JSON mapping to keep and compare.

    Args:
        facts: What a compiled model says of itself.
        root: The file system to read facts about the processor from; see `edgevision.devices.cpu.cpu_facts`.
    """
    cpu = cpu_facts(root)
    processor = f"{cpu.architecture} {cpu.name}: {' '.join(cpu.features)}"  # kernels are chosen by the features
    return {**{name: facts[name] for name in _DECISIVE if name in facts}, "processor": processor}
