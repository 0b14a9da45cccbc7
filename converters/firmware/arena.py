"""Which tensors share memory, and where each lies in the arena."""

from __future__ import annotations

from dataclasses import dataclass

from edgevision.converters.firmware.lowering import Program
from edgevision.converters.firmware.step import Alias, Step
from edgevision.memory_plan import Buffer, MemoryPlan, plan_memory

ALIGNMENT = 4


@dataclass(frozen=True)
class Arena:
    """The memory of one inference.

    Attributes:
        plan: Where buffers lie.
        tensors: Tensor -> offset in the arena.
        scratch: Position of a step -> offset of its scratch memory.
    """

    plan: MemoryPlan
    tensors: dict[str, int]
    scratch: dict[int, int]

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.plan.peak


def plan_arena(program: Program, *, budget: int = 2000) -> Arena:
    """Place the tensors of a program: reshapes and operators in place share one buffer with what they read."""
    lives = _Lives(program)
    tensors = program.graph.values
    roots = lives.roots()
    buffers = [Buffer(i, tensors[i].elements, lives.first[i], lives.last[i]) for i in roots]
    scratch = [
        (position, Buffer(f"scratch of {step.kernel}", step.scratch_bytes, position, position))
        for position, (_, step) in enumerate(program.steps)
        if isinstance(step, Step) and step.scratch_bytes
    ]
    plan = plan_memory([*buffers, *(buffer for _, buffer in scratch)], alignment=ALIGNMENT, budget=budget)
    places = dict(zip(roots, plan.offsets, strict=False))
    rest = plan.offsets[len(roots) :]
    return Arena(
        plan,
        {name: places[lives.root(name)] for name in lives.first},
        {position: offset for (position, _), offset in zip(scratch, rest, strict=True)},
    )


class _Lives:
    """When each tensor is needed, and which of them are one buffer."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._owner: dict[str, str] = {}
        self.first: dict[str, int] = dict.fromkeys(program.graph.inputs, 0)
        self.last: dict[str, int] = dict.fromkeys(program.graph.inputs, 0)
        for position, (_, step) in enumerate(program.steps):
            reads, target = _ends(step)
            for name in reads:
                if not program.graph.values[name].constant:
                    self.last[name] = position
            self.first.setdefault(target, position)
            self.last[target] = position
        for name in program.graph.outputs:
            self.last[name] = len(program.steps)
        for position, (_, step) in enumerate(program.steps):
            source = step.source if isinstance(step, Alias) else self._overwritten(step, position)
            if source is not None:
                self._join(source, _ends(step)[1])

    def root(self, name: str) -> str:
        """Return the tensor that stands for a buffer."""
        while name in self._owner:
            name = self._owner[name]
        return name

    def roots(self) -> list[str]:
        """Return those of all buffers, in the order of their first step."""
        return sorted({self.root(name) for name in self.first}, key=lambda name: (self.first[name], name))

    def _join(self, source: str, target: str) -> None:
        kept, joined = self.root(source), self.root(target)
        if kept != joined:
            self._owner[joined] = kept
            self.first[kept] = min(self.first[kept], self.first[joined])
            self.last[kept] = max(self.last[kept], self.last[joined])

    def _overwritten(self, step: Step, position: int) -> str | None:
        """Return the tensor whose memory the result takes: one of the same size that nothing reads later."""
        tensors = self._program.graph.values
        for choice in step.in_place:
            name = step.reads[choice]
            fits = not tensors[name].constant and tensors[name].elements == tensors[step.writes].elements
            free = fits and self.last[self.root(name)] <= position and self.first[step.writes] == position
            if free and step.reads.count(name) == 1:
                return name
        return None


def _ends(step: Step | Alias) -> tuple[tuple[str, ...], str]:
    """Return what a step reads and what it writes."""
    return ((step.source,), step.target) if isinstance(step, Alias) else (step.reads, step.writes)
