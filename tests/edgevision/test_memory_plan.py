"""edgevision.memory_plan: no two live buffers overlap, and the bound is a bound."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevision.errors import ConfigError
from edgevision.memory_plan import Buffer, plan_memory

LIVES = st.tuples(st.integers(0, 400), st.integers(0, 12), st.integers(0, 6))


def buffers_of(lives):
    return [Buffer(f"b{i}", size, first, first + span) for i, (size, first, span) in enumerate(lives)]


@settings(max_examples=60, deadline=None)
@given(st.lists(LIVES, max_size=14), st.sampled_from([1, 4, 16]))
def test_buffers_that_live_together_do_not_overlap(lives, alignment):
    buffers = buffers_of(lives)
    plan = plan_memory(buffers, alignment=alignment, budget=50)
    for (one, at), (other, there) in itertools.combinations(zip(buffers, plan.offsets, strict=True), 2):
        together = one.first <= other.last and other.first <= one.last
        assert not together or at + one.bytes <= there or there + other.bytes <= at
    for buffer, at in zip(buffers, plan.offsets, strict=True):
        assert at % alignment == 0 and at + buffer.bytes <= plan.peak
    steps = range(20)
    alive = [sum(-(-b.bytes // alignment) * alignment for b in buffers if b.first <= s <= b.last) for s in steps]
    assert plan.bound == max(alive) <= plan.peak
    if buffers:
        assert sum(-(-b.bytes // alignment) * alignment for b in plan.holders) == plan.bound


def test_the_search_finds_what_greedy_misses():
    # Largest first puts e on top of a hole that d fills only at another order.
    lives = [(6, 0, 1), (5, 1, 1), (4, 2, 1), (7, 3, 1), (3, 0, 3), (2, 2, 2)]
    buffers = buffers_of(lives)
    orders = itertools.permutations(range(len(buffers)))
    from edgevision.memory_plan import _Search

    search = _Search(buffers, 1)
    best = min(search.peak(order) for order in orders)
    assert plan_memory(buffers, alignment=1).peak == best
    assert min(map(search.peak, search.greedy_orders())) >= best


def test_the_same_buffers_give_the_same_plan():
    buffers = buffers_of([(i * 37 % 101, i % 9, i % 4) for i in range(30)])
    assert plan_memory(buffers) == plan_memory(buffers)


def test_nothing_needs_nothing():
    plan = plan_memory([])
    assert (plan.peak, plan.bound, plan.optimal, plan.holders) == (0, 0, True, ())


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match="the first step not after the last"):
        Buffer("late", 4, 3, 2)
    with pytest.raises(ConfigError, match="alignment 0"):
        plan_memory([], alignment=0)
