"""From operations in order to the memory of their tensors: which of them share one buffer, and where each lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgevision.memory_plan import Buffer, MemoryPlan, plan_memory


@dataclass(frozen=True)
class Operation:
    """Something that reads tensors and writes others.

    Attributes:
        name: What its scratch memory is called in reports.
        reads: Tensors that it reads; constants are not among them.
        writes: Tensors that it writes.
        alias: Whether it only gives the bytes that it reads another shape.
        in_place: Tensors among those read whose memory the result may take.
        scratch_bytes: Memory that it needs while it runs.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    alias: bool = False
    in_place: tuple[str, ...] = ()
    scratch_bytes: int = 0


@dataclass(frozen=True)
class Layout:
    """Where everything lies.

    Attributes:
        plan: Where buffers lie.
        tensors: Tensor -> offset in bytes.
        scratch: Position of an operation -> offset of its scratch memory.
    """

    plan: MemoryPlan
    tensors: Mapping[str, int]
    scratch: Mapping[int, int]


def lay_out(
    operations: Sequence[Operation], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str],
    *, alignment: int = 4, budget: int = 2000,
) -> Layout:  # fmt: skip
    """Place the tensors of operations that run one after the other.

    Args:
        operations: What runs, in order.
        sizes: Tensor -> bytes.
        inputs: Tensors that are there before the first operation.
        outputs: Tensors that are read after the last one.
        alignment: Every offset is a multiple of it.
        budget: Of the search; see `plan_memory`.

    Example:
        >>> chain = [Operation("a", ("x",), ("y",)), Operation("b", ("y",), ("z",), in_place=("y",))]
        >>> lay_out(chain, {"x": 8, "y": 4, "z": 4}, ["x"], ["z"]).tensors
        {'x': 0, 'y': 8, 'z': 8}
    """
    lives = _Lives(operations, sizes, inputs, outputs)
    roots = lives.roots()
    buffers = [Buffer(root, sizes[root], lives.first[root], lives.last[root]) for root in roots]
    scratch = [
        (position, Buffer(f"scratch of {one.name}", one.scratch_bytes, position, position))
        for position, one in enumerate(operations)
        if one.scratch_bytes
    ]
    plan = plan_memory([*buffers, *(buffer for _, buffer in scratch)], alignment=alignment, budget=budget)
    places = dict(zip(roots, plan.offsets, strict=False))
    rest = plan.offsets[len(roots) :]
    return Layout(
        plan,
        {name: places[lives.root(name)] for name in lives.first},
        {position: offset for (position, _), offset in zip(scratch, rest, strict=True)},
    )


class _Lives:
    """When each tensor is needed, and which of them are one buffer."""

    def __init__(
        self, operations: Sequence[Operation], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str]
    ) -> None:
        self._sizes = sizes
        self._owner: dict[str, str] = {}
        self.first: dict[str, int] = dict.fromkeys(inputs, 0)
        self.last: dict[str, int] = dict.fromkeys(inputs, 0)
        for position, one in enumerate(operations):
            for name in (*one.reads, *one.writes):
                self.first.setdefault(name, position)
                self.last[name] = position
        self.last |= {name: len(operations) for name in outputs if name in self.first}
        for position, one in enumerate(operations):
            source = one.reads[0] if one.alias and one.reads else self._overwritten(one, position)
            if source is not None:
                self._join(source, one.writes[0])

    def root(self, name: str) -> str:
        """Return the tensor that stands for a buffer."""
        while name in self._owner:
            name = self._owner[name]
        return name

    def roots(self) -> list[str]:
        """Return those of all buffers, in the order of their first operation."""
        found = dict.fromkeys(self.root(name) for name in self.first)
        return sorted(found, key=lambda name: self.first[name])

    def _join(self, source: str, target: str) -> None:
        kept, joined = self.root(source), self.root(target)
        if kept != joined:
            self._owner[joined] = kept
            self.first[kept] = min(self.first[kept], self.first[joined])
            self.last[kept] = max(self.last[kept], self.last[joined])

    def _overwritten(self, one: Operation, position: int) -> str | None:
        """Return the tensor whose memory the result takes: one of the same size that nothing reads later."""
        for name in one.in_place:
            fits = self._sizes[name] == self._sizes[one.writes[0]] and one.reads.count(name) == 1
            if fits and self.last[self.root(name)] <= position and self.first[one.writes[0]] == position:
                return name
        return None
