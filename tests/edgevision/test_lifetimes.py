"""Tensors that live at the same time never share bytes, whatever runs; those that may share do."""

import itertools
import random

import pytest

from edgevision.lifetimes import Operation, lay_out


def test_reshapes_and_operators_in_place_share_a_buffer():
    chain = [
        Operation("flat", ("x",), ("flat",), alias=True),
        Operation("relu", ("flat",), ("y",), in_place=("flat",)),
        Operation("dense", ("y",), ("z",), scratch_bytes=10),
    ]
    layout = lay_out(chain, {"x": 64, "flat": 64, "y": 64, "z": 8}, ["x"], ["z"])
    assert layout.tensors["x"] == layout.tensors["flat"] == layout.tensors["y"]
    assert set(layout.scratch) == {2} and layout.plan.peak == layout.plan.bound == 64 + 8 + 12


@pytest.mark.parametrize(
    ("later", "outputs"),
    [
        ((Operation("add", ("y", "x"), ("z",)),), ["z"]),
        ((), ["x", "y"]),
    ],
    ids=["read again", "an output"],
)
def test_what_is_needed_later_is_not_overwritten(later, outputs):
    chain = [Operation("relu", ("x",), ("y",), in_place=("x",)), *later]
    layout = lay_out(chain, {"x": 8, "y": 8, "z": 8}, ["x"], outputs)
    assert layout.tensors["x"] != layout.tensors["y"]


def test_a_tensor_that_is_read_twice_at_once_is_not_overwritten():
    chain = [Operation("add", ("x", "x"), ("y",), in_place=("x",))]
    layout = lay_out(chain, {"x": 8, "y": 8}, ["x"], ["y"])
    assert layout.tensors["x"] != layout.tensors["y"]


@pytest.mark.parametrize("seed", range(20))
def test_running_it_finds_every_value_where_it_was_put(seed):
    """Random programs, run on one block of memory: each reads what was written for it."""
    draw = random.Random(seed)
    sizes, program, known = {"t0": 16}, [], ["t0"]
    for number in range(1, 25):
        name, source = f"t{number}", draw.choice(known[-4:])
        kind = draw.choice(["alias", "in place", "other", "other"])
        sizes[name] = sizes[source] if kind != "other" else 4 * draw.randint(1, 16)
        reads = (source,) if kind != "other" else tuple({source, draw.choice(known)})
        scratch = draw.choice([0, 20]) if kind != "alias" else 0
        in_place = (source,) if kind == "in place" else ()
        program.append(Operation(name, reads, (name,), kind == "alias", in_place, scratch))
        known.append(name)
    outputs = [known[-1], draw.choice(known[1:])]
    layout = lay_out(program, sizes, ["t0"], outputs, budget=200)
    memory: list[object] = [None] * layout.plan.peak

    def put(place, size, value):
        memory[place : place + size] = [value] * size

    def holds(name, values):
        place = layout.tensors[name]
        return all(found == values[name] for found in memory[place : place + sizes[name]])

    values = {"t0": "t0"}
    put(layout.tensors["t0"], sizes["t0"], "t0")
    for position, one in enumerate(program):
        assert all(holds(name, values) for name in one.reads), one
        if one.scratch_bytes:
            put(layout.scratch[position], one.scratch_bytes, "scratch")
            assert all(holds(name, values) for name in one.reads), one
        (name,) = one.writes
        # Aliases and what is computed in place have the value of what they were made from, or their own.
        values[name] = values[one.reads[0]] if one.alias else name
        if not one.alias:
            put(layout.tensors[name], sizes[name], name)
    assert all(holds(name, values) for name in itertools.chain(outputs))
