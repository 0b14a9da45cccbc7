"""Why a runtime no longer answers as it did: found by experiment, one condition changed at a time.

A cause is named only where changing that one condition, and nothing else, brings every output back within the
tolerance that it missed. Where no single change does, nothing is named, and what was tried is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgevision.devices.cpu import VNNI, cpu_facts
from edgevision.errors import EdgeVisionError

SETTABLE = ("precision", "low_precision", "threads", "resolver", "package", "providers", "graph_optimization")
"""Conditions that are options of a runtime too."""

Holds = Callable[[Mapping[str, Any]], bool]
"""Whether the answers are within the tolerance with these options of the runtime."""


@dataclass(frozen=True)
class Experiment:
    """One condition, changed.

    Attributes:
        options: What it is changed to, as options of the runtime.
        tried: The change in words.
        cause: What it establishes where it helps.
    """

    options: Mapping[str, Any]
    tried: str
    cause: str


@dataclass(frozen=True)
class Findings:
    """What experiments established.

    Attributes:
        causes: In words; empty where no single change helped.
        tried: Every change that was tried, in words.
    """

    causes: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return them as people read them."""
        if self.causes:
            return "cause: " + "; ".join(self.causes)
        if self.tried:
            return f"no cause found: it differs as well with {', with '.join(self.tried)}"
        return "no cause found: nothing about the runtime is otherwise than when it was sealed"


def find_causes(
    facts: Mapping[str, Any], sealed: Mapping[str, Any], holds: Holds, *, integers: bool = False
) -> Findings:
    """Change one condition after another, and see with which alone the answers are those that were sealed.

    Args:
        facts: What a compiled model says of itself, which answered otherwise.
        sealed: The conditions under which the expected answers were made; see `edgevision.verify.conditions`.
        holds: Runs the model with changed options. Options that do not work here count as no help.
        integers: Whether the model computes in int8.
    """
    causes, tried = [], []
    for experiment in _experiments(facts, sealed, integers):
        try:
            helped = holds(experiment.options)
        except EdgeVisionError:
            continue
        tried.append(experiment.tried)
        if helped:
            causes.append(experiment.cause)
    return Findings(tuple(causes), tuple(tried))


def _experiments(facts: Mapping[str, Any], sealed: Mapping[str, Any], integers: bool) -> Iterator[Experiment]:
    """Yield what differs from the sealing, put back; then the exact ways of computing that were not in use."""
    back = {name for name in SETTABLE if name in facts and name in sealed and facts[name] != sealed[name]}
    for name in sorted(back, key=SETTABLE.index):
        now, then = _words(name, facts[name]), _words(name, sealed[name])
        yield Experiment({name: sealed[name]}, then, f"{now}; it was sealed with {then}")
    if "precision" not in back and facts.get("precision") in ("bfloat16", "float16"):
        cause = f"float parts are computed in {facts['precision']}"
        yield Experiment({"precision": "float32"}, _words("precision", "float32"), cause)
    if "resolver" not in back and facts.get("resolver") == "default":
        cause = "the optimized kernels here compute otherwise than the reference kernels"
        yield Experiment({"resolver": "reference"}, _words("resolver", "reference"), cause)
    for name, exact in (("low_precision", False), ("graph_optimization", "none")):
        if name not in back and facts.get(name, exact) != exact:
            yield Experiment({name: exact}, _words(name, exact), _kernels(integers))
    if "threads" not in back and facts.get("threads", 1) != 1:
        yield Experiment({"threads": 1}, _words("threads", 1), f"it depends on the threads: {facts['threads']}")


def _kernels(integers: bool) -> str:
    cpu = cpu_facts()
    saturates = integers and cpu.architecture == "x86_64" and not set(VNNI) & set(cpu.features)
    why = ": the processor has no VNNI, and without it sums of products of 8-bit weights saturate" if saturates else ""
    return f"the kernels here compute otherwise than float does with the same numbers{why}"


def _words(name: str, value: Any) -> str:
    return {
        "precision": f"float parts computed in {value}",
        "low_precision": f"integers computed in {'integers' if value else 'float'}",
        "threads": f"{value} thread{'' if value == 1 else 's'}",
        "resolver": f"{value} kernels",
        "package": f"{value}",
        "providers": f"{', '.join(map(str, value)) if isinstance(value, list) else value}",
        "graph_optimization": f"graph optimization {value}",
    }[name]
