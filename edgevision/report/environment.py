"""The machine and the software that figures were taken on, in the order to show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgevision.benchmark.environment import fingerprint

ABSENT = "not exposed"


def environment(known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return facts about a machine: processor, limits, memory, system, load, and versions of what is installed.

    Args:
        known: What `edgevision.benchmark.environment.fingerprint` said; None for this machine, now.
    """
    found = fingerprint() if known is None else known
    cpu = found["processor"]
    affinity = found["affinity"]
    warm = ", ".join(f"{name} {value:.1f} °C" for name, value in found["temperatures_c"].items())
    facts: dict[str, Any] = {
        "processor": cpu["name"],
        "board": cpu["board"],
        "architecture": cpu["architecture"],
        "instruction sets": " ".join(cpu["features"]),
        "usable cores": f"{cpu['usable_cores']} of {cpu['logical_cores']}",
        "cores of this process": None if affinity is None else ", ".join(map(str, affinity)),
        "container's limit of cores": cpu["cpu_limit_cores"],
        "container's limit of memory": _gib(cpu["memory_limit_bytes"]),
        "frequency governor": cpu["governor"] or ABSENT,
        "frequency": _shown(found["frequency_mhz"], "MHz"),
        "maximum frequency": _shown(found["maximum_frequency_mhz"], "MHz"),
        "temperatures": warm or ABSENT,
        "memory": _gib(cpu["memory_bytes"]),
        "system": found["system"],
        "load average, 1 min": found["load_average"],
        "thread settings": " ".join(f"{name}={value}" for name, value in found["thread_variables"].items()),
        "Python": found["python"],
    }
    facts |= found["versions"]
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _gib(value: int | None) -> str | None:
    return None if value is None else f"{value / 2**30:.1f} GiB"


def _shown(value: float | None, unit: str) -> str:
    return ABSENT if value is None else f"{value:.0f} {unit}"
