"""Where the tensors of a program and the scratch memory of its kernels lie in the arena."""

from __future__ import annotations

from edgevision.converters.firmware.lowering import Program
from edgevision.converters.firmware.step import Alias, Step
from edgevision.lifetimes import Layout, Operation, lay_out

ALIGNMENT = 4


def plan_arena(program: Program, *, budget: int = 2000) -> Layout:
    """Place the tensors of a program: reshapes and operators in place share one buffer with what they read."""
    graph = program.graph
    operations = [_operation(program, step) for _, step in program.steps]
    sizes = {name: value.elements for name, value in graph.values.items()}
    return lay_out(operations, sizes, graph.inputs, graph.outputs, alignment=ALIGNMENT, budget=budget)


def _operation(program: Program, step: Step | Alias) -> Operation:
    if isinstance(step, Alias):
        return Operation("reshape", (step.source,), (step.target,), alias=True)
    computed = [name for name in step.reads if not program.graph.values[name].constant]
    in_place = [step.reads[position] for position in step.in_place if step.reads[position] in computed]
    return Operation(
        step.kernel, tuple(computed), (step.writes,), in_place=tuple(in_place), scratch_bytes=step.scratch_bytes or 0
    )
