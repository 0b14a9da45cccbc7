"""What is inside a file that Vela wrote: command streams, weights and memories of each ``ethos-u`` operator.

The first four inputs of the operator are the command stream, the weights, the scratch memory and the fast scratch
memory. The stream begins with what Arm's driver reads: "COP1", then a word whose bits say the NPU.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.errors import ArtifactError
from edgevision.flatbuffer import Table
from edgevision.graphs.graph import Graph, Node
from edgevision.graphs.reading import read_graph
from edgevision.mapping import CPU, LEFT, MappingReport, Placement

CUSTOM = "ethos-u"
PRODUCTS = ("ethos-u55", "ethos-u65", "ethos-u85")
_MAGIC, _CONFIG = b"COP1", 1


@dataclass(frozen=True)
class NpuPart:
    """One operator that runs on the NPU.

    Attributes:
        operator: Its place in the file.
        accelerator: NPU and multiply-accumulates a cycle that it was compiled for ("ethos-u55-128").
        stream_bytes: Its command stream.
        weight_bytes: Its weights; operators of one file may share them.
        scratch_bytes: Memory for tensors.
        fast_scratch_bytes: Fast memory for tensors; the same memory as the other where the chip has one of them.
    """

    operator: int
    accelerator: str
    stream_bytes: int
    weight_bytes: int
    scratch_bytes: int
    fast_scratch_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return dict(vars(self))


def inspect_vela(path: str | Path) -> tuple[NpuPart, ...]:
    """Return what is inside of the NPU's operators.

    Raises:
        ArtifactError: The file has none, or they are damaged.
    """
    graph = read_graph(path)
    nodes = [node for node in graph.nodes if node.kind == CUSTOM]
    if not nodes:
        raise ArtifactError("nothing in the file is compiled for an Ethos-U", got=graph.format, allowed="vela")
    data = Path(path).read_bytes()
    return tuple(_part(data, graph, node) for node in nodes)


def vela_mapping(graph: Graph) -> MappingReport:
    """Return what a compiled file says of its own operators, each custom one standing for those inside of it."""
    placements = [
        Placement(node.index, node.kind, node.name, CUSTOM)
        if node.kind == CUSTOM
        else Placement(node.index, node.kind, node.name, CPU, LEFT)
        for node in graph.nodes
    ]
    return MappingReport(CUSTOM, "compiled by Vela", tuple(placements))


def _part(data: bytes, graph: Graph, node: Node) -> NpuPart:
    if len(node.inputs) < 4:
        raise ArtifactError(f"{node}: {CUSTOM} has four inputs before the tensors", got=len(node.inputs))
    stream, weights, scratch, fast = (
        graph.values[name].bytes if name in graph.values else 0 for name in node.inputs[:4]
    )
    try:
        head = _stream(data, node.index)
        accelerator = _accelerator(head)
    except (ValueError, IndexError) as exc:
        raise ArtifactError(f"{node}: a damaged command stream", got=str(exc)) from exc
    return NpuPart(node.index, accelerator, stream, weights, scratch, fast)


def _stream(data: bytes, operator: int) -> bytes:
    model = Table.root(data)
    graph = next(iter(model.tables(2)))
    place = list(graph.tables(3))[operator].integers(1)[0]
    buffer = list(graph.tables(0))[place].number(2, "<I")
    return list(model.tables(4))[buffer].content(0)


def _accelerator(stream: bytes) -> str:
    if stream[:4] != _MAGIC or len(stream) < 12:
        raise ValueError(f"it begins with {stream[:4]!r}, not {_MAGIC!r}")
    action, config = struct.unpack_from("<II", stream, 4)
    product = config >> 28
    if action & 0xFF != _CONFIG or product >= len(PRODUCTS):
        raise ValueError(f"action {action & 0xFF}, product {product}")
    return f"{PRODUCTS[product]}-{1 << (config & 0xF)}"
