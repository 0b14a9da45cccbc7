"""Which channels go, and in what order, until a target is met.

Channels that live in the same layers form a block. A block gives up its least important channels, a few at a time, so
that what remains is a multiple that suits the hardware. Whole blocks are never removed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.converters.channel_graph import ChannelGraph
from edgevision.converters.costs import kernel_positions
from edgevision.errors import ConversionError

SCOPES = ("global", "per_layer")
TINY = 1e-12


@dataclass(frozen=True)
class Block:
    """Channels that go or stay one by one, and stand in the same layers.

    Attributes:
        layers: Names of the layers that make them, sorted.
        roots: The sets of channels, the least important first.
        scores: The importance of each, ascending.
        width: Channels of a layer that go with each set: more than one before a convolution in groups.
    """

    layers: tuple[str, ...]
    roots: tuple[int, ...]
    scores: tuple[float, ...]
    width: int = 1


@dataclass(frozen=True)
class Chunk:
    """Some channels of one block that go together."""

    block: int
    roots: tuple[int, ...]


def blocks_of(graph: ChannelGraph, importance: Mapping[int, float], chosen: Iterable[Any]) -> tuple[Block, ...]:
    """Return the blocks that may lose channels: those of which every layer is ``chosen``."""
    allowed, frozen = {id(layer) for layer in chosen}, graph.frozen_roots()
    layers: dict[int, set[int]] = {}
    widths: dict[int, int] = {}
    for axis in graph.axes:
        if axis.role == "output":
            roots, counts = np.unique(graph.roots(axis.channels), return_counts=True)
            for root, count in zip(roots.tolist(), counts.tolist(), strict=True):
                layers.setdefault(root, set()).add(id(axis.layer))
                widths[root] = max(count, widths.get(root, 1))
    members: dict[frozenset[int], list[int]] = {}
    for root, makers in layers.items():
        if root not in frozen and root in importance and makers <= allowed:
            members.setdefault(frozenset(makers), []).append(root)
    found = []
    for together, sets in members.items():
        ordered = sorted(sets, key=lambda root: (importance[root], root))
        scores = tuple(importance[root] for root in ordered)
        names = tuple(sorted(graph.names[layer] for layer in together))
        found.append(Block(names, tuple(ordered), scores, max(widths[root] for root in ordered)))
    return tuple(found)


def chunks_of(block: Block, multiple: int) -> list[tuple[int, ...]]:
    """Return what a block can give up, in order: first what is over a multiple, then a multiple at a time, never all.

    >>> chunks_of(Block(("conv",), tuple(range(20)), (1.0,) * 20), 8)
    [(0, 1, 2, 3), (4, 5, 6, 7, 8, 9, 10, 11)]
    """
    multiple //= math.gcd(multiple, block.width)
    count, chunks, start = len(block.roots), [], 0
    sizes = [count % multiple] if count % multiple else []
    sizes += [multiple] * (count // multiple)
    for size in sizes:
        if count - start - size < 1:
            break
        chunks.append(block.roots[start : start + size])
        start += size
    return chunks


class Widths:
    """The operations and parameters of a model as channels are taken away."""

    def __init__(self, graph: ChannelGraph) -> None:
        """Count the model as it is."""
        self._counts: list[int] = []
        self._touched: dict[int, dict[int, int]] = {}
        self._axes: dict[tuple[int, int], list[int]] = {}
        self._rest: dict[tuple[int, int], int] = {}
        self._positions = _positions(graph)
        for place, axis in enumerate(graph.axes):
            self._counts.append(len(axis.channels))
            roots, times = np.unique(graph.roots(axis.channels), return_counts=True)
            for root, count in zip(roots.tolist(), times.tolist(), strict=True):
                self._touched.setdefault(root, {})[place] = count
            self._axes.setdefault((id(axis.layer), axis.weight), []).append(place)
        self._weights_of = [(id(axis.layer), axis.weight) for axis in graph.axes]
        for axis in graph.axes:
            key = (id(axis.layer), axis.weight)
            slotted = math.prod(self._counts[place] for place in self._axes[key])
            self._rest[key] = int(math.prod(axis.layer.weights[axis.weight].shape)) // slotted
        layers = {id(call.layer): call.layer for call in graph.calls}
        self._fixed = {
            what: sum(
                math.prod(weight.shape) * self._factor((key, place), what)
                for key, layer in layers.items()
                for place, weight in enumerate(layer.weights)
                if (key, place) not in self._axes
            )
            for what in ("macs", "parameters")
        }

    def total(self, what: str) -> int:
        """Return the ``macs`` or the ``parameters`` of what is left."""
        return int(self._fixed[what]) + sum(self._cost(key, what, {}) for key in self._axes)

    def saving(self, roots: Iterable[int], what: str) -> int:
        """Return how much less there would be of ``what`` without these channels."""
        fewer = self._fewer(roots)
        keys = {self._weights_of[place] for place in fewer}
        return sum(self._cost(key, what, {}) - self._cost(key, what, fewer) for key in keys)

    def remove(self, roots: Iterable[int]) -> None:
        """Take these channels away."""
        for place, count in self._fewer(roots).items():
            self._counts[place] -= count

    def give_back(self, roots: Iterable[int]) -> None:
        """Undo `remove`."""
        for place, count in self._fewer(roots).items():
            self._counts[place] += count

    def _fewer(self, roots: Iterable[int]) -> dict[int, int]:
        fewer: dict[int, int] = {}
        for root in roots:
            for place, count in self._touched.get(root, {}).items():
                fewer[place] = fewer.get(place, 0) + count
        return fewer

    def _cost(self, key: tuple[int, int], what: str, fewer: Mapping[int, int]) -> int:
        size = math.prod(self._counts[place] - fewer.get(place, 0) for place in self._axes[key])
        return size * self._rest[key] * self._factor(key, what)

    def _factor(self, key: tuple[int, int], what: str) -> int:
        return 1 if what == "parameters" else self._positions.get(key, 0)


def removal_order(graph: ChannelGraph, blocks: tuple[Block, ...], multiple: int, scope: str, what: str) -> list[Chunk]:
    """Return every chunk that can go, in the order in which it should.

    ``global`` takes next what costs the least for each operation (or parameter) saved, the cost being the logarithm of
    what is left of its block's importance: halving a small block costs as much as halving a large one. ``per_layer``
    takes from each block in turn the same share.
    """
    queues = [chunks_of(block, multiple) for block in blocks]
    if scope == "per_layer":
        return _in_step(blocks, queues)
    return list(_by_price(Widths(graph), blocks, queues, what))


def enough(graph: ChannelGraph, chunks: Sequence[Chunk], what: str, wanted: float) -> list[Chunk]:
    """Return the first of ``chunks`` that leave at most ``wanted`` of ``what``, less those that need not go after all.

    The last chunk often frees more than was missing; then earlier ones, the latest first, are given back.

    Raises:
        ConversionError: All of them are not enough.
    """
    widths, chosen = Widths(graph), []
    for chunk in chunks:
        widths.remove(chunk.roots)
        chosen.append(chunk)
        if widths.total(what) <= wanted:
            break
    else:
        raise _unreachable(what, wanted, widths.total(what))
    kept_out = set()
    for chunk in reversed(chosen[:]):
        widths.give_back(chunk.roots)
        if chunk.block not in kept_out and widths.total(what) <= wanted:
            chosen.remove(chunk)
        else:
            widths.remove(chunk.roots)
            kept_out.add(chunk.block)
    return chosen


def first_that_fit(chunks: list[Chunk], size: Callable[[list[Chunk]], float], what: str, wanted: float) -> list[Chunk]:
    """Return the shortest beginning of ``chunks`` without which ``size`` is at most ``wanted``, found by bisection.

    Raises:
        ConversionError: All of them are not enough.
    """
    least = size(chunks)
    if least > wanted:
        raise _unreachable(what, wanted, least)
    low, high = 1, len(chunks)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if size(chunks[:middle]) <= wanted else (middle + 1, high)
    return chunks[:low]


def amount(what: str, value: float) -> str:
    """Return a number of a target as people read it.

    >>> amount("macs", 1_790_030.0), amount("latency_ms", 0.08125)
    ('1,790,030 macs', '0.0813 ms')
    """
    return f"{value:.3g} ms" if what == "latency_ms" else f"{value:,.0f} {what}"


def _unreachable(what: str, wanted: float, least: float) -> ConversionError:
    return ConversionError(
        "channel pruning cannot meet the target", got=amount(what, wanted), allowed=f"at least {amount(what, least)}",
        next_step="ask for less, a smaller multiple, or more layers",
    )  # fmt: skip


def _in_step(blocks: tuple[Block, ...], queues: list[list[tuple[int, ...]]]) -> list[Chunk]:
    """Order chunks by the share of their block that is gone with them."""
    shares: list[tuple[float, int, Chunk]] = []
    for index, (block, queue) in enumerate(zip(blocks, queues, strict=True)):
        gone = 0
        for roots in queue:
            gone += len(roots)
            shares.append((gone / len(block.roots), index, Chunk(index, roots)))
    return [chunk for _, _, chunk in sorted(shares, key=lambda item: item[:2])]


def _by_price(
    widths: Widths, blocks: tuple[Block, ...], queues: list[list[tuple[int, ...]]], what: str
) -> Iterator[Chunk]:
    waiting = [list(queue) for queue in queues]
    scores = [dict(zip(block.roots, block.scores, strict=True)) for block in blocks]
    left = [sum(block.scores) for block in blocks]
    while any(waiting):
        prices = []
        for index, queue in enumerate(waiting):
            if queue:
                lost = sum(scores[index][root] for root in queue[0])
                cost = math.log(left[index] / max(left[index] - lost, TINY)) if left[index] > 0 else 0.0
                prices.append((cost / max(1, widths.saving(queue[0], what)), index))
        _, index = min(prices)
        roots = waiting[index].pop(0)
        left[index] -= sum(scores[index][root] for root in roots)
        widths.remove(roots)
        yield Chunk(index, roots)


def _positions(graph: ChannelGraph) -> dict[tuple[int, int], int]:
    """Return for each kernel, as (layer, position among its weights), how often its weights are multiplied."""
    found: dict[tuple[int, int], int] = {}
    for call in graph.calls:
        for attribute, positions in kernel_positions(call).items():
            key = (id(call.layer), _place(call.layer, attribute))
            found[key] = found.get(key, 0) + positions
    return found


def _place(layer: Any, attribute: str) -> int:
    variable = getattr(layer, attribute)
    return next(place for place, weight in enumerate(layer.weights) if weight is variable)
