"""Where the operators of a model run on a device with an accelerator: predicted, or as a vendor's tool says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

CPU, GPU = "cpu", "gpu"
NOWHERE = "nowhere"
"""Target of an operator that nothing on the device takes."""
LEFT = "left so by the compiler, which says no reason"


@dataclass(frozen=True)
class Placement:
    """Where one operator runs.

    Attributes:
        index: The operator's place in the file, from 0.
        kind: What it computes.
        name: Its name, or that of its first output.
        target: Where it runs: "cpu", the accelerator, or the GPU beside it.
        reason: Why it is not on the accelerator; None on the accelerator.
        rewrite: What would help; None where nothing is known to.
    """

    index: int
    kind: str
    name: str
    target: str
    reason: str | None = None
    rewrite: str | None = None


@dataclass(frozen=True)
class Segment:
    """Neighbouring operators that run on the same target: from the index ``first`` to ``last``, both included."""

    target: str
    first: int
    last: int


@dataclass(frozen=True)
class MappingReport:
    """Where each operator of a model runs.

    Attributes:
        accelerator: "edgetpu", "ethos-u", an OpenVINO device, ….
        by: Who says so: "predicted", or the tool and its version.
        placements: Each operator's place, in the order of the file.
        facts: Figures, the unit in each name: parameter bytes on chip and off, cycles.
        notes: What holds for the model as a whole.
    """

    accelerator: str
    by: str
    placements: tuple[Placement, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Neighbouring operators with one target, in order."""
        found: list[Segment] = []
        for placed in self.placements:
            if found and found[-1].target == placed.target:
                found[-1] = Segment(placed.target, found[-1].first, placed.index)
            else:
                found.append(Segment(placed.target, placed.index, placed.index))
        return tuple(found)

    @property
    def on_cpu(self) -> tuple[Placement, ...]:
        """The operators that are left to the processor."""
        return tuple(placed for placed in self.placements if placed.target == CPU)

    @property
    def mapped(self) -> int:
        """Number of operators on the accelerator."""
        return sum(placed.target == self.accelerator for placed in self.placements)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "accelerator": self.accelerator,
            "by": self.by,
            "mapped": self.mapped,
            "operators": len(self.placements),
            "segments": [asdict(segment) for segment in self.segments],
            "placements": [asdict(placed) for placed in self.placements],
            "facts": dict(self.facts),
            "notes": list(self.notes),
        }


def differences(first: MappingReport, second: MappingReport) -> Sequence[str]:
    """Return where two reports on the same file place an operator differently, one line each."""
    there = {placed.index: placed for placed in second.placements}
    lines = []
    for placed in first.placements:
        other = there.get(placed.index)
        if other is None or other.target != placed.target:
            said = "nothing" if other is None else other.target
            what = f"{placed.kind} {placed.index} ({placed.name})"
            lines.append(f"{what}: {first.by} {placed.target}, {second.by} {said}")
    return lines
