"""What is inside a ``*_edgetpu.tflite``: each compiled part, and what stays on the processor.

The content of ``edgetpu-custom-op`` is a FlexBuffer map around a flatbuffer "DWN1"; its tables and field numbers are
those of libedgetpu's ``executable.fbs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgevision.errors import ArtifactError
from edgevision.flatbuffer import Table
from edgevision.graphs.graph import Graph, Node
from edgevision.mapping import CPU, LEFT, MappingReport, Placement

CUSTOM = "edgetpu-custom-op"
_MAGIC = b"DWN1"
TYPES = ("standalone", "parameter_caching", "execution_only")


@dataclass(frozen=True)
class CompiledPart:
    """One executable of a compiled model.

    Attributes:
        operator: Index of the custom operator that it is in.
        name: What the compiler called it.
        type: One of `TYPES`: one that caches parameters is run once, one of execution only for each inference.
        parameter_bytes: Parameters in it; those of "parameter_caching" stay on the chip.
        instruction_bytes: Its programs.
        scratch_bytes: Memory of the host that it needs.
        compiler: Version of the compiler, of the package as a whole.
        runtime_version: Version of the runtime that it needs at least.
        caching_token: Parts with one token keep their parameters on the chip side by side; another token clears them.
            Models that were compiled together share it.
    """

    operator: int
    name: str
    type: str
    parameter_bytes: int
    instruction_bytes: int
    scratch_bytes: int
    compiler: str
    runtime_version: int
    caching_token: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return dict(vars(self))


def inspect_compiled(graph: Graph) -> tuple[CompiledPart, ...]:
    """Return the executables inside of a compiled model's custom operators.

    Raises:
        ArtifactError: The file has none, or they are damaged.
    """
    parts = [part for node in graph.nodes if node.kind == CUSTOM for part in _parts(node)]
    if not parts:
        raise ArtifactError("nothing in the file is compiled for the Edge TPU", got=graph.format, allowed="edgetpu")
    return tuple(parts)


def compiled_mapping(graph: Graph) -> MappingReport:
    """Return what a compiled file says of its own operators, each custom one standing for those inside of it.

    Raises:
        ArtifactError: As `inspect_compiled`.
    """
    parts = inspect_compiled(graph)
    placements = [
        Placement(node.index, node.kind, node.name, "edgetpu")
        if node.kind == CUSTOM
        else Placement(node.index, node.kind, node.name, CPU, LEFT)
        for node in graph.nodes
    ]
    facts = {
        "parameter_bytes_on_chip": sum(part.parameter_bytes for part in parts if part.type == TYPES[1]),
        "parameter_bytes_streamed": sum(part.parameter_bytes for part in parts if part.type != TYPES[1]),
        "runtime_version": max(part.runtime_version for part in parts),
    }
    return MappingReport("edgetpu", f"compiled by {parts[0].compiler}", tuple(placements), facts)


def _parts(node: Node) -> list[CompiledPart]:
    place = node.payload.find(_MAGIC)
    if place < 4:
        raise ArtifactError(f"{CUSTOM} {node.index}: no package inside", got=f"{len(node.payload)} bytes")
    try:
        package = Table.root(node.payload[place - 4 :])
        compiler, version = package.text(4), package.number(0, "<i")
        inner = Table.root(package.content(1))
        return [_part(node.index, text, compiler, version) for text in _texts(inner, 0)]
    except (ValueError, IndexError, UnicodeDecodeError) as exc:
        raise ArtifactError(f"{CUSTOM} {node.index}: a damaged package", got=str(exc)) from exc


def _texts(table: Table, field: int) -> list[bytes]:
    found = []
    for place in table.places(field, 4):
        start = place + table.unpack("<I", place)
        length = table.unpack("<I", start)
        if start + 4 + length > len(table.data):
            raise ValueError(f"{length} bytes at {start} of {len(table.data)}")
        found.append(bytes(table.data[start + 4 : start + 4 + length]))
    return found


def _part(operator: int, data: bytes, compiler: str, version: int) -> CompiledPart:
    table = Table.root(data)
    number = table.number(13, "<h")
    instructions = sum(len(stream.places(0, 1)) for stream in table.tables(5))
    kind = TYPES[number] if 0 <= number < len(TYPES) else f"type {number}"
    scratch = table.number(4, "<i")
    return CompiledPart(
        operator, table.text(1), kind, len(table.places(6, 1)), instructions, scratch, compiler, version,
        table.number(14, "<Q"),
    )  # fmt: skip
