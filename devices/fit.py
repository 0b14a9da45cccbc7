"""What a model takes of a device's memory and time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgevision.devices.latency_estimate import estimated_ms
from edgevision.devices.profile import DeviceProfile
from edgevision.graphs import Graph
from edgevision.graphs.memory import macs_of, plan_graph

GENERATED, INTERPRETED = "generated firmware", "tensors and file"


@dataclass(frozen=True)
class Need:
    """What a model needs to run.

    Attributes:
        basis: `GENERATED`: the arena, constants and code of what `edgevision firmware` makes; `INTERPRETED`: the
            tensors that live together, without an interpreter's own, and the model file.
        ram_bytes: What is written to: the planned peak.
        bound_bytes: The most that is alive at once: no plan needs less.
        constant_bytes: What is only read.
        code_bytes: Room for code, where it is generated: an upper estimate; `edgevision firmware` measures it.
        macs: Multiply-accumulate operations; None for formats whose operators are not counted.
    """

    basis: str
    ram_bytes: int
    bound_bytes: int
    constant_bytes: int
    code_bytes: int = 0
    macs: int | None = None


def need_of(graph: Graph) -> Need:
    """Return what a graph needs with an interpreter."""
    plan = plan_graph(graph)
    counted = graph.format == "tflite"
    macs = sum(macs_of(graph, node) for node in graph.nodes) if counted else None
    return Need(INTERPRETED, plan.peak, plan.bound, graph.file_bytes, macs=macs)


@dataclass(frozen=True)
class Fit:
    """A model's need beside what a microcontroller has.

    Attributes:
        need: What the model takes.
        ram_bytes: What there is.
        flash_bytes: What there is.
        estimated_ms: The least and the most milliseconds of an inference with generated firmware: an estimate, see
            `edgevision.devices.latency_estimate`; None where there is none.
    """

    need: Need
    ram_bytes: int | None
    flash_bytes: int | None
    estimated_ms: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def fit(profile: DeviceProfile, need: Need) -> Fit:
    """Put a need beside what a microcontroller has."""
    timed = need.basis == GENERATED and need.macs is not None
    estimate = estimated_ms(profile, need.macs or 0) if timed else None
    return Fit(need, profile.get("ram_bytes"), profile.get("flash_bytes"), estimate)
