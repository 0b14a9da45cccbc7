"""What a graph takes to run, whatever runs it: the memory of its tensors, and multiplications."""

from __future__ import annotations

import math

from edgevision.graphs.graph import Graph, Node
from edgevision.lifetimes import Operation, lay_out
from edgevision.memory_plan import MemoryPlan

_SAME_BYTES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "Reshape", "Squeeze", "Unsqueeze", "Flatten")


def plan_graph(graph: Graph, *, budget: int = 0) -> MemoryPlan:
    """Return where tensors lie when operators run in the file's order.

    Reshapes share a buffer; scratch memory of kernels and operators in place are not in it.

    Args:
        graph: The graph.
        budget: Of the search; see `edgevision.memory_plan.plan_memory`.
    """
    known = {name: value.bytes for name, value in graph.values.items() if not value.constant}
    operations = [
        Operation(
            node.kind,
            tuple(name for name in node.inputs if name in known),
            tuple(name for name in node.outputs if name in known),
            alias=_is_alias(graph, node),
        )
        for node in graph.nodes
    ]
    inputs = [name for name in graph.inputs if name in known]
    return lay_out(operations, known, inputs, graph.outputs, budget=budget).plan


def _is_alias(graph: Graph, node: Node) -> bool:
    if node.kind not in _SAME_BYTES or len(node.outputs) != 1:
        return False
    sources, (output,) = graph.inputs_of(node), graph.outputs_of(node)
    return bool(sources) and sources[0].name == node.inputs[0] and sources[0].bytes == output.bytes


def macs_of(graph: Graph, node: Node) -> int:
    """Return the multiply-accumulate operations of a TFLite operator; 0 for one without weights."""
    if node.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"):
        return 0
    if "" in node.inputs[:2] or len(node.inputs) < (3 if node.kind == "TRANSPOSE_CONV" else 2) or not node.outputs:
        return 0
    weights, output = graph.values[node.inputs[1]].sizes, graph.outputs_of(node)[0]
    if node.kind == "TRANSPOSE_CONV":
        return graph.values[node.inputs[2]].elements * math.prod(weights[:-1])
    per_value = weights[1:3] if node.kind == "DEPTHWISE_CONV_2D" else weights[1:]
    return output.elements * math.prod(per_value)
