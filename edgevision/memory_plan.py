"""Where tensors lie in one block of memory: buffers that live at different times share bytes.

`plan_memory` places buffers greedily, the largest first (Pisarchyk and Lee, "Efficient Memory Management for Deep
Neural Net Inference", 2020), then searches among other orders of placement until the peak is the liveness bound,
which no placement undercuts, or the budget is used up. The same buffers give the same plan.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from edgevision.errors import ConfigError


@dataclass(frozen=True)
class Buffer:
    """Something that needs memory for a while.

    Attributes:
        name: What it is called in reports.
        bytes: Its size.
        first: The first step at which it holds something.
        last: The last one; both are inclusive.
    """

    name: str
    bytes: int
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.bytes < 0 or self.first > self.last:
            raise ConfigError(
                f"buffer {self.name}", got=f"{self.bytes} bytes, steps {self.first} to {self.last}",
                allowed="0 bytes or more, the first step not after the last",
            )  # fmt: skip


@dataclass(frozen=True)
class MemoryPlan:
    """Where each buffer lies.

    Attributes:
        buffers: The buffers.
        offsets: For each of them, where it starts, in bytes.
        peak: Bytes that all of them need together.
        bound: The most that is alive at one step, sizes rounded up to the alignment: no plan needs less.
        busiest: A step at which that much is alive; 0 when there are no buffers.
    """

    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]
    peak: int
    bound: int
    busiest: int

    @property
    def optimal(self) -> bool:
        """Whether the plan is known to be the smallest."""
        return self.peak == self.bound

    @property
    def holders(self) -> tuple[Buffer, ...]:
        """The buffers that are alive at the busiest step, the largest first."""
        alive = [buffer for buffer in self.buffers if buffer.first <= self.busiest <= buffer.last]
        return tuple(sorted(alive, key=lambda buffer: -buffer.bytes))


def plan_memory(buffers: Sequence[Buffer], *, alignment: int = 4, budget: int = 2000, seed: int = 0) -> MemoryPlan:
    """Place buffers.

    Args:
        buffers: What needs memory, and when.
        alignment: Every offset is a multiple of it.
        budget: How many orders of placement to try after the greedy ones.
        seed: Of the search.

    Raises:
        ConfigError: An alignment or budget that makes no sense.

    Example:
        >>> plan = plan_memory([Buffer("a", 8, 0, 1), Buffer("b", 4, 1, 2), Buffer("c", 8, 2, 3)])
        >>> plan.offsets, plan.peak, plan.optimal
        ((0, 8, 0), 12, True)
    """
    if alignment < 1 or budget < 0:
        raise ConfigError("memory plan", got=f"alignment {alignment}, budget {budget}", allowed="1 or more, 0 or more")
    search = _Search(buffers, alignment)
    bound, busiest = search.bound()
    order = min(search.greedy_orders(), key=search.peak)
    offsets = search.improve(order, bound, budget, random.Random(seed))
    peak = max((o + size for o, size in zip(offsets, search.sizes, strict=True)), default=0)
    return MemoryPlan(tuple(buffers), tuple(offsets), peak, bound, busiest)


class _Search:
    """Orders of placement, and what they come to."""

    def __init__(self, buffers: Sequence[Buffer], alignment: int) -> None:
        self.buffers = buffers
        self.sizes = [-(-buffer.bytes // alignment) * alignment for buffer in buffers]
        self._meets = [
            [j for j, other in enumerate(buffers) if other.first <= one.last and one.first <= other.last and i != j]
            for i, one in enumerate(buffers)
        ]

    def bound(self) -> tuple[int, int]:
        """Return the most bytes that are alive at once, and the first step at which they are."""
        loads = {
            step: sum(s for b, s in zip(self.buffers, self.sizes, strict=True) if b.first <= step <= b.last)
            for step in sorted({buffer.first for buffer in self.buffers})
        }
        busiest = max(loads, key=lambda step: loads[step], default=0)
        return loads.get(busiest, 0), busiest

    def greedy_orders(self) -> list[list[int]]:
        """Return orders to start from: by size, by size times duration, by the first step."""
        indices = range(len(self.buffers))
        spans = [buffer.last - buffer.first + 1 for buffer in self.buffers]
        return [
            sorted(indices, key=lambda i: (-self.sizes[i], self.buffers[i].first)),
            sorted(indices, key=lambda i: (-self.sizes[i] * spans[i], self.buffers[i].first)),
            sorted(indices, key=lambda i: (self.buffers[i].first, -self.sizes[i])),
        ]

    def place(self, order: Sequence[int]) -> list[int]:
        """Put each buffer, in this order, at the lowest place that is free while it lives."""
        offsets: dict[int, int] = {}
        for index in order:
            taken = sorted((offsets[j], offsets[j] + self.sizes[j]) for j in self._meets[index] if j in offsets)
            start = 0
            for low, high in taken:
                if start + self.sizes[index] <= low:
                    break
                start = max(start, high)
            offsets[index] = start
        return [offsets[index] for index in range(len(self.buffers))]

    def peak(self, order: Sequence[int]) -> int:
        """Return the bytes that an order comes to."""
        return max((o + size for o, size in zip(self.place(order), self.sizes, strict=True)), default=0)

    def improve(self, order: list[int], bound: int, budget: int, draw: random.Random) -> list[int]:
        """Move a buffer that reaches the peak, or any other, to an earlier turn, and keep what is no worse."""
        best = self.peak(order)
        for _ in range(budget if len(order) > 1 else 0):
            if best == bound:
                break
            offsets = self.place(order)
            top = [i for i in order if offsets[i] + self.sizes[i] == best]
            moved = draw.choice(top if draw.random() < 0.5 else order)
            other = [i for i in order if i != moved]
            other.insert(draw.randrange(len(order)), moved)
            found = self.peak(other)
            if found <= best:
                order, best = other, found
        return self.place(order)
